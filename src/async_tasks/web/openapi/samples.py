"""A value that fits a JSON Schema: its own examples and defaults first, else the plainest that its keywords allow."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

#: Formats as Pydantic names them.
_FORMATS: Final[Mapping[str, str]] = {
    "date": "2027-01-31",
    "date-time": "2027-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1M30S",
    "email": "ada@example.com",
    "name-email": "Ada <ada@example.com>",
    "uri": "https://example.com/",
    "multi-host-uri": "redis://example.com:6379/0",
    "uuid": "018f3a5e-7c1d-7a4b-9c3e-2f6d8b1a0e57",
    "uuid4": "9b2e1f64-3c5d-4e8a-b1f7-6d0c2a9e8f35",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipv4network": "192.0.2.0/24",
    "ipv6network": "2001:db8::/32",
    "ipv4interface": "192.0.2.1/24",
    "ipv6interface": "2001:db8::1/32",
    "ipvanyaddress": "192.0.2.1",
    "ipvanynetwork": "192.0.2.0/24",
    "ipvanyinterface": "192.0.2.1/24",
    "path": "folder/file.txt",
    "json-string": "{}",
    "regex": "[a-z]+",
    "binary": "text",
    "base64url": "dGV4dA==",
}

#: Tried where a text has a pattern.
_TEXTS: Final = (
    "text",
    "Text",
    "TEXT",
    "a",
    "A",
    "1",
    "12",
    "123",
    "1234",
    "12345",
    "a1",
    "A1",
    "AB",
    "abc",
    "ABC-123",
)

#: How deep a value is made that may hold itself.
_DEPTH: Final = 6


class NoSample(Exception):
    """Raised when no value is found."""


def sample(schema: Mapping[str, Any], *, whole: bool = True) -> Any:
    """A value that fits the schema, as far as keywords tell.

    Args:
        schema: references are to its own ``$defs``.
        whole: with what is optional too.

    Raises:
        NoSample: if none is found.
    """
    return _Sampler(schema.get("$defs", {}), whole=whole).value(schema, 0)


class _Sampler:
    def __init__(self, definitions: Mapping[str, Any], *, whole: bool) -> None:
        self._definitions = definitions
        self._whole = whole

    def value(self, schema: Any, depth: int) -> Any:
        if depth > _DEPTH:
            raise NoSample
        if not isinstance(schema, dict) or not schema:
            return "text"
        given = [*schema.get("examples", ()), schema.get("default"), schema.get("const"), *schema.get("enum", ())]
        for value in given:
            if value is not None and not (self._whole and value in ([], {})):
                return value
        if "$ref" in schema:
            return self.value(self._target(schema), depth + 1)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._first(schema[keyword], depth)
        if "allOf" in schema:
            return self._all(schema, depth)
        kinds = schema.get("type", "object" if "properties" in schema else "string")
        kind = kinds if isinstance(kinds, str) else next((each for each in kinds if each != "null"), "null")
        return self._makers[kind](self, schema, depth)

    def _target(self, schema: Any) -> Any:
        if not isinstance(schema, dict) or "$ref" not in schema:
            return schema
        return self._definitions.get(schema["$ref"].rpartition("/")[2], {})

    def _first(self, schemas: Iterable[Any], depth: int) -> Any:
        # The plainest first: null says nothing.
        for schema in sorted(schemas, key=lambda each: isinstance(each, dict) and each.get("type") == "null"):
            try:
                return self.value(schema, depth)
            except NoSample:
                continue
        raise NoSample

    def _all(self, schema: Mapping[str, Any], depth: int) -> Any:
        parts = [self.value(part, depth) for part in schema["allOf"]]
        if not all(isinstance(part, dict) for part in parts):
            return parts[0]
        return {name: value for part in parts for name, value in part.items()}

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        found = {}
        for name, part in schema.get("properties", {}).items():
            try:
                if name in required or self._whole:
                    found[name] = self.value(part, depth + 1)
            except NoSample:
                if name in required:
                    raise
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict) and len(found) < max(schema.get("minProperties", 0), int(self._whole)):
            key = _text(schema.get("propertyNames", {}))
            found[key] = self.value(extra, depth + 1)
        return found

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        items = [self.value(part, depth + 1) for part in schema.get("prefixItems", ())]
        number = min(max(schema.get("minItems", 0), int(self._whole)), schema.get("maxItems", math.inf))
        while "items" in schema and len(items) < number:
            item = self.value(schema["items"], depth + 1)
            items.append(_other(item, items, self._target(schema["items"])) if schema.get("uniqueItems") else item)
        return items

    _makers: Final[Mapping[str, Callable[[_Sampler, Mapping[str, Any], int], Any]]] = {
        "object": _object,
        "array": _array,
        "string": lambda _self, schema, _depth: _text(schema),
        "integer": lambda _self, schema, _depth: _integer(schema),
        "number": lambda _self, schema, _depth: _number(schema),
        "boolean": lambda *_: True,
        "null": lambda *_: None,
    }


def _other(item: Any, items: list[Any], schema: Any) -> Any:
    choices = schema.get("enum", ()) if isinstance(schema, dict) else ()
    is_free = isinstance(schema, dict) and not schema.keys() & {"enum", "const"}
    if is_free and isinstance(item, int | float) and not isinstance(item, bool):
        choices = [item + n for n in range(len(items) + 1)]
    elif is_free and isinstance(item, str):
        choices = [f"{item}{n}" for n in range(2, len(items) + 2)]
    for choice in (item, *choices):
        if choice not in items:
            return choice
    raise NoSample


def _text(schema: Mapping[str, Any]) -> str:
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    if "format" in schema:
        candidates: Iterable[str] = (_FORMATS.get(schema["format"], "text"),)
    elif "pattern" in schema:
        candidates = _TEXTS
    else:
        text = "text" * math.ceil(max(shortest, 4) / 4)
        candidates = (text[: int(min(len(text), max(shortest, 4), longest))],)
    for text in candidates:
        if shortest <= len(text) <= longest and _fits(text, schema.get("pattern")):
            return text
    raise NoSample


def _fits(text: str, pattern: str | None) -> bool:
    try:
        return pattern is None or re.search(pattern, text) is not None
    except re.error:  # of another dialect
        return False


def _integer(schema: Mapping[str, Any]) -> int:
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf) + 1)
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf) - 1)
    step = schema.get("multipleOf", 1)
    value = math.ceil(min(max(1, low), high))
    value = int(math.ceil(value / step) * step)
    if not low <= value <= high:
        value -= int(step)
    if not low <= value <= high:
        raise NoSample
    return value


def _number(schema: Mapping[str, Any]) -> float:
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    if "multipleOf" in schema:
        return float(_integer(schema) if float(schema["multipleOf"]).is_integer() else schema["multipleOf"])
    if low < 1.5 < high:  # noqa: PLR2004 - a plain number that is no whole one
        return 1.5
    if math.isfinite(low) and math.isfinite(high):
        return float((low + high) / 2)
    return float(low + 1 if math.isfinite(low) else high - 1)
