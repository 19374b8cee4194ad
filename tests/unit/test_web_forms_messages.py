"""What is wrong stands at the input, row or object that it belongs to, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import pytest
from markupsafe import escape
from pydantic import AfterValidator, BaseModel, Field

from async_tasks import catalog
from async_tasks.errors import InvalidArguments
from async_tasks.web import forms
from tests.support.form_tasks import Address, Cat, Dog, Item, Size, Span
from tests.support.forms import form_of, html_of, probe


@pytest.fixture(autouse=True)
def _own_catalog() -> Iterator[None]:
    taken = catalog.snapshot()
    yield
    catalog.restore(taken)


def _in_order(value: Span) -> Span:
    if value.last < value.first:
        raise ValueError("must end after it begins")
    return value


class Dotted(BaseModel):
    """Keys that look like paths."""

    a: Annotated[int, Field(alias="x")] = 0
    b: Annotated[int, Field(alias="x.y")] = 0


def messages(annotation: Any, typed: Mapping[str, str]) -> dict[str, list[str]]:
    """What is said about a form with one field, by the rest of the name after ``value``."""
    spec = probe(annotation)
    form = forms.fields(spec.arguments_schema())
    arguments, problems = forms.read(form, typed)
    unread = {problem["field"] for problem in problems}
    try:
        spec.validate(arguments)
    except InvalidArguments as exc:
        problems += [problem for problem in exc.problems if problem["field"] not in unread]
    found = forms.by_field(form, problems, typed)
    html = html_of(form, typed, found)
    for name, said in found.items():
        assert f'id="probe.{name}.error">{escape(said[0])}' in html
    return {name.removeprefix("value").removeprefix("."): said for name, said in found.items()}


@pytest.mark.parametrize(
    ("annotation", "typed", "expected"),
    [
        (int, {"value": "five"}, {"": "Input should be a valid integer"}),
        (int, {"value": ""}, {"": "Value is required"}),
        (Address, {"value:on": "on", "value.street": "a", "value.city": ""}, {"city": "String should have at least 1"}),
        (Address, {"value:on": "on", "value.street": "a"}, {"city": "City is required"}),
        (Address, {}, {"": "Value is required"}),
        (
            list[int],
            {"value.0": "1", "value.7": "x", "value.9": ""},
            {"1": "Input should be", "2": "Value 3 is required"},
        ),
        (
            list[Item],
            {"value.3:on": "on", "value.3.name": "", "value.3.count": "0"},
            {"0.name": "String should", "0.count": "Input should be greater"},
        ),
        (Annotated[list[int], Field(min_length=2)], {"value.0": "1"}, {"": "List should have at least 2 items"}),
        (set[Size], {"value.0:x": "", "value:list": "", "value:json": '["huge"]'}, {"": "0: Input should be 'small'"}),
        (Span, {"value:on": "on", "value.0": "1", "value.1": "x"}, {"1": "Input should be a valid integer"}),
        (
            Annotated[Span, AfterValidator(_in_order)],
            {"value:on": "on", "value.0": "5", "value.1": "1"},
            {"": "Value must end after it begins"},
        ),
        (
            dict[str, int],
            {"value.4.key": "a.b", "value.4.value": "x", "value.5.key": "a", "value.5.value": "y"},
            {"0.value": "Input should be a valid integer", "1.value": "Input should be a valid integer"},
        ),
        (
            dict[str, int],
            {"value.0.key": "a", "value.0.value": "1", "value.1.key": "a", "value.1.value": "2"},
            {"1.key": "Name is there twice"},
        ),
        (
            dict[str, int],
            {"value.0.key": "", "value.0.value": "1"},
            {"0.key": "Name is required: give one, or remove the row"},
        ),
        (
            dict[str, int],
            {f"value.{at}.{part}": text for at in range(3) for part, text in (("key", ""), ("value", "1"))},
            {f"{at}.key": "Name is required" for at in range(3)},
        ),
        (dict[str, list[int]], {"value.0.key": "a", "value.0.value.3": "x"}, {"0.value.0": "Input should be"}),
        (
            Annotated[Cat | Dog, Field(discriminator="kind")],
            {"value:kind": "0", "value.0:on": "on", "value.0.lives": "99"},
            {"0.lives": "Input should be less than or equal to 9"},
        ),
        (
            int | Item,
            {"value:kind": "1", "value.1:on": "on", "value.1.name": "x", "value.1.count": "x"},
            {"1.count": "Input should be a valid integer"},
        ),
        (int | str, {"value:kind": "0", "value.0": "x"}, {"0": "Value is no whole number"}),
        (int | Item, {"value:kind": ""}, {"": "Value is required"}),
        (Address, {"value:json": '{"street": "a"}'}, {"": "city is required"}),
        (Address, {"value:json": "{"}, {"": "This is not JSON"}),
        (list[int], {"value:json": '[1, "x"]'}, {"": "1: Input should be a valid integer"}),
        (list[int], {f"value.{at}": "x" for at in range(101)}, {"": "0: Input should be a valid integer"}),
        (dict, {"value": "[1]"}, {"": "Input should be a valid dictionary"}),
        (Dotted, {"value:on": "on", "value.x": "1", "value.x%2Ey": "z"}, {"x%2Ey": "Input should be a valid integer"}),
    ],
)
def test_a_message_stands_where_it_belongs(annotation: Any, typed: dict[str, str], expected: dict[str, str]) -> None:
    found = messages(annotation, typed)
    assert found.keys() == expected.keys()
    for name, beginning in expected.items():
        assert found[name][0].startswith(beginning)


def test_a_problem_of_no_field_stands_above_the_form() -> None:
    def probe(width: int) -> None:
        """Probe."""

    found = forms.by_field(form_of(probe), [{"field": "colour", "message": "There is no parameter 'colour'."}])
    assert found == {"": ["There is no parameter 'colour'."]}


def test_a_task_that_says_much_is_heard_in_short() -> None:
    found = messages(list[int], {"value:json": str(["x"] * 5000).replace("'", '"')})
    assert len(found[""]) == 10
    assert found[""][-1] == "And 4,991 more problems"


def test_the_first_field_that_is_wrong_has_the_focus() -> None:
    def probe(first: str, homes: list[Address], last: int) -> None:
        """Probe."""

    form = form_of(probe)
    typed = {"homes.0.street": "a", "homes.1.street": "b", "last": "x"}
    shown = forms.shown(form, typed, {"homes.1.street": ["Too short"], "last": ["No number"]})

    def focused(entries: Any) -> list[str]:
        return [name for entry in entries for name in [*([entry.name] if entry.focus else []), *focused(entry.parts)]]

    assert focused(shown) == ["homes.1.street"]
