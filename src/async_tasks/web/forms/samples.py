"""A value made from a schema, to show how the JSON of a field may look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from async_tasks.web.forms.field import MISSING

Schema = Mapping[str, Any]

_TEXTS: Final = {
    "date": "2027-01-31",
    "date-time": "2027-01-31T12:00:00Z",
    "time": "12:00:00",
    "duration": "PT1H30M",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "uuid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "base64": "aGVsbG8=",
    "path": "folder/file.txt",
}

#: Rows and characters that a sample is made of at most.
_LONGEST: Final = 20

#: A sample of more values shows nobody anything.
_MOST: Final = 100


def sample(part: Schema, definitions: Mapping[str, Schema]) -> Any:
    """A JSON value that fits the schema as far as can be told, or MISSING where it would be too much to read."""
    maker = _Maker(definitions)
    made = maker.value(part, frozenset())
    return MISSING if maker.made > _MOST else made


class _Maker:
    """Makes one sample; ``opened`` are the definitions that a part stands in: what refers to itself is shown once."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self.definitions = definitions
        self.made = 0

    def value(self, part: Schema, opened: frozenset[str]) -> Any:
        self.made += 1
        name = str(part.get("$ref", "")).rpartition("/")[2]
        if self.made > _MOST or name in opened:
            return None
        if name:
            opened |= {name}
            part = {**self.definitions.get(name, {}), **{key: value for key, value in part.items() if key != "$ref"}}
        known = [*part.get("examples", ())[:1], part.get("const"), part.get("default"), *part.get("enum", ())[:1]]
        said = [value for value in known if value not in (None, [], {})]
        if said:
            return said[0]
        options = part.get("anyOf") or part.get("oneOf") or part.get("allOf")
        if options:
            ending = [option for option in options if not _leads_back(option, opened)]
            return self.value(ending[0], opened) if ending else None
        return self._of_type(part, opened)

    def _of_type(self, part: Schema, opened: frozenset[str]) -> Any:
        match part.get("type"):
            case "integer" | "number":
                return _number(part)
            case "boolean":
                return True
            case "null":
                return None
            case "array":
                return self._array(part, opened)
            case "object":
                return self._object(part, opened)
        text = _TEXTS.get(part.get("format", ""), "text")
        return text.ljust(min(part.get("minLength", 0), _LONGEST), ".")[: part.get("maxLength")]

    def _array(self, part: Schema, opened: frozenset[str]) -> list[Any]:
        places = [self.value(place, opened) for place in part.get("prefixItems", ())]
        items = part.get("items")
        if isinstance(items, Mapping) and not _leads_back(items, opened):
            rows = min(max(part.get("minItems", 0) - len(places), 1), _LONGEST)
            places += [self.value(items, opened) for _ in range(rows)]
        return places

    def _object(self, part: Schema, opened: frozenset[str]) -> dict[str, Any]:
        required = part.get("required", ())
        found = {
            key: self.value(inner, opened)
            for key, inner in part.get("properties", {}).items()
            if key in required or not _leads_back(inner, opened)
        }
        content = next(iter(part.get("patternProperties", {}).values()), part.get("additionalProperties"))
        if not found and content is not False:
            found["name"] = self.value(content, opened) if isinstance(content, Mapping) else "text"
        return found


def _leads_back(part: Any, opened: frozenset[str]) -> bool:
    if isinstance(part, Mapping):
        if str(part.get("$ref", "")).rpartition("/")[2] in opened:
            return True
        return any(_leads_back(value, opened) for value in part.values())
    return isinstance(part, list) and any(_leads_back(value, opened) for value in part)


def _number(part: Schema) -> Any:
    if "minimum" in part:
        return part["minimum"]
    if "exclusiveMinimum" in part:
        return part["exclusiveMinimum"] + 1
    if "maximum" in part:
        return min(1, part["maximum"])
    return min(1, part["exclusiveMaximum"] - 1) if "exclusiveMaximum" in part else part.get("multipleOf", 1)
