"""For the person who submits, in Chromium: the search, the code of what is typed, earlier arguments, log, share."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support.browser import overflow, picture, submit
from tests.support.system import System

Visit = Callable[..., Page]
PHONE = {"width": 360, "height": 740}


def test_a_task_is_found_from_anywhere_on_the_page(visit: Visit) -> None:
    page = visit("/forms/reverse_text")
    find = page.get_by_label("Find a task")
    page.locator("h1").click()
    page.keyboard.press("/")
    expect(find).to_be_focused()
    page.keyboard.type("grapheme")  # of its help
    items = page.locator("#tasks li:visible")
    expect(items).to_have_count(1)
    page.keyboard.press("/")  # is a letter where one types
    expect(find).to_have_value("grapheme/")
    expect(page.locator(".none")).to_be_visible()
    find.fill("send email")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/forms/send_email$"))

    phone = visit("/", viewport=PHONE)
    expect(phone.get_by_label("Find a task")).to_be_hidden()
    phone.keyboard.press("/")
    expect(phone.get_by_label("Find a task")).to_be_focused()
    phone.keyboard.type("reverse a text")
    expect(phone.locator("#tasks li:visible")).to_have_count(1)
    picture(phone, "find-phone")


def test_the_catalog_of_a_phone_is_searched_without_javascript(visit: Visit, axe: Callable[[Page], None]) -> None:
    plain = visit("/forms/add?find=reverse", viewport=PHONE, java_script_enabled=False)
    expect(plain.locator("#tasks li:visible")).to_have_count(1)
    plain.get_by_label("Find a task").fill("email")
    plain.get_by_role("button", name="Find", exact=True).click()
    plain.get_by_role("link", name="Send an email").click()
    expect(plain).to_have_url(re.compile("/forms/send_email$"))
    page = visit("/forms/add?find=reverse", viewport=PHONE)
    axe(page)
    assert overflow(page) <= 0
    page.get_by_label("Find a task").fill("")  # the others are there
    expect(page.locator("#tasks li:visible").nth(9)).to_be_attached()


def test_the_code_follows_what_is_typed(visit: Visit, axe: Callable[[Page], None]) -> None:
    page = visit("/forms/lists", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("As curl, as Python, as a command").click()
    code = page.locator("#as-python")
    page.get_by_role("button", name="Add to Tags").click()
    page.locator('[name="tags.0"]').fill('it\'s "new"')
    expect(code).to_contain_text("""tags=['it\\'s "new"']""")
    page.get_by_role("button", name="Remove Tags 1").click()
    expect(code).to_contain_text("tags=[]")
    page.locator('[name="numbers.0"]').fill("many")
    expect(page.locator("#snippets")).to_contain_text("would be refused")
    page.locator('[name="numbers.0"]').fill("7")
    expect(page.locator("#snippets")).not_to_contain_text("would be refused")
    expect(page.locator("#as-command")).to_contain_text("'numbers=[7, 2]'")
    for name, what in (("curl", "as-curl"), ("Python", "as-python"), ("Command", "as-command")):
        page.get_by_role("button", name=f"Copy it as {name}").click()
        expected = page.locator(f"#{what}").inner_text()
        page.wait_for_function("(text) => navigator.clipboard.readText().then((now) => now === text)", arg=expected)
    axe(page)
    picture(page, "as-code", full_page=True)
    page.set_viewport_size(PHONE)
    assert overflow(page) <= 0
    picture(page, "as-code-phone", full_page=True)

    plain = visit("/forms/greet", java_script_enabled=False)
    plain.locator('[name="user"]').fill("Ada")
    plain.get_by_text("As curl, as Python, as a command").click()
    plain.get_by_role("button", name="Show what is typed").click()
    expect(plain.locator("#as-command")).to_have_text("async-tasks submit greet user=Ada words=hello")
    expect(plain.locator('[name="user"]')).to_have_value("Ada")


def test_earlier_arguments_go_back_into_the_form(visit: Visit, axe: Callable[[Page], None]) -> None:
    page = visit()
    submit(page, "reverse_text", text="earlier words")
    page.locator(".recent").get_by_role("link", name="text: earlier words").click()
    expect(page.locator('[name="text"]')).to_have_value("earlier words")
    axe(page)
    picture(page, "recent", full_page=True)


def test_the_log_and_the_drawing_follow_the_task(visit: Visit, axe: Callable[[Page], None]) -> None:
    page = visit()
    task_id = submit(page, "talk", lines="30", pause="0.2")
    page.goto(f"/tasks/{task_id}")
    log = page.locator("#logs")
    expect(log).to_contain_text("printed line")
    expect(page.locator(".title")).to_contain_text("Started")
    expect(log.locator(".level-warning")).to_contain_text("structured number=30")
    expect(log.locator(".level-error").last).to_contain_text("Traceback (most recent call last)")
    expect(page.locator("#chart")).to_contain_text("Attempt 1 on celery@")
    # The last line is the one that is seen, until one looks elsewhere.
    expect(log.get_by_text("line 29")).to_be_visible()
    assert log.locator(".lines").evaluate("(list) => list.scrollHeight - list.scrollTop - list.clientHeight") < 30
    expect(page.locator(".title")).to_contain_text("Success")
    expect(page.locator("#chart rect.running.succeeded")).to_have_count(2)
    axe(page)
    picture(page, "task-log", full_page=True)
    page.set_viewport_size(PHONE)
    assert overflow(page) <= 0
    picture(page, "task-log-phone", full_page=True)

    plain = visit(f"/tasks/{task_id}", java_script_enabled=False)
    expect(plain.locator("#logs")).to_contain_text("line 29")
    expect(plain.locator("#chart")).to_contain_text("Attempt 1")


def test_a_task_is_shared_with_somebody_who_sees_only_that(
    visit: Visit, axe: Callable[[Page], None], system: System
) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    task_id = submit(page, "steps", count="40", pause="0.2")
    page.goto(f"/tasks/{task_id}")
    page.get_by_text("Share", exact=True).click()
    axe(page)
    picture(page, "share")
    page.get_by_label("Good for").select_option("1 hour")
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("#shared-link").inner_text()
    page.get_by_role("button", name="Copy the link").click()
    page.wait_for_function("(text) => navigator.clipboard.readText().then((now) => now === text)", arg=link)
    page.set_viewport_size(PHONE)
    assert overflow(page) <= 0

    other = visit(link, viewport=PHONE)
    expect(other.locator(".title")).to_contain_text("Started")
    expect(other.get_by_role("link")).to_have_count(0)
    expect(other.get_by_role("button")).to_have_count(1)  # the id can be copied
    axe(other)
    assert overflow(other) <= 0
    expect(other.locator(".title")).to_contain_text("Success")  # without a reload
    axe(other)
    picture(other, "shared-phone", full_page=True)
    assert other.context.cookies() == []
    assert link.rpartition("/")[2] not in system.tails()
    gone = visit("/shared/nothing")
    expect(gone.locator("h1")).to_have_text("There is no such link")
    axe(gone)
