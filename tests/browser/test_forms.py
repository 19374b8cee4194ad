"""Fields of every kind in Chromium: filled in, mistyped, added to and submitted, with JavaScript and without."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import overflow, picture

Visit = Callable[..., Page]

WITH_AND_WITHOUT = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])

FORMS = ("order", "simple", "moments", "words", "lists", "shapes", "free")


def send(page: Page) -> None:
    """Press the button."""
    page.get_by_role("button", name="Submit", exact=True).click()


def arguments(page: Page) -> dict[str, Any]:
    """What the task was given that was submitted last, as its record has it."""
    task_id = page.locator(".flash code").inner_text()
    record: dict[str, Any] = page.request.get(f"/api/v1/tasks/{task_id}").json()["args"]
    return record


def field(page: Page, name: str) -> Locator:
    """An input by its name."""
    return page.locator(f'form [name="{name}"]')


def error(page: Page, name: str) -> Locator:
    """What is said to be wrong with a field, by the path to it."""
    return page.locator(f'[id$=".{name}.error"]')


def add(page: Page, name: str) -> None:
    """Press the button that adds a row."""
    page.locator(f'[name="_add"][value="{name}"]').click()


def remove(page: Page, name: str) -> None:
    """Press the button that removes a row."""
    page.locator(f'[name="_remove"][value="{name}"]').click()


@WITH_AND_WITHOUT
def test_a_nested_order_is_filled_in_and_submitted(visit: Visit, scripts: bool) -> None:
    page = visit("/forms/order", java_script_enabled=scripts)
    page.get_by_label("Customer").fill("ada@example.com")
    field(page, "address.street").fill("Long Lane 5")
    field(page, "address.city").fill("Leiden")
    page.get_by_label("Country").first.select_option("Netherlands")
    add(page, "address.notes")
    field(page, "address.notes.0").fill("ring twice")
    field(page, "items.0.name").fill("eggs")
    add(page, "items")
    field(page, "items.1.name").fill("pen")
    field(page, "items.1.count").fill("2")
    field(page, "items.1.gift").check()
    field(page, "message").fill("Two\nlines")
    expect(page.get_by_label("Weight")).to_have_value("1.5")
    send(page)
    assert arguments(page) == {
        "customer": "ada@example.com",
        "address": {
            "street": "Long Lane 5",
            "city": "Leiden",
            "country": "Netherlands",
            "notes": ["ring twice"],
        },
        "items": [{"name": "eggs", "count": 1, "gift": False}, {"name": "pen", "count": 2, "gift": True}],
        "billing": None,
        "eggs": 0,
        "message": "Two\nlines",
        "parcel": {"weight": 1.5, "fragile": False},
    }


@WITH_AND_WITHOUT
def test_bad_input_is_shown_at_its_own_subfield_and_what_was_typed_is_kept(
    visit: Visit, axe: Callable[[Page], None], scripts: bool
) -> None:
    page = visit("/forms/order", java_script_enabled=scripts)
    page.get_by_label("Customer").fill("ada@exämple.com")
    field(page, "address.street").fill("<b>Lane</b>")
    add(page, "items")
    field(page, "items.0.name").fill(' a "pen" ')
    field(page, "items.1.name").fill("ink")
    field(page, "items.1.count").fill("many")
    field(page, "billing:on").check()
    field(page, "eggs").fill("3")
    send(page)
    expect(error(page, "items.1.count")).to_contain_text("Input should be a valid integer")
    expect(error(page, "address.city")).to_contain_text("at least 1 character")
    expect(error(page, "billing.city")).to_be_visible()
    # In the words of the task's own validator.
    expect(error(page, "eggs")).to_have_text("Eggs must be even: eggs are sold in pairs")
    for name in ("customer", "address.street", "items.0.name", "items.0.count", "items.1.name", "message"):
        expect(error(page, name)).to_be_empty()
    expect(page.locator("[aria-invalid=true]")).to_have_count(5)
    expect(field(page, "address.city")).to_be_focused()
    expect(field(page, "eggs")).to_have_attribute("aria-describedby", "order.eggs.help order.eggs.error")
    expect(field(page, "items.1.count")).to_have_value("many")
    expect(field(page, "items.0.name")).to_have_value(' a "pen" ')
    expect(field(page, "address.street")).to_have_value("<b>Lane</b>")
    expect(page.get_by_label("Customer")).to_have_value("ada@exämple.com")
    expect(field(page, "billing:on")).to_be_checked()
    expect(page.locator(".flash")).to_have_count(0)
    if scripts:
        axe(page)
        picture(page, "forms-mistakes", full_page=True)


def test_rows_come_and_go_in_place_with_the_focus_and_in_words(visit: Visit, axe: Callable[[Page], None]) -> None:
    page = visit("/forms/lists")
    page.evaluate("window.stayed = true")
    said = page.locator("#said")
    add_tags = page.get_by_role("button", name="Add to Tags")
    for number in range(1, 5):
        add_tags.click()
        expect(page.get_by_label(f"Tags {number}")).to_be_focused()
        expect(said).to_contain_text(f"Tags {number} added")
        page.keyboard.type(f"tag {number}")
    expect(add_tags).to_be_hidden()
    page.get_by_role("button", name="Remove Tags 2").click()
    expect(said).to_contain_text("Tags 2 removed")
    expect(page.get_by_role("button", name="Remove Tags 2")).to_be_focused()
    expect(page.get_by_label("Tags 2")).to_have_value("tag 3")
    add_tags.click()
    page.get_by_label("Tags 4").fill("new")

    add_grid = page.get_by_role("button", name="Add to Grid")
    add_grid.last.click()
    add_grid.last.click()
    add(page, "grid.1")
    field(page, "grid.1.0").fill("7")
    add(page, "grid.1")
    field(page, "grid.1.1").fill("8")
    remove(page, "grid.0")
    add(page, "ages")
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type("36")
    assert page.evaluate("window.stayed") is True
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))
    axe(page)
    picture(page, "forms-rows", full_page=True)
    send(page)
    given = arguments(page)
    assert given["tags"] == ["tag 1", "tag 3", "tag 4", "new"]
    assert given["grid"] == [[7, 8]]
    assert given["ages"] == {"ada": 36}
    assert (given["numbers"], given["sizes"], given["span"], given["days"]) == ([1, 2], ["small"], [1, 5], None)


def test_rows_come_and_go_without_javascript(visit: Visit) -> None:
    page = visit("/forms/lists", java_script_enabled=False)
    for number in range(4):
        add(page, "tags")
        expect(field(page, f"tags.{number}")).to_be_focused()
        field(page, f"tags.{number}").fill(f" tag {number} ")
    expect(page.get_by_role("button", name="Add to Tags")).to_be_hidden()
    field(page, "numbers.0").fill("none")
    remove(page, "tags.1")
    expect(field(page, "tags.1")).to_have_value(" tag 2 ")
    expect(field(page, "numbers.0")).to_have_value("none")
    add(page, "grid")
    add(page, "grid.0")
    field(page, "grid.0.0").fill("5")
    field(page, "corner:on").check()
    field(page, "corner.0").fill("1")
    field(page, "corner.1").fill("x")
    add(page, "ages")
    field(page, "ages.0.key").fill("ada")
    field(page, "ages.0.value").fill("36")
    picture(page, "forms-rows-no-scripts", full_page=True)
    send(page)
    expect(error(page, "numbers.0")).to_contain_text("valid integer")
    expect(page.locator(".flash")).to_have_count(0)
    field(page, "numbers.0").fill("3")
    send(page)
    given = arguments(page)
    assert given["tags"] == [" tag 0 ", " tag 2 ", " tag 3 "]
    assert (given["grid"], given["corner"], given["ages"]) == ([[5]], [1, "x"], {"ada": 36})
    expect(page.locator(".entry")).to_have_count(1)


def test_a_list_that_grows_too_long_goes_on_as_json(visit: Visit) -> None:
    page = visit("/forms/lists")
    page.evaluate("() => { for (let i = 2; i < 100; i++) document.querySelector('[value=numbers].add').click() }")
    expect(field(page, "numbers.99")).to_be_focused()
    add(page, "numbers")
    expect(field(page, "numbers:json")).to_have_value(re.compile(r"^\[1, 2, null"))
    expect(page.locator(".flash")).to_have_count(0)
    field(page, "numbers:json").fill("[3, 4]")
    send(page)
    assert arguments(page)["numbers"] == [3, 4]


@WITH_AND_WITHOUT
def test_enter_submits_and_adds_no_row(visit: Visit, scripts: bool) -> None:
    page = visit("/forms/lists", java_script_enabled=scripts)
    add(page, "tags")
    field(page, "tags.0").fill("a")
    field(page, "tags.0").press("Enter")
    assert arguments(page)["tags"] == ["a"]


def test_a_form_is_filled_in_by_the_keyboard_alone(visit: Visit) -> None:
    page = visit("/forms/shapes")
    page.get_by_role("radio", name="Cat").focus()
    for key in ("ArrowRight", "Tab", "Space"):  # Dog; its first box, ticked
        page.keyboard.press(key)
    page.get_by_role("radio", name="None").last.focus()
    for key in ("ArrowRight", "ArrowRight", "Tab", "Enter"):  # a list of text; Add
        page.keyboard.press(key)
    page.keyboard.type("typed")
    page.keyboard.press("Control+Enter")
    given = arguments(page)
    assert given["pet"] == {"kind": "dog", "tricks": ["sit"]}
    assert given["target"] == ["typed"]


def test_only_the_chosen_shape_is_seen_and_submitted(visit: Visit) -> None:
    page = visit("/forms/shapes")
    expect(page.get_by_label("Lives")).to_be_visible()
    page.get_by_role("radio", name="Dog").check()
    expect(page.get_by_label("Lives")).to_be_hidden()
    page.get_by_role("checkbox", name="roll").check()
    expect(field(page, "either.0")).to_have_value("5")
    page.get_by_role("radio", name="Text").first.check()
    field(page, "either.1").fill("5")
    page.get_by_role("radio", name="auto").check()
    expect(page.get_by_label("X", exact=True)).to_be_hidden()
    page.get_by_label("Point").check()
    page.get_by_label("X required").fill("1")
    page.get_by_label("Y required").fill("2.5")
    send(page)
    given = arguments(page)
    assert given["pet"] == {"kind": "dog", "tricks": ["roll"]}
    assert (given["either"], given["limit"], given["point"]) == ("5", "auto", {"x": 1.0, "y": 2.5})
    assert (given["target"], given["options"], given["number"]) == (None, {}, 1)


def test_a_moment_is_read_from_the_visitors_clock(visit: Visit) -> None:
    page = visit("/forms/moments", timezone_id="Europe/Berlin")
    page.get_by_label("Day").fill("2026-03-01")
    expect(page.get_by_label("Zone of At").locator("option:checked")).to_have_text("Europe/Berlin")
    page.get_by_label("At required").fill("2026-07-01T09:30")
    # A default is shown on the same clock; one without a zone has none to be shown on.
    expect(field(page, "since")).to_have_value("2026-06-01T14:00")
    expect(field(page, "clock")).to_have_value("2026-06-01T12:00")
    expect(page.get_by_label("Zone of Clock")).to_have_value("none")
    page.get_by_label("Every").fill("2 days 90 min")
    send(page)
    given = arguments(page)
    assert given["at"] == "2026-07-01T09:30:00+02:00"
    assert given["since"] == "2026-06-01T14:00:00+02:00"
    assert (given["clock"], given["every"], given["daily"]) == ("2026-06-01T12:00:00", "P2DT1H30M", "08:30:00")
    assert given["until"] is None

    # Winter has another offset, and a mistake elsewhere changes nothing of it.
    page.goto("/forms/moments")
    page.get_by_label("At required").fill("2026-01-01T09:30")
    send(page)
    expect(error(page, "day")).to_have_text("Day is required")
    expect(page.get_by_label("Zone of At").locator("option:checked")).to_have_text("Europe/Berlin")
    expect(field(page, "at")).to_have_value("2026-01-01T09:30")
    expect(field(page, "since")).to_have_value("2026-06-01T14:00")
    page.get_by_label("Day").fill("2026-03-01")
    page.get_by_label("Zone of Since").select_option("UTC")
    send(page)
    given = arguments(page)
    assert (given["at"], given["since"]) == ("2026-01-01T09:30:00+01:00", "2026-06-01T14:00:00Z")


def test_a_moment_is_read_as_utc_without_javascript(visit: Visit) -> None:
    page = visit("/forms/moments", java_script_enabled=False)
    expect(page.get_by_label("Zone of At").locator("option:checked")).to_have_text("UTC")
    page.get_by_label("Day").fill("2026-03-01")
    page.get_by_label("At required").fill("2026-07-01T09:30")
    send(page)
    given = arguments(page)
    assert (given["at"], given["since"]) == ("2026-07-01T09:30:00Z", "2026-06-01T12:00:00Z")


def test_half_a_date_is_not_taken_for_none(visit: Visit) -> None:
    page = visit("/forms/moments")
    page.get_by_label("Day").fill("2026-03-01")
    page.get_by_label("At required").fill("2026-07-01T09:30")
    page.get_by_label("Until").focus()
    page.keyboard.type("12")
    send(page)
    expect(error(page, "until")).not_to_be_empty()
    expect(field(page, "until")).to_be_focused()
    expect(field(page, "until")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Until").fill("2026-04-01")
    send(page)
    assert arguments(page)["until"] == "2026-04-01"


@WITH_AND_WITHOUT
def test_an_example_is_put_in_by_a_click(visit: Visit, scripts: bool) -> None:
    page = visit("/forms/simple", java_script_enabled=scripts)
    page.evaluate("window.stayed = true")
    page.get_by_label("Text").fill("typed")
    page.get_by_role("button", name="3", exact=True).click()
    expect(field(page, "count")).to_have_value("3")
    expect(field(page, "count")).to_be_focused()
    page.get_by_role("button", name="Two lines").click()
    expect(field(page, "long")).to_have_value("Two\nlines")
    expect(page.get_by_label("Text")).to_have_value("typed")
    assert bool(page.evaluate("window.stayed")) is scripts
    send(page)
    assert arguments(page)["long"] == "Two\nlines"


@WITH_AND_WITHOUT
def test_a_password_is_not_sent_back(visit: Visit, scripts: bool) -> None:
    page = visit("/forms/simple", java_script_enabled=scripts)
    expect(field(page, "password")).to_have_attribute("type", "password")
    field(page, "password").fill("s3cret")
    send(page)
    expect(page.get_by_text("It is not sent back to the page: type it again.")).to_be_visible()
    assert "s3cret" not in page.content()


ROUND_TRIPS: list[tuple[str, dict[str, Any]]] = [
    (
        "simple",
        {
            "text": "  two\nlines\u2028<b>&amp;</b> \"'",
            "long": "\n\nlines\n",
            "count": 3,
            "ratio": 0.1234567890123456,
            "amount": "123456789.123456789123456789",
            "switch": False,
            "maybe": False,
            "size": "large",
            "country": "Belgium",
            "mode": "fast",
            "password": "",
            "note": "",
        },
    ),
    (
        "moments",
        {
            "day": "0999-12-31",
            "at": "2026-01-01T12:00:00.123456+05:30",
            "daily": "23:59:59.500000Z",
            "every": "-P1Y35DT0.000001S",
            "since": "1999-12-31T23:59:59Z",
            "clock": "2026-06-01T12:00:00",
            "until": None,
        },
    ),
    (
        "lists",
        {
            "tags": ["", " a ", "x\r\ny"],
            "numbers": list(range(150)),
            "sizes": ["large", "small"],
            "grid": [[], [1, 2]],
            "span": [5, 1],
            "corner": [1, "null"],
            "ages": {"": 0, "a.b:c": -1},
            "days": [],
        },
    ),
    (
        "shapes",
        {
            "pet": {"kind": "dog", "tricks": ["fetch", "sit", "sit"]},
            "either": "5",
            "limit": "auto",
            "number": 2,
            "target": [],
            "point": {"x": 0.0, "y": -1e300},
            "options": {"title": "", "strict": False},
        },
    ),
    (
        "free",
        {
            "folder": {"name": "a", "folders": [{"name": "b", "folders": []}]},
            "anything": {"a": [1, None, "x"]},
            "settings": {"deep": {"er": []}},
            "folders": [{"name": "", "folders": []}],
        },
    ),
]


def in_order(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments with a set of theirs in one order of many."""
    return {**given, "sizes": sorted(given["sizes"])} if "sizes" in given else given


@WITH_AND_WITHOUT
@pytest.mark.parametrize(("name", "given"), ROUND_TRIPS, ids=[name for name, _ in ROUND_TRIPS])
def test_to_run_again_gives_exactly_the_same_arguments(
    visit: Visit, name: str, given: dict[str, Any], scripts: bool
) -> None:
    page = visit(java_script_enabled=scripts, timezone_id="America/New_York")
    answer = page.request.post(
        f"/api/v1/tasks/{name}", data=json.dumps(given), headers={"Content-Type": "application/json"}
    )
    assert answer.status == 202, answer.text()
    recorded = answer.json()
    assert in_order(recorded["args"]) == given
    page.goto(f"/forms/{name}?from={recorded['id']}")
    if scripts:
        picture(page, f"forms-again-{name}", full_page=True)
    send(page)
    assert in_order(arguments(page)) == given


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_accessible_and_fits(visit: Visit, axe: Callable[[Page], None], name: str) -> None:
    for look, options in {
        "desk": {},
        "dark": {"color_scheme": "dark"},
        "phone": {"viewport": {"width": 360, "height": 740}},
        "phone-dark": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"},
        "large-text": {"viewport": {"width": 320, "height": 640}},
    }.items():
        page = visit(f"/forms/{name}", **options)
        for button in page.locator("button.add").all():
            if button.is_visible():
                button.click()
        for switch in page.locator("legend input[type=checkbox]").all():
            switch.check()
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        assert overflow(page) == 0
        axe(page)
        picture(page, f"forms-{name}-{look}", full_page=True)
        send(page)
        expect(page.locator("#said")).to_be_attached()
        assert overflow(page) == 0
        axe(page)
        picture(page, f"forms-{name}-{look}-sent", full_page=True)
