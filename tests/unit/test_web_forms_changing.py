"""Without JavaScript: a row more or less, all that was typed kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import Field

from async_tasks import catalog
from async_tasks.web import forms
from tests.support.form_tasks import Address, Item
from tests.support.forms import form_of, html_of, one, sent_by_browser


@pytest.fixture(autouse=True)
def _own_catalog() -> Iterator[None]:
    taken = catalog.snapshot()
    yield
    catalog.restore(taken)


def after(form: list[forms.Field], typed: dict[str, str]) -> dict[str, str]:
    """What the browser sends of the form that comes back."""
    changed = forms.changed(form, typed)
    assert changed is not None
    return sent_by_browser(html_of(form, changed))


def test_a_submission_is_no_change() -> None:
    assert forms.changed([one(list[str])], {"value.0": "a"}) is None


def test_rows_are_added_and_removed_with_all_that_was_typed_kept() -> None:
    def probe(title: str, items: list[Item], tags: list[str], count: int, sure: bool = False) -> None:
        """Probe."""

    form = form_of(probe)
    typed = {"title": " x ", "count": "five", "sure": "on", "tags:list": "", "tags.0": "a", "tags.1": "b"}
    typed = after(form, {**typed, "_add": "items"})
    typed = after(form, {**typed, "items.0.name": "pen", "items.0.gift": "on", "_add": "items"})
    typed = after(form, {**typed, "items.1.name": "ink", "items.1.count": "none", "_remove": "tags.0"})
    typed = after(form, {**typed, "_remove": "items.0"})
    arguments, problems = forms.read(form, typed)
    assert problems == []
    assert arguments == {
        "title": " x ",
        "items": [{"name": "ink", "count": "none", "gift": False}],
        "tags": ["b"],
        "count": "five",
        "sure": True,
    }


def test_rows_within_rows_and_within_switched_objects_are_added() -> None:
    grid = [one(list[list[int]])]
    typed = after(grid, {"value.0:row": "", "value.1:row": "", "value.1.0": "7", "_add": "value.1"})
    assert forms.read(grid, {**typed, "value.1.1": "8"})[0] == {"value": [[], [7, 8]]}
    home = [one(Address | None, None)]
    typed = after(home, {"value:on": "on", "value.street": "s", "_add": "value.notes"})
    assert forms.read(home, {**typed, "value.notes.0": "n"})[0]["value"]["notes"] == ["n"]


def test_the_visitor_goes_on_at_the_new_row_and_after_a_removal_at_the_next() -> None:
    form = [one(list[str])]
    typed = {"value.0": "a", "value.3": "b", "value.5": "c"}

    def focused(changed: dict[str, str] | None) -> str:
        (shown,) = forms.shown(form, changed)
        return next((row.name for row in [shown, *shown.parts] if row.focus), "")

    assert focused(forms.changed(form, {**typed, "_add": "value"})) == "value.3"
    assert focused(forms.changed(form, {**typed, "_remove": "value.0"})) == "value.0"
    assert focused(forms.changed(form, {**typed, "_remove": "value.5"})) == "value.1"
    assert focused(forms.changed(form, {"value.0": "a", "_remove": "value.0"})) == "value"


def test_no_row_is_added_beyond_the_bound() -> None:
    form = [one(Annotated[list[str], Field(max_length=1)])]
    assert forms.read(form, after(form, {"value.0": "a", "_add": "value"}))[0] == {"value": ["a"]}


def test_a_required_list_begins_with_the_rows_that_it_needs() -> None:
    form = [one(Annotated[list[str], Field(min_length=2)])]
    assert forms.read(form, sent_by_browser(html_of(form)))[0] == {"value": ["", ""]}
    assert 'name="_remove" value="value.0" hidden' in html_of(form)


def test_a_list_that_grows_too_long_goes_on_as_json() -> None:
    form = [one(list[int])]
    typed = {f"value.{at}": str(at) for at in range(100)}
    typed = after(form, {**typed, "_add": "value"})
    assert typed.keys() == {"value:json"}
    assert forms.read(form, typed)[0]["value"][:100] == list(range(100))


@pytest.mark.parametrize(
    ("annotation", "example"),
    [
        (Annotated[str, Field(examples=["ada"])], "ada"),
        (Annotated[list[int], Field(examples=[[1, 2]])], [1, 2]),
        (Annotated[Address, Field(examples=[{"street": "s", "city": "c"}])], {"street": "s", "city": "c"}),
        (Annotated[int | None, Field(examples=[5])], 5),
        (dict[str, Any], {"name": "text"}),
    ],
)
def test_an_example_is_put_in_its_field(annotation: Any, example: Any) -> None:
    form = [one(annotation)]
    value = forms.read(form, after(form, {"value": "x", "_use": "value"}))[0]["value"]
    assert value == example or value.items() >= example.items()
