"""What a schema demands of a field, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: What has to be typed, by kind; empty where the field itself says it.
KINDS: Final = {
    "integer": "A whole number",
    "number": "A number",
    "decimal": "A number",
    "duration": "A length of time, such as 1 h 30 min",
    "json": 'As JSON: "text" in quotes, numbers as they are, [lists] and {objects} in brackets',
}

#: The same for strings of a format.
FORMATS: Final = {
    "uuid": "A UUID",
    "path": "A path of a file",
    "ipv4": "An IPv4 address",
    "ipv6": "An IPv6 address",
    "base64": "In base64",
    "base64url": "In base64 for URLs",
}

_JSON: Final = {"object": "An object as JSON", "array": "A list as JSON"}

_COUNTED: Final = {
    "list": ("minItems", "maxItems", "row", "rows"),
    "choices": ("minItems", "maxItems", "choice", "choices"),
    "pairs": ("minProperties", "maxProperties", "row", "rows"),
}


def in_words(kind: str, schema: Mapping[str, Any]) -> str:
    """What must be typed into a field of that kind, and its bounds; empty for anything."""
    if kind in _COUNTED:
        return _counted(kind, schema)
    base = KINDS.get(kind) or FORMATS.get(schema.get("format", ""), "")
    if kind == "json":
        base = _JSON.get(schema.get("type", ""), base)
    said = [_range(schema), *_lengths(kind, schema)]
    if "multipleOf" in schema:
        said.append(f"in steps of {_number(schema['multipleOf'])}")
    found = ", ".join(part for part in said if part)
    if not base or not found:
        return base or found
    return f"{base} {found}" if found.startswith("from ") else f"{base}, {found}"


def _range(schema: Mapping[str, Any]) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f"from {_number(schema['minimum'])} to {_number(schema['maximum'])}"
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "more than",
        "maximum": "at most",
        "exclusiveMaximum": "less than",
    }
    return ", ".join(f"{text} {_number(schema[name])}" for name, text in words.items() if name in schema)


def _lengths(kind: str, schema: Mapping[str, Any]) -> list[str]:
    # A URL's and an address's own bounds are the format's business.
    if kind not in ("text", "textarea", "word", "password"):
        return []
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if least > 1 and most == least:
        return [f"exactly {least:,} characters"]
    if least > 1 and most is not None:
        return [f"{least:,} to {most:,} characters"]
    if least > 1:
        return [f"at least {least:,} characters"]
    return [f"at most {most:,} character{'' if most == 1 else 's'}"] if most is not None else []


def _counted(kind: str, schema: Mapping[str, Any]) -> str:
    lowest, highest, one, many = _COUNTED[kind]
    least, most = schema.get(lowest, 0), schema.get(highest)
    if least and least == most:
        said = f"exactly {least:,} {one if least == 1 else many}"
    elif least and most is not None:
        said = f"{least:,} to {most:,} {many}"
    elif least:
        said = f"at least {least:,} {one if least == 1 else many}"
    elif most is not None:
        said = f"at most {most:,} {one if most == 1 else many}"
    else:
        said = ""
    unique = "each once" if schema.get("uniqueItems") and kind == "list" else ""
    return ", ".join(part for part in (said, unique) if part)


def _number(value: float) -> str:
    return f"{int(value):,}" if float(value).is_integer() and abs(value) < 1e15 else str(value)  # noqa: PLR2004
