"""The page of one task in Chromium, with a real worker: what it shows of every state, and what can be done there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import picture, submit

Visit = Callable[..., Page]


def shown(page: Page, name: str, **typed: str) -> str:
    """Submit a task and open its page; its id."""
    task_id = submit(page, name, **typed)
    page.goto(f"/tasks/{task_id}")
    return task_id


def outcome(page: Page) -> Locator:
    """Where the state, the result or the error stands."""
    return page.locator(".card.outcome")


def test_a_task_runs_and_is_cancelled_before_ones_eyes(visit: Visit) -> None:
    page = visit()
    task_id = shown(page, "steps", count="1000", pause="0.1")
    expect(page.locator(".title")).to_contain_text("Started")
    expect(page.locator("#task-id")).to_have_text(task_id)
    expect(outcome(page).get_by_role("progressbar")).to_be_visible()
    expect(outcome(page)).to_contain_text(re.compile(r"Running on celery@\S+ for \d+ s"))
    expect(outcome(page)).to_contain_text(re.compile(r"step \d+"))
    expect(page.locator(".facts")).to_contain_text("by you")
    expect(page.locator(".timeline")).to_contain_text("attempt 1")
    picture(page, "task-running")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".title")).to_contain_text("Revoked")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(page.get_by_role("button", name="Run again", exact=True)).to_be_visible()
    expect(page.locator(".timeline")).to_contain_text("Cancelled")
    picture(page, "task-cancelled", full_page=True)


def test_a_task_ends_before_ones_eyes_and_what_is_unfolded_stays(visit: Visit) -> None:
    page = visit()
    value = json.dumps({"deep": {"deeper": {"deepest": [1, 2]}}})
    task_id = shown(page, "slowly", value=value, seconds="3")
    folded = page.locator("dd details", has_text="deeper").last
    folded.locator("summary").first.click()
    expect(page.locator("dd")).to_contain_text(["deepest"])
    page.locator("#task-id").evaluate("(node) => getSelection().selectAllChildren(node)")
    page.get_by_role("button", name="Copy the id").focus()
    expect(page.locator(".title")).to_contain_text("Success")
    expect(outcome(page)).to_contain_text("deep")
    assert page.evaluate("getSelection().toString()") == task_id
    expect(page.get_by_role("button", name="Copy the id")).to_be_focused()
    expect(folded).to_have_attribute("open", "")
    expect(page.get_by_role("button", name="Run again", exact=True)).to_be_visible()


def test_the_focus_stays_near_when_its_button_goes(visit: Visit) -> None:
    page, other = visit(), visit()
    task_id = shown(page, "append", path="/dev/null", line="x", seconds="2")
    page.get_by_role("button", name="Cancel").focus()
    other.goto(f"/tasks/{task_id}")
    expect(page.locator(".title")).to_contain_text("Success")
    expect(page.locator("main")).to_be_focused()
    # Whoever else watches is told of its end, too.
    expect(other.locator("#said")).to_have_text("append: success")
    expect(other.locator("#count")).to_be_hidden()


def test_a_result_is_shown_as_what_it_is(visit: Visit) -> None:
    page = visit()
    shown(page, "reverse_text", text="one\n  two")
    expect(outcome(page).locator("pre")).to_have_text("owt  \neno")
    picture(page, "task-text", full_page=True)

    rows = [{"city": "Ulm", "people": 126_000, "old": True}, {"city": "Bonn", "people": 330_000, "river": "Rhine"}]
    shown(page, "echo", value=json.dumps(rows))
    expect(outcome(page).get_by_role("columnheader")).to_have_text(["city", "people", "old", "river"])
    expect(outcome(page).get_by_role("row").nth(2)).to_contain_text("Bonn")
    picture(page, "task-table", full_page=True)

    shown(page, "echo", value=json.dumps({"a": {"b": {"c": [1, None, True, "x"]}}, "n": 1.5}))
    tree = outcome(page).locator(".tree")
    expect(tree).to_contain_text("n: 1.5")
    expect(tree.get_by_text("1 member").nth(1)).to_be_visible()
    expect(tree.get_by_text("4 items")).to_be_hidden()
    tree.locator("summary").nth(2).click()
    expect(tree.get_by_text("4 items")).to_be_visible()
    picture(page, "task-tree", full_page=True)

    shown(page, "echo", value="null")
    expect(outcome(page)).to_contain_text("It returned nothing.")
    picture(page, "task-nothing", full_page=True)

    shown(page, "large", size="300000")
    expect(outcome(page)).to_contain_text("The first 20,000 of 300,000 characters.")
    assert len(page.content()) < 60_000
    expect(outcome(page).get_by_role("link", name="All of it as JSON")).to_have_attribute(
        "href", re.compile("^/api/v1/tasks/")
    )
    picture(page, "task-large", full_page=True)


def test_an_error_is_in_words_with_the_traceback_folded(visit: Visit) -> None:
    page = visit()
    shown(page, "fail", text="no <b>luck</b>")
    expect(outcome(page).locator("pre.message")).to_have_text("no <b>luck</b>")
    expect(outcome(page)).to_contain_text("builtins.ValueError")
    traceback = outcome(page).locator("details pre")
    expect(traceback).to_be_hidden()
    picture(page, "task-failed", full_page=True)
    outcome(page).get_by_text("Traceback", exact=True).click()
    expect(traceback).to_contain_text("ValueError")
    picture(page, "task-failed-traceback", full_page=True)


def test_a_task_that_waits_says_what_for(visit: Visit) -> None:
    page = visit()
    shown(page, "retry_by_hand", countdown="300")
    expect(outcome(page)).to_contain_text(re.compile(r"Attempt 1 failed\. The next is due in [45] min"))
    picture(page, "task-retry", full_page=True)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".flash")).to_have_text("Cancelled: it will not start.")

    record = page.context.request.post("/api/v1/tasks/add?delay=86400", data={"a": 1, "b": 2}).json()
    page.goto(record["links"]["page"])
    expect(outcome(page)).to_contain_text(re.compile(r"Due tomorrow \d\d:\d\d"))
    picture(page, "task-scheduled", full_page=True)
    page.context.request.delete(record["links"]["self"])
    expect(page.locator(".title")).to_contain_text("Revoked")


def test_a_task_runs_again_and_the_two_lead_to_each_other(visit: Visit) -> None:
    page = visit()
    task_id = shown(page, "reverse_text", text="again")
    expect(outcome(page)).to_contain_text("niaga")
    page.get_by_role("button", name="Run again", exact=True).dblclick()
    expect(page.locator(".flash")).to_contain_text("Submitted")
    expect(outcome(page)).to_contain_text("niaga")
    repeated = page.locator("#task-id").inner_text()
    assert repeated != task_id
    expect(page.locator("#family")).to_contain_text("Repeats")
    page.locator("#family").get_by_role("link", name=task_id).click()
    expect(page.locator("#task-id")).to_have_text(task_id)
    expect(page.locator("#family").get_by_role("link")).to_have_text([repeated])
    expect(page.locator(".timeline")).to_contain_text("Replayed")
    picture(page, "task-replayed", full_page=True)

    page.get_by_role("link", name="Edit and run again").click()
    expect(page.locator('[name="text"]')).to_have_value("again")
    picture(page, "pages-edit-and-run-again")
    page.locator('[name="text"]').fill("edited")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.locator(".entry").first).to_contain_text("detide")
    page.goto(f"/tasks/{task_id}")
    expect(page.locator("#family").get_by_role("link")).to_have_count(2)


def test_a_page_of_a_running_task_shows_a_replay_made_elsewhere(visit: Visit) -> None:
    page = visit()
    task_id = shown(page, "echo", value="1")
    expect(page.locator(".title")).to_contain_text("Success")
    again = page.context.request.post(f"/api/v1/tasks/{task_id}/replay").json()
    expect(page.locator("#family").get_by_role("link", name=again["id"])).to_be_visible()
    expect(page.locator("#family")).to_contain_text("Success")


def test_the_id_and_the_result_are_copied(visit: Visit) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    task_id = shown(page, "echo", value='{"a": [1, "x"]}')
    page.get_by_role("button", name="Copy the id").click()
    expect(page.locator("#said")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == task_id
    page.get_by_role("button", name="Copy the result").click()
    page.wait_for_function("navigator.clipboard.readText().then((text) => text.includes('{'))")
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == {"a": [1, "x"]}
