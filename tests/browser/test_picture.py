"""The picture of the page in the README: a real run, with tasks in several states.

It is taken into ``test-artifacts/page.png``; whoever changes the page's look copies it, repacked without loss, to ``docs/images/page.png``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.support.browser import ARTIFACTS, Visitors, entry, fill, overflow, picture, submit
from tests.support.system import System

KEPT = Path(__file__).parents[2] / "docs" / "images" / "page.png"


def width_of(png: Path) -> int:
    """In pixels, as the file's header says."""
    return int.from_bytes(png.read_bytes()[16:20], "big")


def test_the_page_has_its_picture_taken(running_system: Callable[..., System], chromium: Browser) -> None:
    system = running_system(modules=("tests.support.showcase",))
    system.start()
    visitors = Visitors(chromium, system.url)
    page = visitors(viewport={"width": 1200, "height": 800}, color_scheme="light")
    submit(page, "reverse_text", text="Never odd or even")
    submit(page, "fetch_rates", currency="EUR")
    submit(page, "monthly_report", month="2026-10")
    submit(page, "import_contacts", file="contacts.csv")
    done = submit(page, "analyze_sentiment", text="What a lovely day, and the tests are green.")
    running = submit(page, "make_thumbnails", folder="photos/2026", width="320")
    fill(page, "make_thumbnails", folder="photos/2026/summer")
    expect(entry(page, done)).to_contain_text("Success")
    expect(entry(page, running)).to_contain_text(re.compile(r"[56]\d%"))
    page.locator('[name="width"]').focus()
    assert overflow(page) <= 0
    picture(page, "page")
    assert width_of(ARTIFACTS / "page.png") == width_of(KEPT) == 1200
    assert KEPT.stat().st_size < 150_000
    visitors.end()
