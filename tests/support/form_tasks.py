"""Tasks whose forms have a field of every kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, BaseModel, EmailStr, Field, HttpUrl
from typing_extensions import TypedDict

from async_tasks import task


class Size(StrEnum):
    """How large."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class Country(StrEnum):
    """Where a parcel can go."""

    AT = "Austria"
    BE = "Belgium"
    CH = "Switzerland"
    DE = "Germany"
    FR = "France"
    NL = "Netherlands"


class Address(BaseModel):
    """Where it is delivered."""

    street: Annotated[str, Field(min_length=1, max_length=80, examples=["Long Lane 5"])]
    city: Annotated[str, Field(min_length=1)]
    country: Country = Country.DE
    notes: list[str] = Field(default_factory=list, max_length=3)


class Item(BaseModel):
    """One line of an order."""

    name: Annotated[str, Field(min_length=1)]
    count: Annotated[int, Field(ge=1, le=99)] = 1
    gift: bool = False


@dataclass
class Parcel:
    """What it is packed in."""

    weight: Annotated[float, Field(gt=0, le=30, description="In kilograms.")]
    fragile: bool = False


class Point(TypedDict):
    """A place on a map."""

    x: float
    y: float


class Options(TypedDict, total=False):
    """All of them may be left out."""

    depth: int
    title: str
    strict: bool


class Cat(BaseModel):
    """An animal."""

    kind: Literal["cat"] = "cat"
    lives: Annotated[int, Field(ge=0, le=9)] = 9


class Dog(BaseModel):
    """Another animal."""

    kind: Literal["dog"]
    tricks: list[Literal["sit", "roll", "fetch"]] = []


class Folder(BaseModel):
    """It has others of its kind in it."""

    name: str
    folders: list[Folder] = []


class Span(NamedTuple):
    """From and to."""

    first: int
    last: int


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even: eggs are sold in pairs")
    return value


@task
def order(
    customer: EmailStr,
    address: Address,
    items: Annotated[list[Item], Field(min_length=1, max_length=5)],
    billing: Address | None = None,
    eggs: Annotated[int, Field(ge=0, le=12), AfterValidator(_even)] = 0,
    message: Annotated[str, Field(max_length=500, json_schema_extra={"x-multiline": True})] = "",
    parcel: Parcel = Parcel(weight=1.5),  # noqa: B008 - a default is what is tested
) -> dict[str, Any]:
    """Place an order.

    Args:
        customer: Who is told about it.
        items: What is sent.
        billing: Only if it is another.
        eggs: How many eggs go with it.
        message: Printed on a card.
    """
    return {"customer": customer, "address": address, "items": items, "billing": billing, "parcel": parcel}


@task
def simple(
    text: str,
    long: Annotated[str, Field(json_schema_extra={"x-multiline": True}, examples=["Two\nlines"])],
    count: Annotated[int, Field(ge=1, le=9, examples=[3])],
    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.5,
    amount: Decimal = Decimal("1.10"),
    switch: bool = True,
    maybe: bool | None = None,
    size: Size = Size.MEDIUM,
    country: Country | None = None,
    mode: Literal["fast"] = "fast",
    password: Annotated[str, Field(json_schema_extra={"format": "password"})] = "",
    note: str | None = None,
) -> dict[str, Any]:
    """Take one of each simple kind."""
    return {"text": text, "long": long, "count": count, "note": note, "letters": len(password)}


@task
def moments(
    day: date,
    at: datetime,
    daily: time = time(8, 30),
    every: timedelta = timedelta(hours=1, minutes=30),
    since: datetime = datetime(2026, 6, 1, 12, tzinfo=UTC),
    clock: datetime = datetime(2026, 6, 1, 12),  # noqa: DTZ001 - it has none
    until: date | None = None,
) -> dict[str, str]:
    """Take dates and times."""
    return {"day": str(day), "at": at.isoformat(), "since": since.isoformat(), "every": str(every)}


@task
def words(
    email: EmailStr,
    page: Annotated[HttpUrl, Field(examples=["https://example.com/"])],
    reference: UUID | None = None,
    code: Annotated[str, Field(pattern="^[A-Z]{3}$", description="Three capital letters.", examples=["ABC"])] = "ABC",
    raw: bytes = b"",
) -> dict[str, str]:
    """Take text that has a form."""
    return {"email": email, "page": str(page), "code": code}


@task
def lists(
    tags: Annotated[list[str], Field(max_length=4)],
    numbers: list[int] = [1, 2],  # noqa: B006
    sizes: set[Size] = {Size.SMALL},  # noqa: B006
    grid: list[list[int]] = [],  # noqa: B006
    span: Span = Span(1, 5),  # noqa: B008
    corner: tuple[int, str] | None = None,
    ages: dict[str, int] = {},  # noqa: B006
    days: list[date] | None = None,
) -> dict[str, Any]:
    """Take many values."""
    return {"tags": tags, "numbers": numbers, "grid": grid, "ages": ages}


@task
def shapes(
    pet: Annotated[Cat | Dog, Field(discriminator="kind")],
    either: int | str = 5,
    limit: int | Literal["auto"] | None = None,
    number: int | float = 1,  # noqa: PYI041
    target: str | list[str] | None = None,
    point: Point | None = None,
    options: Options = {},  # noqa: B006
) -> dict[str, Any]:
    """Take one of several shapes."""
    return {"pet": pet, "either": either, "limit": limit, "target": target}


@task
def free(
    folder: Folder,
    anything: Any = None,
    settings: dict[str, Any] = {},  # noqa: B006
    folders: list[Folder] = [],  # noqa: B006
) -> dict[str, Any]:
    """Take what only JSON can say."""
    return {"folder": folder, "anything": anything}
