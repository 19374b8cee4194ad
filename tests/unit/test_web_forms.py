"""Forms are made from schemas: every annotation has its field, and docs/forms.md says which."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import pytest
from pydantic import BaseModel, EmailStr, HttpUrl
from pydantic import Field as F  # noqa: N817 - it stands in every row of a table
from typing_extensions import TypedDict

from async_tasks import catalog
from async_tasks.web import forms
from tests.support.form_tasks import Address, Cat, Dog, Folder, Options, Parcel, Point, Size, Span
from tests.support.forms import form_of, html_of, one, probe

DOCS = Path(__file__).parents[2] / "docs" / "forms.md"


class Level(NamedTuple):
    """A tuple with names."""

    name: str
    height: float = 1


class Dotted(BaseModel):
    """Names that paths are made of otherwise."""

    a: Annotated[int, F(alias="a.b:c~%")]
    b: Annotated[int, F(alias="_csrf")] = 2


class Left(BaseModel):
    """Refers to one that refers to it."""

    right: Right | None = None


class Right(BaseModel):
    """Refers to one that refers to it."""

    left: Left
    name: str


Left.model_rebuild()


class Login(TypedDict):
    """With a password in it."""

    name: str
    password: Annotated[str, F(json_schema_extra={"format": "password"})]


@pytest.fixture(autouse=True)
def _own_catalog() -> Iterator[None]:
    taken = catalog.snapshot()
    yield
    catalog.restore(taken)


#: The rows of the table in docs/forms.md: what is written in a signature, and the field that comes of it.
DOCUMENTED = {
    "str": "text",
    'Annotated[str, Field(json_schema_extra={"x-multiline": True})]': "textarea",
    'Annotated[str, Field(json_schema_extra={"format": "password"})]': "password",
    "int": "integer",
    "float": "number",
    "int | float": "number",
    "Decimal": "decimal",
    "bool": "checkbox",
    "bool | None": "choice",
    "Literal": "choice",
    "Enum": "choice",
    "Literal of one value": "constant",
    "date": "date",
    "time": "time",
    "datetime": "datetime",
    "timedelta": "duration",
    "EmailStr": "email",
    "HttpUrl": "url",
    "UUID": "word",
    "Path": "word",
    "IPv4Address": "word",
    "bytes": "text",
    "list[X]": "list",
    "set[X]": "list",
    "tuple[X, ...]": "list",
    "list or set of Literal or Enum": "choices",
    "tuple[X, Y]": "tuple",
    "NamedTuple": "tuple",
    "dict[str, X]": "pairs",
    "Pydantic model": "group",
    "dataclass": "group",
    "TypedDict": "group",
    "X | Y": "union",
    "Any": "json",
    "dict": "json",
    "refers to itself": "json",
}

ANNOTATIONS: list[tuple[Any, str]] = [
    (str, "text"),
    (Annotated[str, F(json_schema_extra={"x-multiline": True})], "textarea"),
    (Annotated[str, F(json_schema_extra={"format": "password"})], "password"),
    (int, "integer"),
    (Annotated[int, F(ge=1)] | None, "integer"),
    (float, "number"),
    (int | float, "number"),
    (Decimal, "decimal"),
    (Decimal | None, "decimal"),
    (bool, "checkbox"),
    (bool | None, "choice"),
    (Size, "choice"),
    (Size | None, "choice"),
    (Literal["a", "b"], "choice"),
    (Literal["a"], "constant"),
    (None, "constant"),
    (date, "date"),
    (time, "time"),
    (datetime, "datetime"),
    (timedelta, "duration"),
    (EmailStr, "email"),
    (HttpUrl, "url"),
    (HttpUrl | None, "url"),
    (UUID, "word"),
    (Path, "word"),
    (bytes, "text"),
    (list[str], "list"),
    (set[int], "list"),
    (frozenset[int], "list"),
    (tuple[int, ...], "list"),
    (list[Address], "list"),
    (list[list[int]], "list"),
    (list[bool], "list"),
    (list[int | str], "list"),
    (list[int] | None, "list"),
    (list[Size], "choices"),
    (set[Literal["a", "b"]], "choices"),
    (tuple[int, str], "tuple"),
    (Level, "tuple"),
    (Span | None, "tuple"),
    (dict[str, int], "pairs"),
    (dict[Size, int], "pairs"),
    (dict[int, str], "pairs"),
    (dict[Annotated[str, F(pattern="^a")], int], "pairs"),
    (dict[str, list[str]], "pairs"),
    (dict[str, int] | None, "pairs"),
    (Address, "group"),
    (Address | None, "group"),
    (Parcel, "group"),
    (Point, "group"),
    (Options, "group"),
    (Folder, "group"),
    (Annotated[Cat | Dog, F(discriminator="kind")], "union"),
    (Cat | Dog | None, "union"),
    (int | str, "union"),
    (date | str, "union"),
    (float | Literal["auto"], "union"),
    (str | list[str], "union"),
    (Any, "json"),
    (list[Any], "json"),
    (dict, "json"),
    (dict[str, Any], "json"),
    (list, "json"),
    (int | Any, "union"),
]


@pytest.mark.parametrize(("annotation", "kind"), ANNOTATIONS)
def test_every_annotation_has_its_kind_of_field(annotation: Any, kind: str) -> None:
    assert one(annotation).kind == kind


def test_every_kind_is_in_the_documentation() -> None:
    rows = re.findall(r"^\| (.+?) \| `(\w+)` \|", DOCS.read_text(), re.MULTILINE)
    assert {re.sub(r"`|\\", "", left): kind for left, kind in rows} == DOCUMENTED
    assert {kind for _, kind in ANNOTATIONS} <= set(DOCUMENTED.values())


def test_a_field_says_what_the_signature_says() -> None:
    def resize(
        max_width: Annotated[int, F(ge=16, le=4096, examples=[640])] = 256,
        color: Size = Size.MEDIUM,
        title: Annotated[str, F(min_length=2, max_length=2000)] = "new",
        *,
        tags: list[str] | None = None,
        sure: bool = True,
    ) -> None:
        """Resize.

        Args:
            max_width: How wide at most.
        """

    form = {entry.key: entry for entry in form_of(resize)}

    assert list(form) == ["max_width", "color", "title", "tags", "sure"]
    width = form["max_width"]
    assert (width.label, width.help, width.default, width.example) == ("Max width", "How wide at most.", 256, 640)
    assert width.bounds == "A whole number from 16 to 4,096"
    assert not width.required
    assert form["color"].choices == ("small", "medium", "large")
    assert form["title"].bounds == "2 to 2,000 characters"
    assert (form["tags"].nullable, form["tags"].default) == (True, None)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "A whole number"),
        (Annotated[int, F(gt=0, lt=10)], "A whole number, more than 0, less than 10"),
        (Annotated[int, F(multiple_of=5)], "A whole number, in steps of 5"),
        (Annotated[float, F(ge=0.5)], "A number, at least 0.5"),
        (Annotated[Decimal, F(ge=0, le=1_000_000)], "A number from 0 to 1,000,000"),
        (Annotated[str, F(min_length=3, max_length=3)], "exactly 3 characters"),
        (Annotated[str, F(min_length=2)], "at least 2 characters"),
        (Annotated[str, F(max_length=1)], "at most 1 character"),
        (Annotated[str, F(min_length=1)], ""),
        (Annotated[str, F(pattern="^x$")], ""),
        (HttpUrl, ""),
        (UUID, "A UUID"),
        (timedelta, "A length of time, such as 1 h 30 min"),
        (Annotated[list[str], F(min_length=1, max_length=3)], "1 to 3 rows"),
        (Annotated[list[str], F(min_length=1)], "at least 1 row"),
        (Annotated[list[str], F(min_length=2, max_length=2)], "exactly 2 rows"),
        (set[int], "each once"),
        (Annotated[list[Size], F(max_length=1)], "at most 1 choice"),
        (Annotated[dict[str, int], F(max_length=9)], "at most 9 rows"),
        (dict, "An object as JSON"),
        (list[Any], "A list as JSON"),
    ],
)
def test_bounds_are_said_in_words(annotation: Any, words: str) -> None:
    assert one(annotation).bounds == words


def test_a_nested_object_has_the_labels_of_its_properties_and_their_help() -> None:
    group = one(Address | None, None)
    assert [part.label for part in group.parts] == ["Street", "City", "Country", "Notes"]
    assert group.switched
    assert not one(Address).switched
    assert one(Options).part("strict").kind == "choice", "a switch cannot be left out"  # type: ignore[union-attr]


def test_the_shapes_of_a_union_have_names_to_choose_by() -> None:
    assert [part.label for part in one(Cat | Dog).parts] == ["Cat", "Dog"]
    shapes = one(int | str | Literal[True] | list[int] | UUID | None).parts
    assert [part.label for part in shapes] == ["Whole number", "Text", "Yes", "List of whole numbers", "UUID"]
    twice = one(Annotated[str, F(max_length=1)] | Annotated[str, F(min_length=9)]).parts
    assert [part.label for part in twice] == ["Text", "Text (2)"]


@pytest.mark.parametrize(
    "annotation", [Folder, list[Folder], Right, Left | None, dict[str, Folder], dict, dict[str, Any], list[Any]]
)
def test_what_only_json_can_say_has_an_example_that_the_task_accepts(annotation: Any) -> None:
    spec = probe(annotation)
    found = []

    def look(entry: forms.Field) -> None:
        found.extend([entry] if entry.kind == "json" else [])
        for part in entry.parts:
            look(part)

    (entry,) = forms.fields(spec.arguments_schema())
    look(entry)
    assert found
    if entry.kind == "json":
        spec.validate({"value": entry.example})
    assert all(each.example is not forms.MISSING for each in found)


def test_a_schema_that_grows_without_end_makes_a_form_with_an_end() -> None:
    models: list[Any] = [int]
    for level in range(12):
        inner = models[-1]
        namespace = {"__annotations__": {f"field_{at}": inner for at in range(4)}, "__module__": __name__}
        models.append(type(f"Level{level}", (BaseModel,), namespace))
    count = 0

    def look(entry: forms.Field) -> None:
        nonlocal count
        count += 1
        for part in entry.parts:
            look(part)

    entry = one(models[-1])
    look(entry)
    assert count < 1000
    assert len(html_of([entry])) < 1_000_000


def test_names_with_dots_and_colons_do_not_get_into_each_others_way() -> None:
    entry = one(Dotted)
    typed = forms.filled([entry], {"value": {"a.b:c~%": 5, "_csrf": 6}})
    assert forms.read([entry], typed) == ({"value": {"a.b:c~%": 5, "_csrf": 6}}, [])
    assert not any(name.startswith("_") for name in typed)


def test_a_password_is_never_sent_back() -> None:
    def probe_login(
        login: Login,
        logins: list[Login],
        either: Login | int,
        named: dict[str, Login],
        code: Annotated[str, F(json_schema_extra={"format": "password"})] = "default-secret",
    ) -> None:
        """Take passwords everywhere."""

    form = form_of(probe_login)
    login = {"name": "ada", "password": "s3cret"}
    many = {
        "login": login,
        "logins": [login],
        "either": login,
        "named": {"a": login},
        "code": "s3cret",
    }
    for arguments in (many, {**many, "logins": [login] * 200, "login": "s3cret", "named": {"": login}}):
        typed = forms.filled(form, arguments)
        assert "s3cret" not in str(typed)

    names = [*forms.filled(form, many), *forms.filled(form, {}), "login:json", "logins:json"]
    names += [f"logins.{at}.password" for at in range(150)]
    typed = {name: "s3cret" for name in names if name.endswith(("password", "code", ":json"))}
    for sent in (typed, {name: text for name, text in typed.items() if "json" not in name}):
        assert "s3cret" not in html_of(form, {**sent, "either:kind": "0"})
    assert "default-secret" not in html_of(form)
