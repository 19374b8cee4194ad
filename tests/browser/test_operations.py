"""Workers, queues, limits and schedules in Chromium, with two real workers: what is seen, and what each button does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect
from redis import Redis

from async_tasks.ledger.connection import PREFIX
from tests.support.browser import overflow, picture
from tests.support.system import System
from tests.support.waiting import wait_until

Visit = Callable[..., Page]

#: Paused and purged here; no other browser test uses it.
QUEUE = "other"


@pytest.fixture
def second(system: System) -> Iterator[str]:
    """The name of a second worker, beside the one that all browser tests share."""
    system.launch("worker", "--concurrency", "1", name="second")
    system.wait_ready("second", 60)
    yield next(each["name"] for each in api(system, "workers")["workers"] if each["name"].startswith("second@"))
    system.processes["second"].kill()
    with Redis.from_url(system.profile.store.url) as store:
        store.zrem(
            f"{PREFIX}workers", *(name for name in store.zrange(f"{PREFIX}workers", 0, -1) if b"second@" in name)
        )


def api(system: System, path: str, method: str = "GET", **body: Any) -> Any:
    return httpx.request(method, f"{system.url}/api/v1/{path}", json=body or None, timeout=30).raise_for_status().json()


def row(page: Page, name: str) -> Locator:
    return page.locator(".rows tbody tr").filter(has_text=name)


def test_workers_are_seen_with_what_they_run_and_when_they_are_lost(visit: Visit, system: System, second: str) -> None:
    page = visit("/workers")
    mine = page.locator(".worker").filter(has_text=second)
    expect(mine).to_contain_text("Idle")
    expect(page.locator(".worker")).to_have_count(2)
    expect(page.locator("header p")).to_contain_text("2 there")
    running = [api(system, "tasks/steps", "POST", count=120, pause=0.25)["id"] for _ in range(9)]
    # The other one has room for eight.
    expect(mine).to_contain_text("Busy")
    expect(mine.locator(".runs a")).to_have_text("steps")
    picture(page, "operations-workers", full_page=True)

    mine.get_by_role("link", name=second).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(second)
    task = page.locator(".rows tbody a").first
    expect(task).to_have_text("steps")
    assert any(each in (task.get_attribute("href") or "") for each in running)
    system.processes["second"].kill()
    with Redis.from_url(system.profile.store.url) as store:
        store.zincrby(f"{PREFIX}workers", -20_000, second)  # as if that were some time ago
    expect(page.locator(".badge").first).to_have_text("Lost")
    expect(page.locator(".banner")).to_contain_text("It was killed, or cannot reach the store")
    picture(page, "operations-worker-lost", full_page=True)
    for each in running:
        api(system, f"tasks/{each}", "DELETE")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_queue_is_paused_purged_and_resumed(visit: Visit, system: System, scripts: bool) -> None:
    page = visit("/queues", java_script_enabled=scripts)
    row(page, QUEUE).get_by_role("button", name="Pause").click()
    expect(page.locator(".flash")).to_contain_text("is paused")
    expect(row(page, QUEUE)).to_contain_text("Paused")
    waiting = [api(system, "tasks/elsewhere", "POST")["id"] for _ in range(3)]
    page.goto(f"/tasks/{waiting[0]}")
    expect(page.locator(".card.outcome")).to_contain_text("is paused")
    page.get_by_role("link", name=QUEUE, exact=True).click()
    expect(page.locator(".banner")).to_contain_text("by visitor-")
    expect(page.locator(".tiles")).to_contain_text("3")
    expect(row(page, "elsewhere")).to_have_count(3)
    picture(page, f"operations-queue-paused-{'scripts' if scripts else 'plain'}", full_page=True)

    page.get_by_role("link", name="Purge…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Purge queue {QUEUE}?")
    page.get_by_role("link", name="Keep them").click()
    page.get_by_role("link", name="Purge…").click()
    page.get_by_role("button", name="Purge 3 tasks").click()
    expect(page.locator(".flash")).to_contain_text("Purged 3 tasks")
    page.goto(f"/tasks/{waiting[0]}")
    expect(page.locator(".timeline")).to_contain_text(f"purged from queue {QUEUE} by visitor-")

    after = api(system, "tasks/elsewhere", "POST")["id"]
    page.goto(f"/queues/{QUEUE}")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".flash")).to_contain_text("goes on")
    wait_until(lambda: api(system, f"tasks/{after}")["state"] == "SUCCESS", 20, "what came after the purge")
    assert api(system, f"tasks/{waiting[0]}")["state"] == "REVOKED"


def test_a_limit_is_changed_and_given_back(visit: Visit, system: System) -> None:
    page = visit("/queues")
    page.get_by_role("link", name="Limit another task").click()
    row(page, "narrow").get_by_role("link", name="Change").click()
    expect(page.get_by_label("How many may run at a time")).to_have_value("2")
    page.get_by_label("How many may start").fill("ten")
    page.get_by_role("button", name="Set").click()
    expect(page.locator(".error").first).to_contain_text("Must say how many in a second")
    page.get_by_label("How many may start").fill("600/m")
    page.get_by_label("How many may run at a time").fill("5")
    page.get_by_role("button", name="Set").click()
    expect(row(page, "narrow")).to_contain_text("600/m, 5 at a time")
    assert api(system, "limits/narrow", "PUT", concurrency=4)["rate_limit"] is None
    expect(row(page, "narrow")).to_contain_text("4 at a time")  # live
    row(page, "narrow").get_by_role("link", name="Change").click()
    page.get_by_role("button", name="As declared").click()
    expect(row(page, "narrow").locator("td").nth(1)).to_have_text("2 at a time")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_schedule_is_paused_resumed_and_run(visit: Visit, scripts: bool) -> None:
    page = visit("/schedules", java_script_enabled=scripts)
    mine = row(page, "clean_up")
    expect(mine).to_contain_text("At 03:00 every day")
    mine.get_by_role("button", name="Pause").click()
    expect(mine).to_contain_text("Paused")
    mine.get_by_role("button", name="Resume").click()
    expect(mine).not_to_contain_text("Paused")
    mine.get_by_role("button", name="Run now").click()
    submitted = page.locator(".flash code").inner_text()
    last = mine.get_by_role("cell").nth(3).get_by_role("link")
    expect(last).to_have_attribute("href", f"/tasks/{submitted}")
    last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("clean_up")


@pytest.mark.parametrize(
    ("look", "options"),
    [
        ("light", {}),
        ("dark", {"color_scheme": "dark"}),
        ("phone", {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}),
    ],
)
def test_every_page_looks_well(
    visit: Visit, axe: Callable[[Page], None], system: System, look: str, options: dict[str, Any]
) -> None:
    page = visit(**options)
    worker = api(system, "workers")["workers"][0]["name"]
    api(system, f"queues/{QUEUE}/pause", "POST")
    api(system, "tasks/elsewhere", "POST")
    addresses = (
        "/workers",
        f"/workers/{worker}",
        "/queues",
        f"/queues/{QUEUE}",
        f"/queues/{QUEUE}/purge",
        "/limits",
        "/limits/narrow",
        "/schedules",
    )
    for address in addresses:
        page.goto(address)
        axe(page)
        assert overflow(page) <= 0, address
        picture(page, f"operations-{look}{address.replace('/', '-')}", full_page=True)
    api(system, f"queues/{QUEUE}/resume", "POST")
