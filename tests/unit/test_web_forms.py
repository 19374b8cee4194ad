"""Forms are made from schemas, and what is typed becomes arguments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, EmailStr, Field, HttpUrl

from async_tasks import catalog, task
from async_tasks.errors import InvalidArguments
from async_tasks.web import forms


class Color(Enum):
    """A colour."""

    red = "red"
    blue = "blue"


class Address(BaseModel):
    """Where somebody lives."""

    street: str


@pytest.fixture(autouse=True)
def _own_catalog() -> Iterator[None]:
    taken = catalog.snapshot()
    yield
    catalog.restore(taken)


def form_of(function: Any) -> dict[str, forms.Field]:
    """The fields of a function's form by name."""
    task(function)
    return {entry.name: entry for entry in forms.fields(catalog.get(function.__name__).arguments_schema())}


def one(annotation: Any, *default: Any) -> forms.Field:
    """The field of one parameter."""

    def probe(value: Any) -> None:
        """Probe."""

    probe.__annotations__["value"] = annotation
    probe.__defaults__ = default or None
    return form_of(probe)["value"]


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (str, "text"),
        (Annotated[str, Field(json_schema_extra={"x-multiline": True})], "textarea"),
        (int, "integer"),
        (float, "number"),
        (Decimal, "decimal"),
        (bool, "checkbox"),
        (bool | None, "select"),
        (Color, "select"),
        (Color | None, "select"),
        (Literal["a", "b"], "select"),
        (Literal["a"], "select"),
        (date, "date"),
        (datetime, "datetime-local"),
        (EmailStr, "email"),
        (HttpUrl, "url"),
        (HttpUrl | None, "url"),
        (Annotated[int, Field(ge=1)] | None, "integer"),
        (Decimal | None, "decimal"),
        (list[str], "json"),
        (dict[str, int], "json"),
        (Address, "json"),
        (Address | None, "json"),
        (int | str, "json"),
        (Any, "json"),
    ],
)
def test_every_type_has_its_kind_of_field(annotation: Any, kind: str) -> None:
    assert one(annotation).kind == kind


def test_a_field_says_what_the_signature_says() -> None:
    def resize(
        max_width: Annotated[int, Field(ge=16, le=4096, examples=[640])] = 256,
        color: Color = Color.blue,
        title: Annotated[str, Field(min_length=2, max_length=2000)] = "new",
        *,
        tags: list[str] | None = None,
        sure: bool = True,
    ) -> None:
        """Resize.

        Args:
            max_width: How wide at most.
        """

    form = form_of(resize)

    assert list(form) == ["max_width", "color", "title", "tags", "sure"]
    width = form["max_width"]
    assert (width.label, width.help, width.initial, width.example) == ("Max width", "How wide at most.", "256", "640")
    assert width.bounds == "at least 16, at most 4096"
    assert not width.required
    assert form["color"].choices == ["red", "blue"]
    assert form["color"].initial == "1"
    assert form["title"].bounds == "at least 2 characters, at most 2,000 characters"
    assert form["tags"].initial == ""
    assert form["sure"].initial == "on"


def test_a_default_with_a_zone_is_shown_as_the_input_takes_it() -> None:
    assert one(datetime, datetime.fromisoformat("2027-01-31T12:00:00+00:00")).initial == "2027-01-31T12:00:00"


@pytest.mark.parametrize(
    ("annotation", "typed", "value"),
    [
        (str, "", ""),
        (str, " two\r\nlines ", " two\nlines "),
        (int, " 5 ", 5),
        (int, "-12", -12),
        (int, "five", "five"),
        (float, "2.5", 2.5),
        (float, "1e3", 1000.0),
        (float, "nan", "nan"),
        (Decimal, "1.10", "1.10"),
        (bool, None, False),
        (bool, "on", True),
        (Literal[1, 2], "1", 2),
        (Literal[1, 2], "7", "7"),
        (Color, "0", "red"),
        (bool | None, "1", False),
        (date, "2027-01-31", "2027-01-31"),
        (list[int], " [1, 2] ", [1, 2]),
        (EmailStr, " a@example.com ", "a@example.com"),
    ],
)
def test_what_is_typed_becomes_a_json_value(annotation: Any, typed: str | None, value: Any) -> None:
    read = one(annotation).read(typed)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize("annotation", [int, float, Decimal, Color, date, list[int], EmailStr, HttpUrl])
def test_an_empty_field_is_left_out(annotation: Any) -> None:
    assert one(annotation).read("") is forms.MISSING


def test_an_optional_text_left_empty_has_its_default() -> None:
    assert one(str, "given").read("") is forms.MISSING


def test_a_large_whole_number_stays_exact() -> None:
    assert one(int).read("9007199254740993") == 9007199254740993


def test_json_that_cannot_be_read_is_said_at_its_field() -> None:
    def probe(tags: list[str], home: Address) -> None:
        """Probe."""

    form = list(form_of(probe).values())

    arguments, problems = forms.read(form, {"tags": '["a"', "home": '{"street": "x"}'})

    assert arguments == {"home": {"street": "x"}}
    assert problems == [{"field": "tags", "message": "This is not JSON: Expecting ',' delimiter at line 1, column 5."}]


def test_messages_stand_at_their_fields_as_sentences() -> None:
    def probe(width: int, homes: list[Address]) -> None:
        """Probe."""

    form = list(form_of(probe).values())
    with pytest.raises(InvalidArguments) as refused:
        catalog.get("probe").validate({"homes": [{}], "colour": 1})

    messages = forms.by_field(form, refused.value.problems)

    assert messages["width"] == ["Width is required"]
    assert messages["homes"] == ["0.street is required"]
    assert messages[""][0].startswith("There is no parameter 'colour'.")
