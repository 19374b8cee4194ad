"""What a form is filled with is read as the same value again, for every value that a task accepts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, EmailStr, Field, HttpUrl, JsonValue

from async_tasks import catalog
from async_tasks.catalog import TaskSpec
from async_tasks.web import forms
from tests.support.form_tasks import Address, Cat, Country, Dog, Folder, Item, Options, Parcel, Point, Size, Span
from tests.support.forms import html_of, probe, sent_by_browser

PROFILE = settings(max_examples=30, deadline=None, database=None, derandomize=True)


@pytest.fixture(autouse=True)
def _own_catalog() -> Iterator[None]:
    taken = catalog.snapshot()
    yield
    catalog.restore(taken)


class Login(BaseModel):
    """With a password in it."""

    name: str
    password: Annotated[str, Field(json_schema_extra={"format": "password"})]


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", " ", "5", "null", "true", '"', "a\nb", "\n", "a\r\nb", "\r", "\0", "\ufeff", "<b>&", "[1]", "{}", " x "]
)
whole = st.integers() | st.sampled_from([0, -1, 2**63, 10**40])
real = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 1.0, 1e22, 5e-324, 1e308])
zones = st.none() | st.just(UTC) | st.builds(timezone, st.timedeltas(timedelta(hours=-14), timedelta(hours=14)).map(
    lambda zone: timedelta(minutes=zone // timedelta(minutes=1))))  # fmt: skip
moment = st.datetimes(timezones=zones)
clock = st.times() | st.times(timezones=st.just(UTC))
length = st.timedeltas() | st.builds(timedelta, hours=st.integers(0, 99), minutes=st.integers(0, 99))
anything = st.recursive(
    st.none() | st.booleans() | whole | real | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
word = st.text("abc -1.~%:_é", min_size=1, max_size=8)
address = st.builds(Address, street=word, city=word, country=st.sampled_from(Country), notes=st.lists(text, max_size=3))
cat = st.builds(Cat, lives=st.integers(0, 9))
dog = st.builds(Dog, kind=st.just("dog"), tricks=st.lists(st.sampled_from(["sit", "roll", "fetch"]), max_size=3))
folder = st.recursive(
    st.builds(Folder, name=text), lambda inner: st.builds(Folder, name=text, folders=st.lists(inner, max_size=2))
)
options = st.fixed_dictionaries({}, optional={"depth": whole, "title": text, "strict": st.booleans()})

#: Annotation, its values, and defaults with which it is tried.
KINDS: dict[str, tuple[Any, st.SearchStrategy[Any], tuple[Any, ...]]] = {
    "text": (str, text, ("given",)),
    "long text": (Annotated[str, Field(json_schema_extra={"x-multiline": True})], text, ("given",)),
    "maybe text": (str | None, text | st.none(), (None, "given")),
    "integer": (int, whole, (5,)),
    "maybe integer": (int | None, whole | st.none(), (None, 5)),
    "number": (float, real, (0.5,)),
    "either number": (int | float, whole | real, (1,)),
    "decimal": (Decimal, st.decimals(allow_nan=False, allow_infinity=False), (Decimal("1.10"),)),
    "switch": (bool, st.booleans(), (True,)),
    "three places": (bool | None, st.booleans() | st.none(), (None, True)),
    "choice": (Size, st.sampled_from(Size), (Size.SMALL,)),
    "many choices": (Country | None, st.sampled_from(Country) | st.none(), (None,)),
    "mixed choices": (Literal["a", 1, None], st.sampled_from(["a", 1, None]), (None, 1)),  # noqa: PYI061 - an enum with null
    "constant": (Literal["a"], st.just("a"), ("a",)),
    "date": (date, st.dates(), (date(2027, 1, 31),)),
    "time": (time, clock, (time(8, 30),)),
    "moment": (datetime, moment, (datetime(2027, 1, 31, tzinfo=UTC),)),
    "length": (timedelta, length, (timedelta(hours=1),)),
    "email": (EmailStr, st.sampled_from(["a@example.com", "ü@exämple.com"]), ()),
    "url": (HttpUrl | None, st.sampled_from(["https://example.com/a?b=c#d"]) | st.none(), (None,)),
    "uuid": (UUID, st.uuids(), ()),
    "bytes": (bytes, text.map(str.encode), (b"",)),
    "texts": (list[str], st.lists(text, max_size=4) | st.just(["x"] * 101), (["a"],)),
    "maybe texts": (list[str] | None, st.lists(text, max_size=3) | st.none(), (None, ["a"])),
    "integers": (list[int], st.lists(whole, max_size=4), ()),
    "switches": (list[bool], st.lists(st.booleans(), max_size=4), ()),
    "set": (set[int], st.sets(whole, max_size=4), ()),
    "choices": (list[Size], st.lists(st.sampled_from(Size), max_size=4), ([Size.SMALL],)),
    "set of choices": (set[Size], st.sets(st.sampled_from(Size)), ()),
    "maybe choices": (list[Size] | None, st.lists(st.sampled_from(Size), max_size=2) | st.none(), (None,)),
    "lists": (list[list[int]], st.lists(st.lists(whole, max_size=3), max_size=3), ()),
    "moments": (list[datetime], st.lists(moment, max_size=3), ()),
    "tuple": (tuple[int, str], st.tuples(whole, text), ((1, "a"),)),
    "maybe tuple": (tuple[int, str] | None, st.tuples(whole, text) | st.none(), (None,)),
    "span": (Span, st.builds(Span, whole, whole), (Span(1, 2),)),
    "pairs": (dict[str, int], st.dictionaries(text, whole, max_size=3), ({"a": 1},)),
    "maybe pairs": (dict[str, str] | None, st.dictionaries(text, text, max_size=2) | st.none(), (None,)),
    "pairs of objects": (dict[str, Point], st.dictionaries(word, st.builds(Point, x=real, y=real), max_size=2), ()),
    "pairs of choices": (dict[Size, bool], st.dictionaries(st.sampled_from(Size), st.booleans()), ()),
    "object": (Address, address, ()),
    "maybe object": (Address | None, address | st.none(), (None,)),
    "dataclass": (Parcel, st.builds(Parcel, weight=st.floats(0.1, 30), fragile=st.booleans()), (Parcel(weight=1),)),
    "all optional": (Options, options, ({},)),
    "objects": (list[Item], st.lists(st.builds(Item, name=word, count=st.integers(1, 99)), max_size=3), ()),
    "told apart": (Annotated[Cat | Dog, Field(discriminator="kind")], cat | dog, ()),
    "maybe shapes": (Cat | Dog | None, cat | dog | st.none(), (None,)),
    "number or text": (int | str, whole | text, (5, "five")),
    "text or list": (str | list[str] | None, text | st.lists(text, max_size=3) | st.none(), (None, "a")),
    "number or word": (float | Literal["auto"], real | st.just("auto"), ("auto",)),
    "shapes in a list": (list[int | str], st.lists(whole | text, max_size=3), ()),
    "recursive": (Folder, folder, ()),
    "any": (Any, anything, (None, 5)),
    "json": (JsonValue, anything, ()),
    "free object": (dict[str, Any], st.dictionaries(text, anything, max_size=3), ({},)),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_what_a_form_is_filled_with_is_read_as_the_same_value(name: str) -> None:
    annotation, values, defaults = KINDS[name]
    for default in [(), *((each,) for each in defaults)]:
        check(probe(annotation, *default), values)


def check(spec: TaskSpec, values: st.SearchStrategy[Any]) -> None:
    form = forms.fields(spec.arguments_schema())

    @PROFILE
    @given(values)
    def round_trip(value: Any) -> None:
        arguments = spec.validate({"value": value})
        typed = forms.filled(form, arguments)
        html = html_of(form, typed)
        for sent in (typed, sent_by_browser(html)):
            read, problems = forms.read(form, sent)
            assert problems == []
            if form[0].unordered:  # a set has no order, and its boxes have one
                read, arguments = {"value": sorted(read["value"])}, {"value": sorted(arguments["value"])}
            assert same(read, arguments), (sent, html)

    round_trip()


@pytest.mark.parametrize("name", KINDS)
def test_a_default_that_was_not_touched_is_what_is_submitted(name: str) -> None:
    annotation, _, defaults = KINDS[name]
    for default in defaults:
        spec = probe(annotation, default)
        form = forms.fields(spec.arguments_schema())
        for typed in (forms.filled(form, {}), sent_by_browser(html_of(form))):
            read, problems = forms.read(form, typed)
            assert problems == []
            assert spec.validate(read) == spec.validate({})


def same(one: Any, other: Any) -> bool:
    """Whether they are the same JSON, in which 1 and 1.0 are one number."""
    return json.dumps(_plain(one)) == json.dumps(_plain(other))


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case bool() | None | str():
            return value
        case float() if value.is_integer():
            return int(value)
    return value
