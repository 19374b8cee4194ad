"""The History page in Chromium, with a real worker: every filter, the selection, and what is done to all that match."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import overflow, picture
from tests.support.waiting import wait_until

Visit = Callable[..., Page]
Axe = Callable[[Page], None]

PHONE = {"width": 360, "height": 740}


def batch(page: Page, count: int, name: str = "add", **options: Any) -> str:
    """A batch of tasks that no other test has anything to do with; its id. They wait for an hour unless said."""
    arguments = {"add": {"a": 1, "b": 2}, "echo": {"value": "a needle"}, "fail": {"text": "no luck"}}[name]
    entries = [{"name": name, "args": arguments, **({"delay": 3600} | options)} for _ in range(count)]
    answer = page.context.request.post("/api/v1/batches", data=entries)
    assert answer.status == 202, answer.text()
    found: str = answer.json()["batch_id"]
    return found


def rows(page: Page) -> Locator:
    """The tasks of the page."""
    return page.locator(".record")


def states(page: Page, batch_id: str) -> list[str]:
    """The states of the tasks of a batch."""
    tasks = page.context.request.get(f"/api/v1/tasks?batch_id={batch_id}&limit=200").json()["tasks"]
    return sorted(task["state"] for task in tasks)


def test_every_filter_is_an_address_and_can_be_taken_away(visit: Visit, axe: Axe) -> None:
    page = visit()
    mine = batch(page, 2)
    page.goto("/history")
    page.get_by_text("More filters").click()
    page.get_by_label("Batch").fill(mine)
    page.get_by_label("Queue").fill("celery_see")
    page.get_by_label("Task", exact=True).fill("add")
    page.get_by_label("Submitted", exact=True).select_option("Last hour")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url(f"**/history?name=add&queue=celery_see&batch_id={mine}&since=-1h")
    expect(rows(page)).to_have_count(2)
    expect(page.get_by_label("Batch")).to_have_value(mine)
    chips = page.get_by_role("list", name="Filters")
    expect(chips.get_by_role("listitem")).to_have_count(5)
    axe(page)
    picture(page, "history-filtered")
    page.get_by_role("navigation", name="States").get_by_role("link", name="Revoked 0").click()
    expect(page.get_by_text("No task matches")).to_be_visible()
    axe(page)
    chips.get_by_role("link", name="Revoked").click()
    chips.get_by_role("link", name="Last hour").click()
    chips.get_by_role("link", name="Queue").click()
    page.wait_for_url(f"**/history?name=add&batch_id={mine}")
    expect(rows(page)).to_have_count(2)
    rows(page).first.get_by_role("link").click()
    expect(page.locator(".title")).to_contain_text("add")


def test_moments_are_on_the_visitors_own_clock(visit: Visit) -> None:
    page = visit("/history", timezone_id="Asia/Tokyo")
    page.get_by_label("Submitted", exact=True).select_option("Between…")
    expect(page.get_by_label("From")).to_be_focused()
    page.get_by_label("From").fill("2026-01-31T21:00:00")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**/history?since=2026-01-31T12%3A00%3A00.000Z")
    expect(page.get_by_label("From")).to_have_value(re.compile("2026-01-31T21:00"))
    expect(page.get_by_role("list", name="Filters")).to_contain_text("21:00:00")


def test_a_text_is_searched_for_and_the_page_says_how_far(visit: Visit) -> None:
    page = visit()
    mine = batch(page, 1, "echo")
    page.goto(f"/history?batch_id={mine}")
    page.get_by_label("Text in arguments, result or error").fill("NEEDLE")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    expect(page.get_by_text("Searched 1 task: there are no more.")).to_be_visible()


def test_a_view_is_saved_under_a_name(visit: Visit) -> None:
    page = visit("/history?state=FAILURE&since=-24h")
    page.get_by_text("Save this view").click()
    page.get_by_label("Name of the view").fill("Failures of today")
    page.get_by_role("button", name="Save").click()
    views = page.get_by_role("region", name="Saved views")
    expect(views.get_by_role("link")).to_have_attribute("aria-current", "true")
    page.goto("/history")
    views.get_by_role("link", name="Failures of today").click()
    page.wait_for_url("**/history?state=FAILURE&since=-24h")
    views.get_by_role("button", name="Remove the view Failures of today").click()
    expect(views).to_have_count(0)


def test_rows_are_live_and_what_is_selected_stays_so(visit: Visit) -> None:
    page = visit()
    mine = batch(page, 3, "fail")
    page.goto(f"/history?name=fail&batch_id={mine}")
    expect(rows(page)).to_have_count(3)
    page.goto("/history?name=fail&since=-1h")
    chosen = page.locator(f'.record input[name="id"][value="{ids_of(page, mine)[0]}"]')
    chosen.check()
    expect(page.locator("#selected")).to_have_text("1 selected")
    # Each runs at once and fails: rows come in above, and end before one's eyes.
    for _ in range(2):
        batch(page, 25, "fail", delay=0)
    expect(page.locator(".record .failure").first).to_be_visible()
    expect(chosen).to_have_count(0)
    expect(page.locator("#selected")).to_have_text("1 selected")
    expect(page.locator('#elsewhere input[name="id"]')).to_have_count(1)
    expect(page.locator(".record :checked")).to_have_count(0)
    page.get_by_role("button", name="Cancel selected").click()
    expect(page.get_by_role("heading", name="Cancel 1 task?")).to_be_visible()


def ids_of(page: Page, batch_id: str) -> list[str]:
    """The ids of the tasks of a batch."""
    tasks = page.context.request.get(f"/api/v1/tasks?batch_id={batch_id}").json()["tasks"]
    return [task["id"] for task in tasks]


def test_the_selected_are_cancelled_and_the_rest_run_again(visit: Visit, axe: Axe) -> None:
    page = visit()
    mine = batch(page, 5)
    page.goto(f"/history?batch_id={mine}")
    cancel = page.get_by_role("button", name="Cancel selected")
    expect(cancel).to_be_disabled()
    page.get_by_label("Select all on this page").check()
    expect(page.locator("#selected")).to_have_text("5 selected")
    page.get_by_label("Select all on this page").uncheck()
    ticks = page.locator(".record input[name=id]")
    ticks.nth(1).check()
    ticks.nth(3).click(modifiers=["Shift"])
    expect(page.locator("#selected")).to_have_text("3 selected")
    picture(page, "history-selected")
    cancel.click()
    expect(page.get_by_role("heading", name="Cancel 3 tasks?")).to_be_visible()
    axe(page)
    picture(page, "history-preview")
    page.get_by_role("button", name="Cancel 3 tasks").click()
    expect(page.get_by_text("Finished", exact=True).first).to_be_visible()
    expect(page.locator(".sums")).to_contain_text("Cancelled3")
    axe(page)
    assert states(page, mine) == ["REVOKED"] * 3 + ["SCHEDULED"] * 2

    page.goto(f"/history?batch_id={mine}&state=REVOKED")
    page.get_by_role("button", name="Run again all that match").click()
    expect(page.get_by_role("heading", name="Run 3 tasks again?")).to_be_visible()
    page.get_by_role("button", name="Run 3 tasks again").click()
    expect(page.locator(".sums")).to_contain_text("Submitted again3")
    action = page.url
    first = ids_of(page, mine)[-1]
    wait_until(
        lambda: any(
            task["replay_of"] in ids_of(page, mine)
            for task in page.context.request.get("/api/v1/tasks?name=add&state=SUCCESS").json()["tasks"]
        ),
        20,
        f"{first} or another to have run again",
    )
    page.goto("/history/actions")
    expect(
        page.locator(f'a[href="{action.partition("/history")[1]}{action.partition("/history")[2]}"]')
    ).to_be_visible()
    axe(page)


def test_an_action_is_watched_and_stopped(visit: Visit) -> None:
    page = visit()
    mine = batch(page, 50)
    page.goto(f"/history?batch_id={mine}")
    page.get_by_role("button", name="Cancel all that match").click()
    page.get_by_label("How many in a second, at most").fill("5")
    page.get_by_role("button", name="Cancel 50 tasks").click()
    expect(page.get_by_text("Running", exact=True)).to_be_visible()
    done = page.locator(".sums dd").first
    before = int(done.inner_text())
    wait_until(lambda: page.wait_for_timeout(100) or int(done.inner_text()) > before, 20, "a count that grows")
    picture(page, "history-action")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped", exact=True).first).to_be_visible()
    left = states(page, mine).count("SCHEDULED")
    assert 0 < left < 50
    assert int(done.inner_text()) == 50 - left


def test_all_of_it_works_without_javascript(visit: Visit) -> None:
    page = visit("/", java_script_enabled=False, viewport=PHONE)
    mine = batch(page, 2)
    page.goto("/")
    page.get_by_role("button", name="Menu: Tasks").click()
    page.get_by_role("link", name="History").click()
    page.get_by_text("More filters").click()
    page.get_by_label("Batch").fill(mine)
    page.get_by_role("button", name="Filter").click()
    expect(rows(page)).to_have_count(2)
    assert overflow(page) <= 0
    page.get_by_role("button", name="Cancel selected").click()
    expect(page.get_by_text("Nothing is selected")).to_be_visible()
    page.locator(".record input[name=id]").first.check()
    page.get_by_role("button", name="Cancel selected").click()
    page.get_by_role("button", name="Cancel 1 task").click()
    expect(page.get_by_role("heading", name="Cancel")).to_be_visible()
    wait_until(lambda: states(page, mine) == ["REVOKED", "SCHEDULED"], 20, "one to be cancelled")
    page.reload()
    expect(page.locator(".sums")).to_contain_text("Cancelled1")


def test_the_header_has_room_for_every_page(visit: Visit, axe: Axe) -> None:
    page = visit("/history")
    add_places = """() => {
      const places = document.getElementById("places");
      const there = new Set([...places.children].map((place) => place.textContent));
      for (const words of ["Failures", "Overview", "Workers", "Queues", "Schedules", "Outbox", "Flower"]) {
        if (!there.has(words)) places.append(Object.assign(document.createElement("a"), { href: "/", textContent: words }));
      }
    }"""
    page.evaluate(add_places)
    top = page.locator(".top")
    places = page.get_by_role("navigation", name="Site")
    for width in (1280, 1100):
        page.set_viewport_size({"width": width, "height": 800})
        box = top.bounding_box()
        assert box
        assert box["height"] < 60, "all in one line"
        assert overflow(page) <= 0
        expect(places.get_by_role("link", name="History")).to_be_visible()
    picture(page, "history-header")
    page.set_viewport_size(PHONE)
    assert overflow(page) <= 0
    expect(places).to_be_hidden()
    menu = page.get_by_role("button", name="Menu: History")
    menu.focus()
    page.keyboard.press("Enter")
    expect(places.get_by_role("link", name="API")).to_be_visible()
    axe(page)
    picture(page, "history-menu")
    page.keyboard.press("Escape")
    expect(places).to_be_hidden()
    expect(menu).to_be_focused()
    menu.click()
    places.get_by_role("link", name="API").click()
    expect(page.get_by_role("button", name="Menu: API")).to_be_visible()
