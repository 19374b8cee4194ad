"""Fields of values that are made of nothing else, by the type of a schema; and what shapes are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from async_tasks.web.forms.field import Field

Schema = Mapping[str, Any]

#: Kind of field by the ``format`` of a string; of any other format it is a ``word``.
FORMATS: Final = {
    "date": "date",
    "date-time": "datetime",
    "time": "time",
    "duration": "duration",
    "email": "email",
    "uri": "url",
    "password": "password",
    "binary": "text",
}

#: What a shape of a union is called, by the kind of its field.
_LABELS: Final = {
    "text": "Text",
    "textarea": "Text",
    "integer": "Whole number",
    "number": "Number",
    "decimal": "Number",
    "checkbox": "Yes or no",
    "choice": "Choice",
    "date": "Date",
    "datetime": "Date and time",
    "time": "Time",
    "duration": "Duration",
    "email": "Email",
    "url": "URL",
    "list": "List",
    "tuple": "List",
    "choices": "List",
    "pairs": "Names and values",
    "group": "Object",
    "json": "JSON",
}

#: Of these there are many in a list.
_PLURALS: Final = {
    "text": "text",
    "textarea": "text",
    "word": "text",
    "integer": "whole numbers",
    "number": "numbers",
    "decimal": "numbers",
    "date": "dates",
    "datetime": "moments",
    "group": "objects",
}

_WORD_LABELS: Final = {"uuid": "UUID", "path": "Path", "ipv4": "IPv4 address", "ipv6": "IPv6 address"}


def simple(entry: Field, found: Schema) -> Field:
    """The field of a value that is made of nothing else; of any other, as it was."""
    kind = found.get("type")
    if "enum" in found or "const" in found or kind == "null":
        return _choice(entry, found)
    if kind == "string":
        return replace(entry, kind=_kind_of_text(found), attributes=_attributes(found))
    if kind in ("integer", "decimal", "number"):
        return replace(entry, kind=kind, attributes=_attributes(found), whole=bool(found.get("whole")))
    if kind == "boolean" and (entry.nullable or entry.may_be_absent):
        return replace(entry, kind="choice", choices=(True, False))  # a switch has no third place
    if kind == "boolean":
        return replace(entry, kind="checkbox")
    return replace(entry, nullable=entry.nullable or entry.default is None)


def _choice(entry: Field, found: Schema) -> Field:
    choices = [None] if found.get("type") == "null" else found["enum"] if "enum" in found else [found["const"]]
    fixed = len(choices) == 1 and not entry.nullable and not entry.may_be_absent
    return replace(entry, kind="constant" if fixed else "choice", choices=tuple(choices))


def _kind_of_text(found: Schema) -> str:
    if found.get("x-multiline") or found.get("contentMediaType") == "application/json":
        return "textarea"
    return FORMATS.get(found["format"], "word") if "format" in found else "text"


def _attributes(found: Schema) -> dict[str, str]:
    verbatim = {"autocapitalize": "none", "spellcheck": "false"}
    if found.get("type") != "string":
        # Of the keyboards for numbers, some have no minus.
        lowest = found.get("minimum", found.get("exclusiveMinimum", -1))
        wanted = "numeric" if found.get("type") == "integer" else "decimal"
        return {"inputmode": wanted if lowest >= 0 else "text"}
    match found.get("format", "binary"):
        case "email":
            return {"inputmode": "email", **verbatim}
        case "uri":
            return {"inputmode": "url", **verbatim}
        case "time" | "date-time":
            return {"step": "1"}
        case "date" | "duration" | "password" | "binary":
            return {}
    return verbatim


def shape_label(part: Field, found: Schema) -> str:
    """What a shape of a union is called."""
    if part.kind == "word":
        return _WORD_LABELS.get(found.get("format", ""), "Text")
    if part.kind == "constant":
        return "Yes" if part.choices[0] is True else "No" if part.choices[0] is False else str(part.choices[0])
    if part.kind == "list":
        plural = _PLURALS.get(part.parts[0].kind)
        return f"List of {plural}" if plural else "List"
    return str(found.get("title") or _LABELS.get(part.kind, "JSON"))
