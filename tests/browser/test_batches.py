"""A file from its upload to the download of its results, by mouse and keyboard, on a desk and on a phone."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import overflow, picture

PHONE = {"width": 360, "height": 780}


def choose(page: Page, text: str, name: str = "rows.csv") -> None:
    page.get_by_label("CSV or JSON").set_input_files({"name": name, "mimeType": "text/csv", "buffer": text.encode()})
    page.get_by_role("button", name="Check the file").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_from_a_file_to_its_results(visit: Callable[..., Page], axe: Callable[[Page], None], scheme: str) -> None:
    page = visit("/forms/fail", color_scheme=scheme)
    page.get_by_role("link", name="Run over a file").click()
    axe(page)
    choose(page, "txt\nx\n")
    expect(page.get_by_role("alert")).to_contain_text("2 problems in rows.csv")
    expect(page.get_by_role("table")).to_contain_text("Did you mean 'text'?")
    axe(page)
    picture(page, f"upload-wrong-{scheme}", full_page=True)

    choose(page, 'text\n"No such customer, or ""none"""\nlate\nlost\n', "Customers.csv")
    expect(page.get_by_role("heading", level=1)).to_have_text("3 tasks from Customers.csv")
    axe(page)
    picture(page, f"upload-look-{scheme}", full_page=True)
    page.get_by_role("button", name="Submit 3 tasks").click()

    # Live: nothing is reloaded.
    expect(page.locator("#progress .percent")).to_have_text("100%")
    expect(page.locator("#progress")).to_contain_text("3 failed")
    expect(page.locator("#tasks .entry")).to_have_count(3)
    expect(page.locator("#tasks")).to_contain_text('No such customer, or "none"')
    expect(page.get_by_role("button", name=re.compile("Cancel"))).to_have_count(0)
    axe(page)
    picture(page, f"batch-{scheme}", full_page=True)

    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    text = download.value.path().read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["args.text"] for row in rows] == ['No such customer, or "none"', "late", "lost"]
    assert {(row["state"], row["error.type"]) for row in rows} == {("FAILURE", "builtins.ValueError")}

    page.get_by_role("link", name="Batches").click()
    expect(page.locator(".entry").filter(has_text="Customers.csv").first).to_contain_text("3 failed")
    axe(page)
    picture(page, f"batches-{scheme}")


def test_a_batch_is_cancelled_and_everything_fits_on_a_phone(visit: Callable[..., Page]) -> None:
    page = visit("/forms/slowly/file", viewport=PHONE)
    assert overflow(page) == 0
    page.goto("/forms/steps/file")
    choose(page, "count,pause\n" + "2000,0.1\n" * 12)
    assert overflow(page) == 0
    page.get_by_role("button", name="Submit 12 tasks").click()
    expect(page.locator("#progress")).to_contain_text("Running")
    assert overflow(page) == 0
    picture(page, "batch-phone", full_page=True)
    page.get_by_role("button", name="Cancel the 12 unfinished").click()
    expect(page.locator(".flash")).to_contain_text("Cancelled")
    expect(page.locator("#progress .percent")).to_have_text("100%")
    expect(page.locator("#progress .counts")).to_contain_text("Revoked 12")
    page.goto("/batches")
    assert overflow(page) == 0
    picture(page, "batches-phone")


def test_without_javascript(visit: Callable[..., Page]) -> None:
    page = visit("/forms/add/file", java_script_enabled=False)
    choose(page, "a,b\n1,2\n")
    page.get_by_role("button", name="Submit 1 task").click()
    page.wait_for_url("**/batches/*")
    expect(page.get_by_role("heading", level=1)).to_have_text("add")
    links = page.locator(".files a").evaluate_all("(all) => all.map((each) => each.getAttribute('href'))")
    assert "text/csv" in page.request.get(links[0]).headers["content-type"]
