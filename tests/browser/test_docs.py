"""The API reference in Chromium: everything is there, reachable and readable, on a phone and in the dark too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import overflow, picture
from tests.support.system import System

DARK: dict[str, Any] = {"color_scheme": "dark"}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}}


@pytest.mark.parametrize(
    ("name", "options"),
    [("wide", {}), ("phone", PHONE), ("dark", DARK), ("dark-phone", {**DARK, **PHONE})],
)
def test_the_reference_can_be_read_everywhere(
    visit: Callable[..., Page], axe: Callable[[Page], None], name: str, options: dict[str, Any]
) -> None:
    page = visit("/docs", **options)
    expect(page.get_by_role("heading", name="API reference")).to_be_visible()
    picture(page, f"docs-{name}")
    for summary in page.locator("details > summary").all():
        summary.click()
    assert overflow(page) == 0
    axe(page)
    page.locator("#submit_reverse_text").scroll_into_view_if_needed()
    page.locator("#submit_reverse_text h3").scroll_into_view_if_needed()
    picture(page, f"docs-{name}-task")


def test_every_call_is_reached_from_the_contents(visit: Callable[..., Page], system: System) -> None:
    page = visit("/docs")
    document = page.request.get(f"{system.url}/openapi.json").json()
    contents = page.get_by_role("navigation", name="Calls")
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    for operation in operations:
        link = contents.get_by_role("link", name=operation["summary"].replace("`", ""), exact=True)
        assert link.get_attribute("href") == f"#{operation['operationId']}"
    assert page.locator("article[id^='submit_'], article[id]").count() >= len(operations)

    contents.get_by_role("link", name="Reverse a text").click()
    card = page.locator("#submit_reverse_text")
    expect(card).to_be_in_viewport()
    expect(card.get_by_text("POST", exact=True)).to_be_visible()
    expect(card.get_by_text("/api/v1/tasks/reverse_text", exact=True)).to_be_visible()
    expect(card.locator("tr", has_text="required")).to_contain_text("100000 characters or fewer")


def test_links_within_the_reference_lead_somewhere(visit: Callable[..., Page]) -> None:
    page = visit("/docs")
    broken = page.evaluate(
        "[...document.querySelectorAll('main a[href^=\"#\"]')].map((a) => a.hash.slice(1))"
        ".filter((id) => !document.getElementById(decodeURIComponent(id)))"
    )
    assert broken == []
    doubled = page.evaluate(
        "(() => { const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);"
        " return ids.filter((id, at) => ids.indexOf(id) !== at); })()"
    )
    assert doubled == []


def test_without_javascript_it_is_the_same(visit: Callable[..., Page]) -> None:
    page = visit("/docs", java_script_enabled=False)
    page.get_by_role("link", name="Run again").click()
    expect(page.locator("#replay_task")).to_be_in_viewport()
    page.locator("#replay_task summary").click()
    expect(page.locator("#replay_task .answers")).to_contain_text("not-finished")
