"""Tasks with every kind of parameter that a schema can tell, for what is generated from schemas."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, EmailStr, Field, HttpUrl
from typing_extensions import TypedDict

from async_tasks import task


class Colour(Enum):
    """A choice of texts."""

    RED = "red"
    GREEN = "green"


class Level(IntEnum):
    """A choice of numbers."""

    LOW = 1
    HIGH = 9


class Address(BaseModel):
    """Where somebody lives."""

    model_config = ConfigDict(extra="forbid")

    street: Annotated[str, Field(min_length=1, max_length=40, examples=["Long Lane 5"])]
    country: Annotated[str, Field(pattern="^[A-Z]{2}$", examples=["NL"])] = "NL"


class Person(BaseModel):
    """Somebody, with others."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=40)]
    born: date | None = None
    addresses: Annotated[list[Address], Field(max_length=3)] = []
    friends: Annotated[list[Person], Field(max_length=2)] = []


class Cat(BaseModel):
    """One branch of a union that tells its branches apart."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["cat"]
    lives: Annotated[int, Field(ge=0, le=9)]


class Dog(BaseModel):
    """The other."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["dog"]
    tricks: Annotated[set[Literal["sit", "roll", "fetch"]], Field(max_length=3)]


class Point(TypedDict):
    """A dict with known names."""

    x: float
    y: float


class Bill(BaseModel):
    """What ``price`` returns."""

    total: Decimal
    due: date
    to: Person | None


@task
def remind(
    on: date,
    at: datetime,
    every: timedelta,
    reference: UUID,
    daily: time = time(8, 30),
) -> dict[str, str]:
    """Take every kind of moment.

    Args:
        on: The day.
    """
    return {
        "on": on.isoformat(),
        "at": at.isoformat(),
        "daily": daily.isoformat(),
        "every": str(every),
    }


@task
def price(
    person: Person,
    amount: Annotated[Decimal, Field(examples=["12.50"])],
    due: date = date(2027, 1, 31),
) -> Bill:
    """Take nested models and decimals."""
    return Bill(total=amount, due=due, to=person)


@task
def choose(
    colour: Colour = Colour.RED,
    level: Level = Level.LOW,
    size: Literal["s", "m", 1] | None = "m",
    switch: bool = False,
) -> tuple[str, int]:
    """Take choices."""
    return colour.value, level.value


@task
def unite(
    pet: Annotated[Cat | Dog, Field(discriminator="kind")],
    value: int | list[int] | None = None,
    ratio: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] = "auto",
) -> Cat | Dog:
    """Take unions."""
    return pet


@task
def contact(email: EmailStr, homepage: HttpUrl | None = None) -> str:
    """Take addresses."""
    return str(homepage or email)


@task
def plot(
    points: Annotated[list[Point], Field(min_length=1, max_length=5)],
    labels: Annotated[dict[str, int], Field(max_length=3)],
    pair: tuple[int, str],
    step: Annotated[int, Field(multiple_of=5, ge=5, le=100)] = 5,
) -> list[Point]:
    """Take collections."""
    return points


@task(name="Odd.name-of_it")
def oddly_named(value: Any = None) -> Any:
    """Have a name with signs in it."""
    return value
