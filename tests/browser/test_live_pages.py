"""Pages that live, in Chromium: the stream, what stands in for it, and the badge of what has finished."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Browser, Page, Request, expect

from tests.support.browser import Visitors, entry, hide, picture, submit, submit_aside
from tests.support.system import System
from tests.support.waiting import wait_until

Visit = Callable[..., Page]


def requests_of(page: Page) -> list[str]:
    """What the page asks the server for from now on, in order: paths."""
    asked: list[str] = []

    def listen(request: Request) -> None:
        asked.append(re.sub(r"^https?://[^/]+|\?.*$", "", request.url))

    page.on("request", listen)
    return asked


def test_a_task_of_another_tab_appears_and_ends(visit: Visit) -> None:
    page = visit()
    other = page.context.new_page()
    task_id = submit(other, "steps", count="10", pause="0.2")
    expect(entry(page, task_id).get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_text("Nothing submitted yet")).to_be_hidden()
    expect(entry(page, task_id)).to_contain_text("Success")
    newer = submit(other, "reverse_text", text="later")
    expect(page.locator(".entry").first).to_have_attribute("data-task", newer)


def test_a_page_opens_one_stream_and_none_while_it_is_hidden(visit: Visit) -> None:
    page = visit("/problems/internal")
    submit(page, "reverse_text", text="x")
    asked = requests_of(page)
    page.goto("/")
    expect(page.locator(".entry .badge")).to_have_text("Success")
    page.wait_for_function("performance.getEntriesByType('resource').length > 3")
    wait_until(lambda: "/live" in asked, 10)
    hide(page)
    other = page.context.new_page()
    task_id = submit(other, "reverse_text", text="meanwhile")
    expect(entry(other, task_id)).to_contain_text("Success")
    expect(entry(page, task_id)).to_have_count(0)
    hide(page, hidden=False)
    # The stream begins with what the page does not know.
    expect(entry(page, task_id)).to_contain_text("elihwnaem")
    assert [path for path in asked if path.startswith("/live")] == ["/live", "/live"]


def test_many_tabs_do_not_starve_each_other(visit: Visit) -> None:
    first = visit()
    tabs = [first]
    for _ in range(8):
        hide(tabs[-1])
        tabs.append(first.context.new_page())
        tabs[-1].goto("/")
    task_id = submit(tabs[-1], "reverse_text", text="many")
    expect(entry(tabs[-1], task_id)).to_contain_text("ynam")


def test_without_a_stream_the_page_looks_from_time_to_time(visit: Visit) -> None:
    page = visit(None)
    page.route(re.compile(r"/live\?"), lambda route: route.abort())
    task_id = submit(page, "steps", count="8", pause="0.5")
    expect(page.locator("#stale")).to_have_text("Not live: looking from time to time")
    picture(page, "pages-not-live")
    expect(entry(page, task_id).get_by_role("progressbar")).to_be_visible()
    expect(entry(page, task_id)).to_contain_text("Success")
    page.unroute_all(behavior="ignoreErrors")
    # The stream is tried again, and the hint goes.
    expect(page.locator("#stale")).to_be_hidden(timeout=40_000)


def test_a_stream_that_is_held_back_is_not_waited_for(visit: Visit) -> None:
    page = visit(None)
    page.route(re.compile(r"/live\?"), lambda route: None)  # a proxy that buffers: no answer, and no error
    task_id = submit(page, "append", path="/dev/null", line="x", seconds="3")
    expect(entry(page, task_id)).to_contain_text("Success")
    expect(page.locator("#stale")).to_be_visible()
    page.unroute_all(behavior="ignoreErrors")


def test_a_server_that_was_away_is_found_again(
    visit: Visit, running_system: Callable[..., System], chromium: Browser
) -> None:
    system = running_system(modules=("tests.support.tasks",))
    system.start()
    visitors = Visitors(chromium, system.url)
    page = visitors()
    task_id = submit(page, "steps", count="1000", pause="0.1")
    expect(entry(page, task_id).get_by_role("progressbar")).to_be_visible()
    page.evaluate("window.stayed = true")
    system.processes["web"].stop()
    expect(page.locator("#stale")).to_have_text("Not live: the server does not answer")
    picture(page, "pages-server-away")
    system.start("web")
    expect(page.locator("#stale")).to_be_hidden(timeout=60_000)
    page.context.request.delete(f"/api/v1/tasks/{task_id}")
    expect(entry(page, task_id)).to_contain_text("Revoked")
    assert page.evaluate("window.stayed") is True
    visitors.end()


def test_the_badge_shows_what_finished_on_every_page(visit: Visit) -> None:
    page = visit("/problems/internal")
    title = page.title()
    other = page.context.new_page()
    first = submit_aside(page, "elsewhere")
    other.goto(f"/tasks/{first}")
    for tab in (page, other):
        expect(tab.locator("#count")).to_have_text("1")
        expect(tab.get_by_role("link", name="My tasks 1 finished")).to_be_visible()
    assert page.title() == f"(1) {title}"
    expect(page.locator("#count")).not_to_have_class(re.compile("failed"))
    picture(page, "pages-badge", clip={"x": 0, "y": 0, "width": 1280, "height": 80})

    submit_aside(page, "fail", through=f"/tasks/{first}", text="x")
    for tab in (page, other):
        expect(tab.locator("#count")).to_have_text("2")
        expect(tab.locator("#count")).to_have_class(re.compile("failed"))
        expect(tab.get_by_role("link", name="My tasks 2 finished, 1 failed")).to_be_visible()
    assert page.title() == f"(2, 1 failed) {title}"
    picture(page, "pages-badge-failed", clip={"x": 0, "y": 0, "width": 1280, "height": 80})


def test_looking_at_the_list_clears_the_badge(visit: Visit) -> None:
    page = visit("/forms/append")
    submit(page, "append", path="/dev/null", line="x", seconds="1")
    page.goto("/problems/internal")
    expect(page.locator("#count")).to_have_text("1")
    page.reload()
    expect(page.locator("#count")).to_have_text("1")  # by the server
    page.get_by_role("link", name="My tasks").click()
    expect(page.locator(".entry")).to_have_count(1)
    expect(page.locator("#count")).to_be_hidden()
    page.goto("/problems/internal")
    expect(page.locator("#count")).to_be_hidden()

    # What ends before the visitor's eyes is not counted at all.
    submit(page, "steps", count="3", pause="0.1")
    expect(page.locator(".entry").first).to_contain_text("Success")
    page.goto("/problems/internal")
    expect(page.locator("#count")).to_be_hidden()


def test_what_finishes_while_the_page_is_hidden_waits_to_be_looked_at(visit: Visit) -> None:
    page = visit()
    submit(page, "append", path="/dev/null", line="x", seconds="1")
    hide(page)
    other = page.context.new_page()
    other.goto("/problems/internal")
    expect(other.locator("#count")).to_have_text("1")
    hide(page, hidden=False)
    expect(page.locator(".entry")).to_contain_text("Success")
    other.reload()
    expect(other.locator("#count")).to_be_hidden()


def test_on_a_phone_a_list_further_down_is_not_looked_at(visit: Visit) -> None:
    page = visit("/forms/send_email", viewport={"width": 360, "height": 480})
    submit_aside(page, "reverse_text", text="x")
    expect(page.locator("#count")).to_have_text("1")
    page.get_by_role("link", name="My tasks").click()
    expect(page.locator("#count")).to_be_hidden()


def test_changes_are_said_to_those_who_cannot_see_them(visit: Visit) -> None:
    page = visit()
    said = page.locator("#said")
    task_id = submit(page, "steps", count="8", pause="0.1")
    expect(said).to_contain_text(f"Submitted {task_id}")
    expect(said).to_contain_text("steps: success")
    # Progress is not said: it would never end.
    assert "%" not in said.inner_text()


def test_whoever_is_logged_out_is_told_so(running_system: Callable[..., System], chromium: Browser) -> None:
    system = running_system(
        modules=("tests.support.tasks",), env={"ASYNC_TASKS_ADMIN_TOKEN": "a-long-and-random-token"}
    )
    system.start("web")
    visitors = Visitors(chromium, system.url)
    page = visitors()
    expect(page.get_by_label("Token")).to_be_focused()
    picture(page, "pages-login")
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("This is not the token.")).to_be_visible()
    picture(page, "pages-login-wrong")
    page.get_by_label("Token").fill("a-long-and-random-token")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Nothing submitted yet")).to_be_visible()
    other = page.context.new_page()
    other.goto("/")
    picture(other, "pages-logged-in")
    other.get_by_role("button", name="Log out").click()
    expect(other.get_by_text("You are logged out.")).to_be_visible()
    hide(page)
    hide(page, hidden=False)
    expect(page.locator("#stale")).to_have_text("You are logged out.")
    visitors.end()
