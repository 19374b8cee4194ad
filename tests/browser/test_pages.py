"""Submitting in Chromium, with a real worker: by its form, with and without JavaScript, with mistakes and in a hurry."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import entry, fill, overflow, picture, submit

Visit = Callable[..., Page]


def test_a_submission_its_progress_and_its_result_are_seen_without_reloading(visit: Visit) -> None:
    page = visit("/forms/reverse_text")
    expect(page.get_by_text("Nothing submitted yet")).to_be_visible()
    picture(page, "pages-empty")
    task_id = submit(page, "reverse_text", text="hello")
    assert page.url.endswith("/forms/reverse_text#mine")
    expect(page.get_by_role("status").filter(has_text="Submitted")).to_contain_text(task_id)
    expect(entry(page, task_id)).to_contain_text("olleh")
    expect(entry(page, task_id)).to_contain_text("Success")

    steps = submit(page, "steps", count="15", pause="0.2")
    page.evaluate("window.stayed = true")
    running = entry(page, steps)
    expect(running.get_by_role("progressbar")).to_be_visible()
    expect(running).to_contain_text("Started")
    expect(running).to_contain_text(re.compile(r"\d+%\s+step \d+"))
    picture(page, "pages-running")
    expect(running).to_contain_text("Success")
    expect(running.locator(".result")).to_have_text("15")
    assert page.evaluate("window.stayed") is True
    expect(page.locator(".flash")).to_be_in_viewport()
    picture(page, "pages-finished")

    page.reload()
    expect(page.locator(".entry")).to_have_count(2)
    expect(page.locator(".flash")).to_have_count(0)
    failed = submit(page, "fail", text="no <b>luck</b>")
    expect(entry(page, failed).locator(".failed")).to_have_text("no <b>luck</b>")
    # Back where it was, the newest first.
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Raise a ValueError")
    expect(page.locator(".entry").first).to_have_attribute("data-task", failed)


def test_the_list_belongs_to_the_visitor(visit: Visit) -> None:
    one, other = visit(), visit()
    task_id = submit(one, "reverse_text", text="mine")
    other.reload()
    expect(other.get_by_text("Nothing submitted yet")).to_be_visible()
    # The task itself has its page for whoever has its address.
    other.goto(f"/tasks/{task_id}")
    expect(other.get_by_role("heading", level=1)).to_have_text("reverse_text")


def test_a_task_is_chosen_by_name_in_the_catalog(visit: Visit) -> None:
    page = visit()
    catalog = page.get_by_role("navigation", name="Tasks")
    page.get_by_label("Find a task").fill("send parcel")
    expect(catalog.get_by_role("listitem")).to_have_count(0)
    expect(page.get_by_text("No task has these words in its title, its name or its help.")).to_be_visible()
    page.get_by_label("Find a task").fill("EMAIL")
    expect(catalog.get_by_role("listitem")).to_have_count(1)
    page.get_by_label("Find a task").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Send an email")
    expect(catalog.get_by_role("link", name="Send an email")).to_have_attribute("aria-current", "true")


def test_what_was_typed_survives_a_mistake_which_is_said_at_its_field(
    visit: Visit, axe: Callable[[Page], None]
) -> None:
    page = visit()
    fill(page, "append", path='a "path"', line="a line", seconds="soon")
    page.get_by_role("button", name="Submit", exact=True).click()

    seconds = page.get_by_label("Seconds")
    expect(seconds).to_have_value("soon")
    expect(seconds).to_have_attribute("aria-invalid", "true")
    expect(seconds).to_be_focused()
    expect(seconds).to_be_in_viewport()
    expect(page.locator(".error:not(:empty)")).to_have_text(
        "Input should be a valid number, unable to parse string as a number"
    )
    expect(page.get_by_label("Path")).to_have_value('a "path"')
    axe(page)
    picture(page, "pages-mistake")
    expect(page.locator(".entry")).to_have_count(0)
    seconds.fill("0")
    page.get_by_label("Path").fill("/dev/null")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.locator(".entry .badge")).to_have_text("Success")


def test_many_mistakes_are_listed_and_lead_to_their_fields(visit: Visit, axe: Callable[[Page], None]) -> None:
    page = visit()
    fill(page, "add", a="one", b="two")
    page.get_by_role("button", name="Submit", exact=True).click()
    summary = page.locator(".summary")
    expect(summary).to_contain_text("2 fields need another look")
    expect(page.get_by_label("A required", exact=True)).to_be_focused()
    axe(page)
    picture(page, "pages-mistakes")
    summary.get_by_role("link", name=re.compile("^B:")).click()
    expect(page.locator('[id="add.b"]')).to_be_in_viewport()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_double_click_submits_once(visit: Visit, scripts: bool) -> None:
    page = visit(java_script_enabled=scripts)
    fill(page, "reverse_text", text="once")
    page.get_by_role("button", name="Submit", exact=True).dblclick()
    expect(page.locator(".entry")).to_have_count(1)
    # A reload of the page after it is none, and the same again on purpose is another.
    page.reload()
    expect(page.locator(".entry")).to_have_count(1)
    submit(page, "reverse_text", text="once")
    expect(page.locator(".entry")).to_have_count(2)


def test_a_form_that_comes_back_from_the_history_is_another_submission(visit: Visit) -> None:
    page = visit()
    submit(page, "reverse_text", text="first")
    page.go_back()
    page.locator('[name="text"]').fill("first")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.locator(".flash code")).to_be_visible()
    expect(page.locator(".entry")).to_have_count(2)


def test_without_javascript_it_is_post_redirect_and_reload(visit: Visit) -> None:
    page = visit(java_script_enabled=False)
    task_id = submit(page, "reverse_text", text="two\nlines")
    assert page.url.endswith("/forms/reverse_text#mine")
    expect(page.get_by_label("Find a task")).to_be_visible()  # it finds by a GET
    expect(page.get_by_role("link", name="Reload")).to_be_visible()
    # Reloads itself until the task has finished.
    page.goto(f"/tasks/{task_id}")
    expect(page.locator(".title")).to_contain_text("Success")
    expect(page.locator(".card.outcome pre")).to_have_text("senil\nowt")
    expect(page.get_by_role("button", name="Copy the id")).to_be_hidden()
    # Times are UTC then.
    expect(page.locator(".facts time").first).to_have_text(re.compile(r"^\d\d \w{3} \d{4}, \d\d:\d\d:\d\d UTC$"))
    picture(page, "pages-without-scripts", full_page=True)
    page.get_by_role("link", name="Edit and run again").click()
    expect(page.locator('[name="text"]')).to_have_value("two\nlines")
    page.goto(f"/tasks/{task_id}")
    page.get_by_role("button", name="Run again", exact=True).click()
    expect(page.locator(".flash")).to_contain_text("Submitted")
    page.goto("/")
    expect(page.locator(".entry")).to_have_count(2)
    expect(page.locator(".entry .result").first).to_have_text("senil owt")

    fill(page, "add", a="x", b="")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.locator('[name="a"]')).to_have_value("x")
    expect(page.locator('[name="a"]')).to_be_focused()
    waiting = submit(page, "append", path="/dev/null", line="x", seconds="30")
    page.goto(f"/tasks/{waiting}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".title")).to_contain_text("Revoked")


def test_a_phone_has_one_column_and_the_catalog_in_a_sheet(visit: Visit, axe: Callable[[Page], None]) -> None:
    page = visit(viewport={"width": 360, "height": 740}, has_touch=True)
    catalog = page.get_by_role("navigation", name="Tasks")
    expect(catalog).to_be_hidden()
    page.get_by_role("button", name=re.compile(r"\d+ tasks")).click()
    expect(catalog).to_be_visible()
    axe(page)
    picture(page, "pages-phone-catalog")
    catalog.get_by_role("link", name="Reverse a text").click()
    expect(catalog).to_be_hidden()
    submit(page, "reverse_text", text="a" * 500)
    expect(page.locator(".entry .badge")).to_have_text("Success")
    # What was submitted is what is seen next.
    expect(page.locator(".flash")).to_be_in_viewport()
    assert overflow(page) <= 0
    picture(page, "pages-phone-submitted")
