"""What is typed becomes JSON values; what cannot be read is handed on, or said at its field."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import EmailStr, Field, HttpUrl

from async_tasks import catalog
from async_tasks.errors import InvalidArguments
from async_tasks.web import forms
from async_tasks.web.forms import MISSING
from async_tasks.web.problems import Refused
from tests.support.form_tasks import Address, Cat, Dog, Options, Point, Size, Span
from tests.support.forms import form_of, html_of, one, probe, read


@pytest.fixture(autouse=True)
def _own_catalog() -> Iterator[None]:
    taken = catalog.snapshot()
    yield
    catalog.restore(taken)


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


@pytest.mark.parametrize(
    ("annotation", "typed", "value"),
    [
        (str, "", ""),
        (str, " two\r\nlines ", " two\nlines "),
        (int, " 5 ", 5),
        (int, "-12", -12),
        (int, "9007199254740993", 9007199254740993),
        (int, "five", "five"),
        (int, "\u0665", "\u0665"),
        (float, "2.5", 2.5),
        (float, "1e3", 1000.0),
        (float, "1e999", "1e999"),
        (float, "nan", "nan"),
        (int | float, "2", 2),
        (int | float, "2.0", 2.0),
        (Decimal, "1.10", "1.10"),
        (bool, "on", True),
        (bool | None, "1", False),
        (bool | None, "", None),
        (Literal[1, 2], "1", 2),
        (Literal[1, 2], "7", "7"),
        (Literal["a"], "anything", "a"),
        (Size, "0", "small"),
        (date, "2027-01-31", "2027-01-31"),
        (EmailStr, " a@example.com ", "a@example.com"),
        (timedelta, "1 h 30 min", "PT1H30M"),
        (timedelta, "2 days, 90s", "P2DT1M30S"),
        (timedelta, "-1.5 hours", "-PT1H30M"),
        (timedelta, "1:30:00", "1:30:00"),
        (timedelta, "3 parsecs", "3 parsecs"),
        (timedelta, "999999999999 w", "999999999999 w"),
        (dict, " {} ", {}),
        (Any, '"text"', "text"),
        (int | None, "", None),
        (str | None, "", None),
    ],
)
def test_what_is_typed_becomes_a_json_value(annotation: Any, typed: str, value: Any) -> None:
    found = read(annotation, {"value": typed})
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("annotation", [int, float, Decimal, Size, date, EmailStr, HttpUrl, datetime, timedelta, dict])
def test_an_empty_field_is_left_out(annotation: Any) -> None:
    assert read(annotation, {"value": ""}) is MISSING


@pytest.mark.parametrize("annotation", [str, int, Size, list[str], Address, Pet, int | str, dict[str, int], set[Size]])
def test_a_field_that_was_not_sent_is_left_out(annotation: Any) -> None:
    assert read(annotation, {}) is MISSING


def test_an_emptied_text_is_empty_and_an_emptied_number_has_its_default() -> None:
    assert read(str, {"value": ""}, "given") == ""
    assert read(int, {"value": ""}, 5) is MISSING
    assert read(int | None, {"value": ""}, 5) is None


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ({"value": "2027-01-31T12:00", "value:zone": "Z"}, "2027-01-31T12:00Z"),
        ({"value": "2027-01-31T12:00:01.5", "value:zone": "+05:30"}, "2027-01-31T12:00:01.5+05:30"),
        ({"value": "2027-01-31T12:00", "value:zone": "none"}, "2027-01-31T12:00"),
        ({"value": "2027-01-31T12:00+01:00", "value:zone": "Z"}, "2027-01-31T12:00+01:00"),
        ({"value": "2027-01-31T12:00", "value:zone": "moon"}, "2027-01-31T12:00"),
        ({"value": "soon", "value:zone": "Z"}, "soon"),
    ],
)
def test_a_moment_has_the_zone_beside_it(typed: dict[str, str], value: str) -> None:
    assert read(datetime, typed) == value


@pytest.mark.parametrize(
    ("annotation", "typed", "value"),
    [
        (list[str], {"value:list": ""}, []),
        (list[str], {"value.0": "a", "value.1": ""}, ["a", ""]),
        (list[int], {"value.10": "3", "value.9": "2", "value.07": "1", "value.x": "0"}, [2, 3]),
        (list[bool], {"value.0:row": "", "value.1:row": "", "value.1": "on"}, [False, True]),
        (list[str] | None, {"value:list": ""}, None),
        (list[list[int]], {"value.0:row": "", "value.0:list": "", "value.1.0": "5"}, [[], [5]]),
        (set[Size], {"value:list": "", "value.2": "on", "value.0": "on", "value.9": "on"}, ["small", "large"]),
        (set[Size], {"value:list": ""}, []),
        (Span, {"value:on": "on", "value.0": "1", "value.1": "2"}, [1, 2]),
        (Point, {"value:on": "on", "value.x": "1", "value.y": ""}, {"x": 1.0}),
        (Point, {"value.x": "1", "value.z": "5"}, {"x": 1.0}),
        (Point | None, {"value.x": "1"}, None),
        (Point | None, {"value.x": "1", "value:on": "on"}, {"x": 1.0}),
        (Options, {"value:on": "on", "value.depth": "", "value.title": "", "value.strict": ""}, {}),
        (Options, {"value:on": "on", "value.strict": "1"}, {"strict": False}),
        (dict[str, int], {"value.0.key": "a", "value.0.value": "1"}, {"a": 1}),
        (dict[Size, int], {"value.0.key": "1", "value.0.value": "1"}, {"medium": 1}),
        (Pet, {"value:kind": "1", "value.0.lives": "3", "value.1:on": "on"}, {"kind": "dog"}),
        (int | str, {"value:kind": "1", "value.0": "3", "value.1": "5"}, "5"),
        (int | str | None, {"value:kind": "", "value.0": "3"}, None),
        (Address, {"value:json": '{"a": [1]}', "value.city": "x"}, {"a": [1]}),
        (int, {"value:json": '"five"'}, "five"),
        (str | None, {"value": "", "value:empty": "value"}, ""),
        (list[str] | None, {"value:list": "", "value:empty": "value"}, []),
        (int, {"value": "", "value:empty": "value"}, MISSING),
        (int, {"value": "", "value:empty": "null"}, None),
        (str, {"value": "", "value:empty": "absent"}, MISSING),
    ],
)
def test_what_is_typed_into_many_inputs_becomes_one_value(annotation: Any, typed: dict[str, str], value: Any) -> None:
    assert read(annotation, typed) == value


@pytest.mark.parametrize(
    ("annotation", "typed", "problems"),
    [
        (dict, {"value": "{"}, {"value": "This is not JSON: Expecting property name"}),
        (list[int], {"value.0": "1", "value.1": ""}, {"value.1": "is required"}),
        (Span, {"value:on": "on", "value.0": "1"}, {"value.1": "is required"}),
        (dict[str, int], {"value.0.key": "", "value.0.value": "1"}, {"value.": "is required: give one"}),
        (
            dict[str, int],
            {"value.0.key": "a", "value.0.value": "1", "value.1.key": "a", "value.1.value": "2"},
            {"value.a": "is there twice"},
        ),
        (int | str, {"value:kind": "0", "value.0": "five"}, {"value": "is no whole number"}),
        (list[float | str], {"value.0": "x"}, {}),
    ],
)
def test_what_cannot_be_read_is_said_at_its_field(
    annotation: Any, typed: dict[str, str], problems: dict[str, str]
) -> None:
    _, found = forms.read([one(annotation)], typed)
    assert {each["field"] for each in found} == problems.keys()
    for each in found:
        assert each["message"].startswith(problems[each["field"]])


def test_all_that_can_be_read_is_read_beside_what_cannot() -> None:
    def probe(tags: dict, home: Address) -> None:
        """Probe."""

    typed = {"tags": '["a"', "home:on": "on", "home.street": "x"}
    assert forms.read(form_of(probe), typed) == (
        {"home": {"street": "x"}},
        [{"field": "tags", "message": "This is not JSON: Expecting ',' delimiter at line 1, column 5."}],
    )


HOSTILE = [
    {"value.999999999999999999999": "1"},
    {"value.-1": "1", "value.1.5": "1", "value. 1": "1", "value.٣": "1"},
    {"value" + ".0" * 10_000: "1"},
    {"value" + ".0" * 30: "1"},
    {"." * 400: "1", "": "1", ":": "1", "value:": "1", "value::list": "1", ".value": "1", "value..0": "1"},
    {"x" * 100_000: "1", "value:" + "x" * 100_000: "1"},
    {"value": "\ud800\0\ufffe", "value.0": "\0"},
    {"value:kind": "9" * 5000, "value:zone": "+99:99", "value:empty": "x", "value:on": "", "value:json": "["},
    {"value": "9" * 100_000, "value.0": "9" * 100_000, "value.0.key": "k", "value.0.value": "1e" + "9" * 50},
    {"value": "1 h " * 50_000, "value.0": "[" * 50_000},
    {"value:json": "[" * 100_000},
    {"value:json": "1" * 5000, "value.1:json": "1e999"},
    {f"value.{at}": "1" for at in range(9_000)},
    {f"value.{at}.{at}": "1" for at in range(0, 900_000, 100)},
    {"_add": "value", "_remove": "value.0", "_use": "value", "_focus": "x"},
    {"_add": "value.999999999.value"},
    {"_add": ".."},
    {"_remove": "value.5"},
    {"_remove": "value"},
    {"_remove": "."},
    {"_use": "value.0.0.0"},
    {"_use": "", "value": "x"},
    {"_add": "value:list"},
]

ANNOTATIONS = [
    str,
    int,
    float,
    bool,
    Size,
    datetime,
    timedelta,
    list[str],
    list[int],
    list[list[int]],
    list[Address],
    set[Size],
    Span,
    Address,
    Address | None,
    dict[str, int],
    dict[str, list[Point]],
    Pet,
    int | list[str] | None,
    Any,
]


@pytest.mark.parametrize("annotation", ANNOTATIONS)
def test_nonsense_that_is_sent_by_hand_does_no_harm(annotation: Any) -> None:
    spec = probe(annotation)
    form = forms.fields(spec.arguments_schema())
    for typed in HOSTILE:
        arguments, problems = forms.read(form, typed)
        assert arguments.keys() <= {"value"}
        try:
            spec.validate(arguments)
        except InvalidArguments as exc:
            problems += exc.problems
        messages = forms.by_field(form, problems, typed)
        assert bool(messages) == bool(problems)
        assert sum(map(len, messages.values())) < 1000
        for sent in (typed, forms.changed(form, typed) or {}):
            html = html_of(form, sent, messages)
            assert len(html) < 500_000
            assert html.count('class="row ') <= 103


def test_more_than_any_form_can_send_is_refused() -> None:
    typed = {f"value.{at}": "" for at in range(10_001)}
    with pytest.raises(Refused, match="more than 10,000 inputs"):
        forms.read([one(list[str])], typed)
