"""What the browser tests share: visitors, pictures for people to look at, and the audit of accessibility."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect, sync_playwright

#: Looked at by people; not kept in the repository.
ARTIFACTS: Final = Path(__file__).parents[2] / "test-artifacts"

AXE: Final = Path(__file__).parents[1] / "browser" / "vendor" / "axe-core" / "axe.min.js"

#: WCAG 2.2 AA with all that it is built on, and axe's own best practices.
AXE_TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: Milliseconds; the machine may be busy.
expect.set_options(timeout=20_000)


@contextmanager
def launched() -> Iterator[Browser]:
    """The distribution's Chromium, without a window."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "Chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        yield browser
        browser.close()


class Visitors:
    """People with a browser each, who must meet no error, no other server and nothing inline.

    Args:
        browser: theirs.
        url: of the only server that they may reach.
    """

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        self.url = url
        self.wrong: list[str] = []
        self._contexts: list[BrowserContext] = []

    def __call__(self, path: str | None = "/", **options: Any) -> Page:
        """Open a page as a new visitor.

        Args:
            path: of the page; None: an empty page, still on the server's address for what is opened next.
            options: of the browser's context, such as ``java_script_enabled``, ``color_scheme``, ``viewport``.
        """
        context = self.browser.new_context(
            **{
                "base_url": self.url,
                "viewport": {"width": 1280, "height": 900},
                "timezone_id": "Europe/Berlin",
                "locale": "en-GB",
                **options,
            }
        )
        self._contexts.append(context)
        context.on("page", self._listen)
        page = context.new_page()
        if path is not None:
            page.goto(path)
        return page

    def end(self) -> None:
        """Close all, and fail if anything was wrong."""
        for context in self._contexts:
            context.close()
        assert self.wrong == []

    def _listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on(
            "console", lambda line: self.wrong.append(line.text) if "Content Security Policy" in line.text else None
        )
        page.on("request", self._check_server)

    def _check_server(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "data:")):
            self.wrong.append(request.url)


def picture(page: Page, name: str, **options: Any) -> None:
    """A screenshot for people to look at: ``test-artifacts/<name>.png``."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", **options)


def audit(page: Page) -> list[str]:
    """What axe finds wrong with the page as it stands: the rule, and the first elements that break it."""
    page.evaluate(AXE.read_text())
    # What has faded in is what people read; half faded, its contrast would be measured. Some turn for ever.
    page.evaluate(
        "Promise.allSettled(document.getAnimations().filter((each) => each.effect.getComputedTiming().endTime < 5000)"
        ".map((each) => each.finished))"
    )
    found: dict[str, Any] = page.evaluate(
        "(tags) => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})", AXE_TAGS
    )
    return [
        f"{rule['id']}: {rule['help']}: {[node['html'][:300] for node in rule['nodes'][:3]]}"
        f" {rule['nodes'][0].get('failureSummary', '')}"
        for rule in found["violations"]
    ]


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


def fill(page: Page, name: str, **typed: str) -> None:
    """Open the form of a task and type into its fields, by the names of the parameters."""
    page.goto(f"/forms/{quote(name, safe='')}")
    for field, text in typed.items():
        page.locator(f'[name="{field}"]').fill(text)


def submit(page: Page, name: str, **typed: str) -> str:
    """Submit a task by its form; its id, as the page says it."""
    fill(page, name, **typed)
    page.get_by_role("button", name="Submit", exact=True).click()
    said = page.locator(".flash code")
    expect(said).to_be_visible()
    return said.inner_text()


def submit_aside(page: Page, name: str, /, through: str = "/", **typed: str) -> str:
    """Submit a task as the page's visitor without leaving the page, and without looking at the list afterwards.

    Args:
        page: the visitor's.
        name: of the task.
        through: the page whose form is sent; one with the list counts as a look at it.
        typed: by the names of the parameters.
    """
    requests = page.context.request
    token = re.search('name="_csrf" value="([^"]+)"', requests.get(through).text())
    assert token
    answer = requests.post(f"/forms/{name}", form={"_csrf": token[1], **typed}, max_redirects=0)
    assert answer.status == 303, answer.text()
    newest: str = requests.get(f"/api/v1/tasks?limit=1&name={name}").json()["tasks"][0]["id"]
    return newest


def entry(page: Page, task_id: str) -> Locator:
    """A task in the list of the visitor's tasks."""
    return page.locator(f'.entry[data-task="{task_id}"]')


def hide(page: Page, hidden: bool = True) -> None:
    """Let the page believe that another tab is in front of it, or that it is seen again."""
    page.evaluate(
        "(hidden) => { Object.defineProperty(document, 'hidden', {get: () => hidden, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )
