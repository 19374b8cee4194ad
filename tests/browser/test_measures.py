"""Overview and Failures: numbers and charts that follow what happens, and all of it without JavaScript too."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.support.browser import overflow, picture
from tests.support.waiting import wait_until

Visit = Callable[..., Page]

#: What a chart is drawn on has ink on it.
INKED = "(canvas) => new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer).some(Boolean)"


def run(page: Page, name: str, **arguments: Any) -> dict[str, Any]:
    """Let a worker run a task, whoever's; its record."""
    answer = page.context.request.post(f"/api/v1/tasks/{name}?wait=30", data=arguments)
    assert answer.status == 200, answer.text()
    record: dict[str, Any] = answer.json()
    return record


def number(page: Page, title: str) -> Any:
    """The number of that title."""
    return page.locator(".number-card", has=page.get_by_role("heading", name=title)).locator(".big")


def test_the_overview_draws_what_happens_while_it_is_open(visit: Visit) -> None:
    page = visit(None)
    for _ in range(3):
        run(page, "total", values=[1, 2])
    page.goto("/overview?name=total")
    page.evaluate("window.stayed = true")
    before = int(number(page, "Submitted").inner_text())
    assert before >= 3
    for chart in page.locator("[data-chart]").all():
        expect(chart.locator("canvas")).to_be_visible()
        assert chart.locator("canvas").evaluate(INKED)
    assert page.locator("[data-chart]").count() == 5
    expect(page.locator("#wait-words")).to_have_text(re.compile(r"^Half within \d+(\.\d)? \w+, 95 % within .*\.$"))

    chart = page.locator("[data-chart=throughput]")
    drawn = chart.locator("canvas").evaluate("(canvas) => canvas.toDataURL()")
    for _ in range(2):
        run(page, "total", values=[3])
    expect(number(page, "Submitted")).to_have_text(str(before + 2))
    wait_until(lambda: page.wait_for_timeout(50) or chart.locator("canvas").evaluate("(c) => c.toDataURL()") != drawn)
    # Its legend says what the pointer is on.
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 30, box["y"] + 60)
    expect(chart.locator(".u-legend")).to_contain_text(re.compile(r"At\d\d:\d\d.*Submitted\d+"))
    assert page.evaluate("window.stayed")

    light = chart.locator("canvas").evaluate("(canvas) => canvas.toDataURL()")
    page.emulate_media(color_scheme="dark")
    wait_until(lambda: page.wait_for_timeout(50) or chart.locator("canvas").evaluate("(c) => c.toDataURL()") != light)
    page.set_viewport_size({"width": 360, "height": 740})
    wait_until(lambda: page.wait_for_timeout(50) or chart.locator(".uplot").evaluate("(e) => e.clientWidth") <= 300)
    assert overflow(page) <= 0
    picture(page, "overview-dark-phone", full_page=True)


def test_a_period_a_task_and_an_order_are_chosen(visit: Visit) -> None:
    page = visit(None)
    run(page, "total", values=[1])
    run(page, "fail", text="no luck")
    page.goto("/overview")
    page.get_by_role("link", name="Last Week").click()
    expect(page.get_by_role("link", name="Last Week")).to_have_attribute("aria-current", "true")
    page.get_by_role("link", name="Failed", exact=True).click()
    expect(page.get_by_role("columnheader", name="Failed")).to_have_attribute("aria-sort", "descending")
    rows = page.locator("#tasks tbody tr")
    counts = [int(text.replace(",", "")) for text in rows.locator("td:nth-child(4)").all_inner_texts()]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 0
    failing = rows.filter(has=page.get_by_role("link", name="fail", exact=True))
    expect(failing.get_by_role("link", name="failed")).to_have_attribute(
        "href", "/history?name=fail&state=FAILURE&since=-7d"
    )
    expect(failing.get_by_role("link", name="submitted")).to_have_attribute("href", "/history?name=fail&since=-7d")
    page.get_by_role("combobox", name="Task").select_option("total")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page).to_have_url(re.compile(r"/overview\?period=week&sort=failed&name=total$"))
    expect(page.get_by_role("link", name="Last Week")).to_have_attribute("aria-current", "true")
    expect(rows).to_have_count(1)
    picture(page, "overview-week-of-one", full_page=True)


def test_without_javascript_the_numbers_are_tables(visit: Visit) -> None:
    page = visit(None, java_script_enabled=False)
    run(page, "total", values=[1])
    page.goto("/overview?name=total")
    assert int(number(page, "Submitted").inner_text()) >= 1
    expect(page.locator(".plot").first).to_be_hidden()
    expect(page.locator("#run-words")).to_have_text(re.compile("^Half within"))
    page.get_by_text("The charts as a table").click()
    row = page.locator("#figures tbody tr").first
    expect(row.get_by_role("rowheader")).to_have_text(re.compile("UTC$"))
    assert sum(int(text) for text in page.locator("#figures tbody td:nth-child(2)").all_inner_texts()) >= 1
    assert overflow(page) <= 0
    page.get_by_role("link", name="Last Day").click()
    expect(page).to_have_url(re.compile("period=day"))


def test_failures_are_grouped_by_what_failed_and_where(visit: Visit, tmp_path: Path) -> None:
    page = visit(None)
    first = run(page, "flaky", path=str(tmp_path / "one"), failures=9)
    fingerprint = first["error"]["fingerprint"]
    page.goto("/failures?period=hour&name=flaky")
    page.evaluate("window.stayed = true")
    cause = page.locator(f"#cause-{fingerprint}")
    expect(cause.get_by_role("heading")).to_have_text("ValueError builtins")
    expect(cause).to_contain_text("try 4")
    expect(cause).to_contain_text(re.compile(r"tests/support/tasks\.py:\d+ in flaky"))
    assert cause.locator(".spark rect").count() >= 1
    before = int(cause.locator(".big").inner_text().split()[0])

    second = run(page, "flaky", path=str(tmp_path / "two"), failures=9)
    assert second["error"]["fingerprint"] == fingerprint
    expect(cause.locator(".big")).to_have_text(re.compile(rf"^{before + 1} failures in the last hour"))
    assert page.evaluate("window.stayed")
    alike = f"/history?state=FAILURE&fingerprint={fingerprint}&name=flaky"
    expect(cause.get_by_role("link", name="Show all of ValueError")).to_have_attribute("href", alike)
    form = cause.locator("form")
    expect(form).to_have_attribute("action", "/history/actions")
    expect(form.get_by_role("button")).to_have_text("Replay all of ValueError")
    sent = dict(form.evaluate("(form) => [...new FormData(form)]"))
    assert sent.pop("_csrf")
    assert sent == {"action": "replay", "state": "FAILURE", "fingerprint": fingerprint, "name": "flaky"}
    cause.get_by_role("link", name="Newest of ValueError").click()
    expect(page).to_have_url(re.compile(f"/tasks/{second['id']}$"))

    page.goto("/failures?period=week")
    page.get_by_role("combobox", name="Task").select_option("total")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("Nothing of total failed in the last week")).to_be_visible()
    script_free = visit("/failures", java_script_enabled=False)
    expect(script_free.locator(f"#cause-{fingerprint}")).to_be_visible()
