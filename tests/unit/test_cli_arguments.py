"""Arguments of a command line by the schema of a task."""

from __future__ import annotations

from datetime import date
from enum import Enum, IntEnum, StrEnum
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from async_tasks import catalog, task
from async_tasks.catalog.branches import takes_text
from async_tasks.ops.arguments import choices, parse_arguments


class Size(StrEnum):
    SMALL = "small"
    ONE = "1"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Mixed(Enum):
    ONE = 1
    TWO = "two"


class Point(BaseModel):
    x: int


@pytest.fixture
def spec():
    taken = catalog.snapshot()

    @task(name="typed")
    def typed(
        text: str,
        maybe: str | None,
        day: date,
        size: Size,
        maybe_size: Size | None,
        word: Literal["yes", "no"],
        number: int,
        either: int | str,
        level: Level,
        mixed: Mixed,
        flag: bool,
        maybe_flag: bool | None,
        items: list[str],
        point: Point,
        anything: Any,
    ) -> None:
        """Take everything."""

    yield catalog.get("typed")
    catalog.restore(taken)


TEXTS = {"text", "maybe", "day", "size", "maybe_size", "word"}


def test_text_is_taken_as_it_stands_and_anything_else_as_json(spec):
    schema = spec.arguments_schema()
    assert {name for name, part in schema["properties"].items() if takes_text(part, schema)} == TEXTS
    typed = dict.fromkeys(schema["properties"], "1")
    parsed = parse_arguments(spec, [f"{name}={value}" for name, value in typed.items()], None)
    assert parsed == {name: "1" if name in TEXTS else 1 for name in typed}
    pairs = ["maybe=null", "items=[1", "unknown=2", 'either="2"', "point={}", "flag=on"]
    assert parse_arguments(spec, pairs, None) == {
        "maybe": "null",
        "items": "[1",
        "unknown": 2,
        "either": "2",
        "point": {},
        "flag": "on",
    }


def test_choices_are_given_where_there_are_only_so_many(spec):
    schema = spec.arguments_schema()
    assert {name: found for name, part in schema["properties"].items() if (found := choices(part, schema))} == {
        "size": ["small", "1"],
        "maybe_size": ["small", "1"],
        "word": ["yes", "no"],
        "level": ["1", "2"],
        "mixed": ["1", "two"],
        "flag": ["true", "false"],
        "maybe_flag": ["true", "false"],
    }
