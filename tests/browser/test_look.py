"""How the pages are to be looked at and used: by everybody, at any width, light and dark, small and without jumps."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Visitors, entry, overflow, picture, submit, submit_aside
from tests.support.system import System
from tests.support.waiting import wait_until

Visit = Callable[..., Page]

WIDTHS = (360, 420, 640, 800, 1000, 1200, 1280, 1600, 2560)

#: Movement of what is seen, as browsers measure it from the first moment on; 0 is none.
WATCH_JUMPS = """
window.jumps = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const nodes = entry.sources.map(({node, previousRect: a, currentRect: b}) =>
      `${(node?.nodeType === 1 ? node : node?.parentElement)?.outerHTML?.slice(0, 120)} ${a.x},${a.y} ${a.width}x${a.height}`
      + ` -> ${b.x},${b.y} ${b.width}x${b.height}`);
    window.jumps.push([entry.value, ...nodes]);
  }
}).observe({type: 'layout-shift', buffered: true});
"""


def every_page(page: Page) -> dict[str, str]:
    """The address of every page and state, by name; made by the page's visitor."""
    made = {
        "running": submit_aside(page, "steps", count="80", pause="0.25"),
        "text": submit_aside(page, "reverse_text", text="Hello\nworld"),
        "failed": submit_aside(page, "fail", text="It could not be done."),
        "table": submit_aside(page, "echo", value='[{"city": "Ulm", "people": 126000}, {"city": "Bonn"}]'),
        "tree": submit_aside(page, "echo", value='{"a": {"b": [1, null, true, "x"]}, "long": "' + "x" * 300 + '"}'),
        "nothing": submit_aside(page, "echo", value="null"),
        "retry": submit_aside(page, "retry_by_hand", countdown="600"),
        "logged": submit_aside(page, "talk", lines="3"),
    }
    cancelled = page.context.request.post("/api/v1/tasks/add?delay=600", data={"a": 1, "b": 2}).json()
    page.context.request.delete(cancelled["links"]["self"])
    addresses = {name: f"/tasks/{task_id}" for name, task_id in made.items()}
    return {
        "list": "/",
        **addresses,
        "form": "/forms/send_email",
        "found": "/forms/send_email?find=text",
        "like": f"/forms/reverse_text?like={made['text']}",
        "again": f"/forms/reverse_text?from={made['text']}",
        "cancelled": cancelled["links"]["page"],
        "error": "/nothing",
        "problem": "/problems/invalid-arguments",
        "outbox": "/outbox",
        "history": "/history",
        "history-empty": "/history?name=nothing&q=nothing",
        "actions": "/history/actions",
        "overview": "/overview",
        "failures": "/failures",
    }


@pytest.mark.parametrize(
    ("look", "options"),
    [
        ("light", {"color_scheme": "light"}),
        ("dark", {"color_scheme": "dark"}),
        ("phone", {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}),
        ("phone-dark", {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}),
        ("forced-colors", {"forced_colors": "active"}),
        ("wide", {"viewport": {"width": 1920, "height": 1000}}),
    ],
)
def test_axe_finds_nothing_wrong_with_any_page(
    visit: Visit, axe: Callable[[Page], None], look: str, options: dict[str, Any]
) -> None:
    page = visit(**options)
    axe(page)  # empty
    picture(page, f"look-{look}-empty", full_page=True)
    for name, address in every_page(page).items():
        page.goto(address)
        if name in ("text", "table", "tree", "nothing"):
            expect(page.locator(".title")).to_contain_text("Success")
        if name == "failed":
            expect(page.locator(".title")).to_contain_text("Failure")
            page.get_by_text("Traceback", exact=True).click()
        if name == "running":
            expect(page.get_by_role("progressbar")).to_be_visible()
        if name == "retry":
            expect(page.locator(".title")).to_contain_text("Retry")
        axe(page)
        assert overflow(page) <= 0, name
        picture(page, f"look-{look}-{name}", full_page=True)


def test_every_page_fits_every_width(visit: Visit) -> None:
    page = visit()
    addresses = every_page(page)
    for name, address in addresses.items():
        page.goto(address)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert overflow(page) <= 0, f"{name} at {width}"
    page.set_viewport_size({"width": 800, "height": 800})
    page.goto("/")
    form, mine = page.locator(".pane").bounding_box(), page.locator("#mine").bounding_box()
    assert form
    assert mine
    assert (form["x"] + form["width"] <= mine["x"], abs(form["y"] - mine["y"]) < 20) == (True, True)
    page.set_viewport_size({"width": 1280, "height": 800})
    catalog = page.get_by_role("navigation", name="Tasks").bounding_box()
    assert catalog
    assert catalog["width"] < 280


def test_everything_is_done_with_the_keyboard(visit: Visit) -> None:
    page = visit()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Find a task")).to_be_focused()
    page.keyboard.type("reverse a")
    tab_until(page, page.get_by_role("link", name="Reverse a text"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Reverse a text")
    tab_until(page, page.locator('textarea[name="text"]'))
    page.keyboard.type("keys")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".flash")).to_be_visible()
    link = page.locator(".entry a")
    expect(page.locator(".entry")).to_contain_text("syek")
    tab_until(page, link)
    outline = page.locator(".entry").evaluate("(node) => getComputedStyle(node).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.locator(".card.outcome")).to_contain_text("syek")
    tab_until(page, page.get_by_role("button", name="Run again", exact=True))
    page.keyboard.press("Enter")
    expect(page.locator(".flash")).to_be_visible()


def test_the_catalog_of_a_phone_is_used_with_the_keyboard(visit: Visit) -> None:
    page = visit(viewport={"width": 360, "height": 740})
    chooser = page.get_by_role("button", name=re.compile(r"\d+ tasks"))
    tab_until(page, chooser)
    page.keyboard.press("Enter")
    catalog = page.get_by_role("navigation", name="Tasks")
    expect(catalog).to_be_visible()
    tab_until(page, catalog.get_by_role("link").first)
    page.keyboard.press("Escape")
    expect(catalog).to_be_hidden()
    expect(chooser).to_be_focused()


def tab_until(page: Page, target: Any) -> None:
    """Press Tab until the target has the focus, which must be seen on the way."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if target.evaluate("(node) => node === document.activeElement"):
            return
    raise AssertionError(f"{target} is not reached with Tab")


def test_nothing_jumps(visit: Visit) -> None:
    page = visit(None)
    page.context.add_init_script(WATCH_JUMPS)
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto("/")
        submit(page, "reverse_text", text="one")
        task_id = submit(page, "steps", count="10", pause="0.1")
        expect(entry(page, task_id)).to_contain_text("Success")
        failing = submit(page, "fail", text="a word " * 100)
        expect(entry(page, failing)).to_contain_text("Failure")
        assert page.evaluate("window.jumps") == []
        task_id = submit(page, "steps", count="10", pause="0.2")
        page.goto(f"/tasks/{task_id}")
        expect(page.locator(".title")).to_contain_text("Started")
        expect(page.locator(".title")).to_contain_text("Success")
        assert page.evaluate("window.jumps") == [], width
        page.goto("/problems/internal")
        submit_aside(page, "elsewhere", through=f"/tasks/{task_id}")
        expect(page.locator("#count")).to_be_visible()
        assert page.evaluate("window.jumps") == []


def test_the_first_page_is_small_and_comes_from_one_server(visit: Visit) -> None:
    page = visit(None)
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    sizes: dict[str, float] = {}
    addresses: dict[str, str] = {}
    network.on(
        "Network.responseReceived", lambda event: addresses.update({event["requestId"]: event["response"]["url"]})
    )
    network.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    page.goto("/")
    expect(page.get_by_text("Nothing submitted yet")).to_be_visible()
    wait_until(lambda: page.wait_for_timeout(50) or any("/live?" in address for address in addresses.values()), 10)
    listed = {addresses[request]: size for request, size in sizes.items() if request in addresses}
    assert len(listed) >= 5
    assert sum(listed.values()) < 100_000


def test_the_content_policy_allows_nothing_inline(visit: Visitors) -> None:
    page = visit(None)
    answer = page.goto("/")
    assert answer
    assert "unsafe" not in answer.headers["content-security-policy"]
    page.evaluate(
        "() => { const script = document.createElement('script'); script.textContent = 'window.ran = true';"
        " document.body.append(script); }"
    )
    assert page.evaluate("window.ran") is None
    assert "Content Security Policy" in visit.wrong.pop()


@pytest.mark.parametrize(("zone", "short"), [("Asia/Tokyo", "GMT+9"), ("Asia/Kolkata", "GMT+5:30")])
def test_times_are_the_visitors_and_exact_on_hover(visit: Visit, zone: str, short: str) -> None:
    page = visit(timezone_id=zone)
    task_id = submit(page, "reverse_text", text="x")
    expect(entry(page, task_id).locator("time")).to_have_text("just now")
    page.goto(f"/tasks/{task_id}")
    time = page.locator(".facts time").first
    expect(time).to_have_text("just now")
    exact = str(time.get_attribute("title"))
    assert exact.endswith(short), exact
    assert re.search(r"\w{3},? \d+ \w+ \d{4}.*\d\d:\d\d:\d\d[.,]\d{3}", exact), exact
    stamp = str(time.get_attribute("datetime"))
    local = page.evaluate("(stamp) => new Date(stamp).toLocaleTimeString('en-GB')", stamp)
    assert local in exact
    expect(page.locator(".timeline time").first).to_have_text(local)


def test_times_are_by_the_servers_clock_where_the_visitors_is_wrong(visit: Visit) -> None:
    page = visit(None)
    page.context.add_init_script("const real = Date.now; Date.now = () => real() + 3 * 3600 * 1000;")
    task_id = submit(page, "reverse_text", text="x")
    expect(entry(page, task_id).locator("time")).to_have_text("just now")


def test_whoever_wants_no_motion_gets_none(visit: Visit) -> None:
    page = visit(reduced_motion="reduce")
    task_id = submit(page, "append", path="/dev/null", line="x", seconds="5")
    turning = entry(page, task_id).locator(".turns")
    expect(turning).to_be_visible()
    assert turning.evaluate("(node) => getComputedStyle(node).animationName") == "none"


def test_a_hundred_tasks_fit(
    running_system: Callable[..., System], chromium: Browser, axe: Callable[[Page], None]
) -> None:
    system = running_system(modules=("tests.support.many_tasks",))
    system.start("web")
    visitors = Visitors(chromium, system.url)
    for look, width in (("wide", 1440), ("middle", 900), ("phone", 360)):
        page = visitors("/forms/many.task_070", viewport={"width": width, "height": 800})
        assert overflow(page) <= 0
        axe(page)
        if width < 1200:
            page.get_by_role("button", name="103 tasks").click()
        current = page.get_by_role("navigation", name="Tasks").locator("[aria-current]")
        expect(current).to_have_text(re.compile("number 70"))
        expect(current).to_be_in_viewport()
        picture(page, f"pages-hundred-{look}")
        page.get_by_label("Find a task").fill("number 42")
        page.get_by_role("link", name="Do the thing of number 42").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Do the thing of number 42")
    visitors.end()
