"""The page in Chromium, with a real worker: submit, watch, mistype, cancel; with and without JavaScript."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.profiles import Profile
from tests.support.servers import StoreServer
from tests.support.system import System

#: Looked at by people; not kept in the repository.
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: Milliseconds; the machine may be busy.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The distribution's Chromium, without a window."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "Chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def profile(valkey_server: StoreServer, tmp_path: Path) -> Profile:
    """The pages know no broker: one profile is enough."""
    return Profile("embedded", valkey_server, valkey_server, valkey_server.url, tmp_path)


@pytest.fixture
def system(running_system: Callable[..., System]) -> System:
    """A web process and a worker."""
    system = running_system(modules=("tests.support.tasks",))
    system.start()
    return system


@pytest.fixture
def visit(chromium: Browser, system: System) -> Iterator[Callable[..., Page]]:
    """Opens the page as a new visitor, who must meet no error and no other server."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def visit(path: str = "/", **options: Any) -> Page:
        context = chromium.new_context(base_url=system.url, **{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
        page.on("request", lambda request: None if request.url.startswith(system.url) else wrong.append(request.url))
        page.goto(path)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert wrong == []


def form_of(page: Page, name: str) -> Any:
    """The form of a task."""
    return page.locator(f"article[id='{name}']")


def picture(page: Page, name: str, **options: Any) -> None:
    """A screenshot for people to look at."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"plain-page-{name}.png", **options)


def test_a_submission_and_its_result_are_seen_without_reloading(visit: Callable[..., Page]) -> None:
    page = visit()
    picture(page, "empty")
    form_of(page, "reverse_text").get_by_label("Text").fill("hello")
    form_of(page, "reverse_text").get_by_role("button", name="Submit").click()
    expect(page.get_by_role("status")).to_contain_text("Submitted: ")
    expect(page.locator(".entry")).to_contain_text("olleh")

    form = form_of(page, "steps")
    form.get_by_label("Count").fill("15")
    form.get_by_label("Pause").fill("0.2")
    form.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("status")).to_contain_text("Submitted: ")
    page.evaluate("window.stayed = true")
    entry = page.locator(".entry").first
    expect(entry.get_by_role("progressbar")).to_be_visible()
    expect(entry).to_contain_text("STARTED")
    picture(page, "running")
    expect(entry).to_contain_text("SUCCESS")
    expect(entry.locator(".result")).to_have_text("15")
    assert page.evaluate("window.stayed") is True
    expect(page.get_by_role("status")).to_be_in_viewport()
    picture(page, "finished")

    page.reload()
    expect(page.locator(".entry")).to_have_count(2)
    expect(page.get_by_role("status")).to_have_count(0)


def test_what_was_typed_survives_a_mistake(visit: Callable[..., Page]) -> None:
    page = visit()
    form = form_of(page, "append")
    form.get_by_label("Path").fill('a "path"')
    form.get_by_label("Line").fill("a line")
    form.get_by_label("Seconds").fill("soon")
    form.get_by_role("button", name="Submit").click()

    seconds = form.get_by_label("Seconds")
    expect(seconds).to_have_value("soon")
    expect(seconds).to_have_attribute("aria-invalid", "true")
    expect(seconds).to_be_focused()
    expect(form.locator(".error:not(:empty)")).to_have_text(
        "Input should be a valid number, unable to parse string as a number"
    )
    expect(form.get_by_label("Path")).to_have_value('a "path"')
    picture(page, "mistake")
    expect(page.locator(".entry")).to_have_count(0)
    seconds.fill("0")
    form.get_by_label("Path").fill("/dev/null")
    # Twice in a hurry is once.
    form.get_by_role("button", name="Submit").dblclick()
    expect(page.locator(".entry .badge")).to_have_text("SUCCESS")
    expect(page.locator(".entry")).to_have_count(1)


def test_one_task_has_a_page_that_lives_and_cancels(visit: Callable[..., Page]) -> None:
    page = visit()
    form = form_of(page, "steps")
    form.get_by_label("Count").fill("1000")
    form.get_by_label("Pause").fill("0.1")
    form.get_by_role("button", name="Submit").click()
    page.get_by_role("link", name="steps").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("STARTED")
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("REVOKED")
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    picture(page, "cancelled", full_page=True)

    page.goto("/")
    form_of(page, "fail").get_by_label("Text").fill("no <b>luck</b>")
    form_of(page, "fail").get_by_role("button", name="Submit").click()
    expect(page.locator(".entry").first).to_contain_text("no <b>luck</b>")
    page.get_by_role("link", name="fail", exact=True).click()
    expect(page.locator("details pre")).to_be_hidden()
    page.locator("summary", has_text="Traceback").click()
    expect(page.locator("details pre")).to_contain_text("ValueError")
    picture(page, "failed", full_page=True)


def test_without_javascript_it_is_post_redirect_and_reload(visit: Callable[..., Page]) -> None:
    page = visit(java_script_enabled=False)
    form_of(page, "reverse_text").get_by_label("Text").fill("two\nlines")
    form_of(page, "reverse_text").get_by_role("button", name="Submit").click()
    expect(page.get_by_role("status")).to_contain_text("Submitted: ")
    assert page.url.endswith("/#mine")
    task_page = page.locator(".entry a").get_attribute("href")
    # Reloads itself until the task has finished.
    page.goto(str(task_page))
    expect(page.get_by_role("heading", level=1)).to_contain_text("SUCCESS")
    page.goto("/")
    expect(page.locator(".entry .result")).to_have_text("senil\nowt")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(visit: Callable[..., Page], scheme: str) -> None:
    page = visit(viewport={"width": 360, "height": 740}, color_scheme=scheme, reduced_motion="reduce")
    form_of(page, "reverse_text").get_by_label("Text").fill("a" * 500)
    form_of(page, "reverse_text").get_by_role("button", name="Submit").click()
    expect(page.locator(".entry .badge")).to_have_text("SUCCESS")
    expect(page.get_by_role("status")).to_be_in_viewport()
    picture(page, f"phone-{scheme}")
    for path in ("/", page.locator(".entry a").get_attribute("href"), "/nothing"):
        page.goto(str(path))
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        picture(page, f"phone-{scheme}{str(path)[:6].replace('/', '-')}", full_page=True)
