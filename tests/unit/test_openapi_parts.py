"""Parts of the OpenAPI document: names that cannot collide, schemas moved among them, samples that fit."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator
from pydantic import AnyUrl, BaseModel, EmailStr, Field, TypeAdapter

from async_tasks.web.openapi.names import adopted, component, encode
from async_tasks.web.openapi.samples import NoSample, sample


@pytest.mark.parametrize("name", ["add", "my.tasks_2.add", "a-b", "a--b", "a/b {c}", "näh 👩", "-2D", "\ud800"])
def test_any_name_becomes_one_of_a_component(name):
    assert re.fullmatch(r"[a-zA-Z0-9._-]+", encode(name))


def test_other_names_become_other_components():
    parts = ["a", "b", "-", "--", "-2D", "a-", "-b", "a--b", "2D", "A", "é", "_", "."]
    made = {component(one, other) for one in parts for other in parts}
    assert len(made) == len(parts) ** 2
    assert not made & {component(part) for part in parts}
    assert component("add", "Record") == "add--Record"


class Node(BaseModel):
    value: int
    nodes: list[Node] = []


def test_definitions_become_components_that_refer_to_each_other():
    found = adopted(Node.model_json_schema(), "grow", "Arguments")
    assert list(found) == ["grow--Arguments", "grow--Arguments--Node"]
    assert found["grow--Arguments"] == {"$ref": "#/components/schemas/grow--Arguments--Node"}
    node = found["grow--Arguments--Node"]
    assert node["properties"]["nodes"]["items"] == {"$ref": "#/components/schemas/grow--Arguments--Node"}


def test_only_references_are_rewritten():
    data = {"$ref": "#/$defs/A", "$defs": 1}
    schema = {
        "$defs": {"A": {"const": data}, "B/c~": {"type": "null"}},
        "properties": {
            "default": {"$ref": "#/$defs/A", "description": "#/$defs/A"},
            "$ref": {"type": "string", "default": data, "examples": [data], "enum": [data]},
            "odd": {"anyOf": [{"$ref": "#/$defs/B~1c~0"}, {"$ref": "#"}, {"$ref": "https://example.com/#/$defs/A"}]},
            "part": {"$ref": "#/$defs/A/properties/x"},
        },
        "discriminator": {"propertyName": "kind", "mapping": {"#/$defs/A": "#/$defs/A"}},
        "x-own": data,
    }
    found = adopted(schema, "t")
    place = "#/components/schemas/"
    own = found["t"]
    assert own["properties"]["default"] == {"$ref": f"{place}t--A", "description": "#/$defs/A"}
    assert own["properties"]["$ref"] == schema["properties"]["$ref"]
    targets = [each["$ref"] for each in own["properties"]["odd"]["anyOf"]]
    assert targets == [f"{place}t--B-2Fc-7E", f"{place}t", "https://example.com/#/$defs/A"]
    assert own["properties"]["part"] == {"$ref": f"{place}t--A/properties/x"}
    assert own["discriminator"]["mapping"] == {"#/$defs/A": f"{place}t--A"}
    assert own["x-own"] == data
    assert found["t--A"] == {"const": data}
    assert "$defs" not in own
    assert "$defs" in schema, "the task's own schema is not touched"


@pytest.mark.parametrize(
    ("shown", "kept"),
    [
        ({}, True),
        ({"default": "2027-01-31T12:00:00Z"}, True),
        ({"default": "2027-01-31T12:00:00+01:00"}, True),
        ({"default": "2027-01-31T12:00:00"}, False),
        ({"examples": ["2027-01-31T12:00:00Z", "2027-01-31T12:00:00"]}, False),
        ({"default": None}, True),
    ],
    ids=str,
)
def test_a_format_is_told_only_of_what_has_it(shown, kept):
    (found,) = adopted({"type": "string", "format": "date-time", **shown}, "t").values()
    assert ("format" in found, "pattern" in found) == (kept, not kept)
    Draft202012Validator(found).validate("2027-01-31T12:00:00")
    (found,) = adopted({"type": "string", "format": "date", "default": "2027-01-31"}, "t").values()
    assert found["format"] == "date"


class Size(Enum):
    S = "s"
    M = "m"


class Item(BaseModel):
    name: Annotated[str, Field(min_length=3, max_length=5)]
    size: Size = Size.M
    tags: dict[str, int] = {}


@pytest.mark.parametrize(
    "kind",
    [
        int,
        float,
        bool,
        str,
        None,
        Any,
        date,
        datetime,
        time,
        timedelta,
        Decimal,
        UUID,
        Size,
        Item,
        Node,
        EmailStr,
        AnyUrl,
        IPv4Address,
        bytes,
        list[Item],
        set[int],
        tuple[int, str, bool],
        dict[str, list[float]],
        int | None,
        Literal["a", 2],
        Annotated[int, Field(ge=10, le=20)],
        Annotated[int, Field(lt=-5)],
        Annotated[int, Field(multiple_of=7)],
        Annotated[int, Field(multiple_of=7, ge=15, le=22)],
        Annotated[float, Field(gt=0, lt=0.5)],
        Annotated[float, Field(ge=100)],
        Annotated[float, Field(le=-100)],
        Annotated[float, Field(multiple_of=0.5)],
        Annotated[str, Field(min_length=30)],
        Annotated[str, Field(max_length=2)],
        Annotated[str, Field(pattern="^[0-9]{4}$")],
        Annotated[list[int], Field(min_length=3)],
        Annotated[set[str], Field(min_length=3)],
        Annotated[set[Size], Field(min_length=2)],
        Annotated[str, Field(examples=["first", "second"])],
        Annotated[dict[str, int], Field(min_length=1)],
    ],
    ids=str,
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_sample_fits_its_schema_and_is_taken(kind, whole):
    adapter = TypeAdapter(kind)
    schema = adapter.json_schema()
    value = sample(schema, whole=whole)
    Draft202012Validator(schema).validate(value)
    adapter.validate_python(value)


def test_a_sample_is_what_the_author_shows():
    schema = {"properties": {"a": {"examples": [5]}, "b": {"default": 6}, "c": {"type": "integer"}}, "required": ["a"]}
    assert sample(schema) == {"a": 5, "b": 6, "c": 1}
    assert sample(schema, whole=False) == {"a": 5}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^(?=unlikely)[a-z]{40}$"},
        {"type": "string", "pattern": "("},
        {"type": "integer", "minimum": 2, "maximum": 3, "multipleOf": 7},
        {"$ref": "#/$defs/A", "$defs": {"A": {"required": ["a"], "properties": {"a": {"$ref": "#/$defs/A"}}}}},
        {"type": "array", "items": {"const": 1}, "minItems": 2, "uniqueItems": True},
    ],
    ids=str,
)
def test_where_no_sample_is_found_none_is_made_up(schema):
    with pytest.raises(NoSample):
        sample(schema)


def test_no_task_is_loaded_with_the_module():
    program = "import sys, async_tasks.web.docs, async_tasks.web.openapi; print('async_tasks.builtin' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
