"""Forms from schemas: the fields of a task's arguments, and the arguments from what was typed.

What was typed is handed on as it is wherever it cannot be read, so that the task's own validation says what is
wrong with it, in the same words as everywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from async_tasks.errors import Problem
from async_tasks.web.inputs import parse_json
from async_tasks.web.problems import Refused
from async_tasks.web.words import readable

Schema = Mapping[str, Any]

#: Kind of field by the ``format`` of a string.
FORMATS: Final = {
    "date": "date",
    "date-time": "datetime-local",
    "time": "time",
    "email": "email",
    "uri": "url",
    "password": "password",
}

#: Kinds for which empty is no value; of all others it is the empty text.
NEVER_EMPTY: Final = frozenset(
    {"integer", "number", "decimal", "select", "json", "date", "datetime-local", "time", "email", "url"}
)

#: What a message begins with that speaks of its field without naming it.
VERBS: Final = frozenset({"is", "must", "has", "takes", "cannot"})

_INTEGER = re.compile(r"[+-]?\d{1,300}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d{1,200}(\.\d{0,200})?|\.\d{1,200})([eE][+-]?\d{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter of a task as a field of its form.

    Attributes:
        name: the parameter's name.
        label: for people.
        help: what the schema says about it.
        kind: ``text``, ``textarea``, ``integer``, ``number``, ``decimal``, ``checkbox``, ``select``, ``json``, or
            an input type of HTML (``date``, ``datetime-local``, ``time``, ``email``, ``url``, ``password``).
        required: whether it has no default.
        initial: what stands in it before anything is typed.
        bounds: what the schema demands beyond the type, in words.
        example: a value as it may look.
        attributes: of the HTML element.
        choices: of a ``select``: JSON values in order, each sent as its number.
    """

    name: str
    label: str
    help: str
    kind: str
    required: bool
    initial: str = ""
    bounds: str = ""
    example: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    choices: Sequence[Any] = ()

    def read(self, typed: str | None) -> Any:  # noqa: PLR0911 - one for each kind
        """The JSON value of what was typed; None typed: the field was not sent."""
        if self.kind == "checkbox":
            return typed is not None
        if typed is None or (not typed and (not self.required or self.kind in NEVER_EMPTY)):
            return MISSING
        text = typed.strip() if self.kind in NEVER_EMPTY else typed.replace("\r\n", "\n")
        match self.kind:
            case "select" if text in map(str, range(len(self.choices))):
                return self.choices[int(text)]
            case "integer" if _INTEGER.fullmatch(text):
                return int(text)
            case "number" if _NUMBER.fullmatch(text):
                return float(text)
            case "json":
                return parse_json(text)
        return text


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


#: Of a field that was left to its default.
MISSING: Final = _Missing()


def fields(schema: Schema) -> list[Field]:
    """The fields of a form from the JSON Schema of a task's arguments, in the order of the parameters."""
    required = schema.get("required", ())
    definitions = schema.get("$defs", {})
    return [
        _field(name, _resolved(part, definitions), required=name in required)
        for name, part in schema.get("properties", {}).items()
    ]


def read(form: Iterable[Field], typed: Mapping[str, str]) -> tuple[dict[str, Any], list[Problem]]:
    """The arguments that were typed, by name, and what could not be read at all."""
    arguments: dict[str, Any] = {}
    problems: list[Problem] = []
    for entry in form:
        try:
            value = entry.read(typed.get(entry.name))
        except Refused as exc:
            problems.append({"field": entry.name, "message": str(exc).replace("The body", "This", 1)})
            continue
        if value is not MISSING:
            arguments[entry.name] = value
    return arguments, problems


def by_field(form: Iterable[Field], problems: Iterable[Problem]) -> dict[str, list[str]]:
    """Sentences by the name of the field that they belong to; "" for those that belong to none."""
    labels = {entry.name: entry.label for entry in form}
    found: dict[str, list[str]] = {}
    for problem in problems:
        name, _, inner = problem["field"].partition(".")
        subject = inner or labels.get(name) or problem["field"]
        where = name if name in labels else ""
        found.setdefault(where, []).append(_sentence(subject, problem["message"]))
    return found


def _sentence(subject: str, message: str) -> str:
    first, _, _ = message.partition(" ")
    if first in VERBS:
        return f"{subject} {message}"
    return message[:1].upper() + message[1:]


def _resolved(part: Schema, definitions: Mapping[str, Schema]) -> dict[str, Any]:
    """The schema with its reference followed, and ``X | None`` as X that is ``nullable``."""
    found = dict(part)
    while reference := found.pop("$ref", None):
        found = {**definitions.get(reference.rpartition("/")[2], {}), **found}
    options = [option for option in found.get("anyOf", ()) if option.get("type") != "null"]
    nullable = len(options) < len(found.get("anyOf", ()))
    if "anyOf" in found and _is_decimal(options):
        inner: Schema = {**options[0], "type": "decimal"}
    elif "anyOf" in found and len(options) == 1:
        inner = _resolved(options[0], definitions)
    else:
        inner = {}
    if inner or nullable:
        rest = {name: value for name, value in found.items() if name != "anyOf" or not inner}
        found = {**inner, **rest, "nullable": nullable}
    return found


def _is_decimal(options: Sequence[Schema]) -> bool:
    return len(options) == 2 and [option.get("type") for option in options] == ["number", "string"]  # noqa: PLR2004


def _field(name: str, part: Schema, *, required: bool) -> Field:
    kind = _kind(part)
    choices = part["enum"] if "enum" in part else [part["const"]] if "const" in part else ()
    if kind == "select" and not choices:
        choices = [True, False]  # bool | None: a switch has no third place
    examples = part.get("examples") or ()
    return Field(
        name=name,
        label=str(part.get("title") or name),
        help=str(part.get("description", "")),
        kind=kind,
        required=required,
        initial=_initial(kind, part.get("default"), choices),
        bounds=_bounds(part),
        example="" if not examples else readable(examples[0]),
        attributes=_attributes(kind, part),
        choices=choices,
    )


def _kind(part: Schema) -> str:
    if "enum" in part or "const" in part:
        return "select"
    match part.get("type"):
        case "string" if part.get("x-multiline"):
            return "textarea"
        case "string":
            return FORMATS.get(part.get("format", ""), "text")
        case "integer" | "number" | "decimal" as kind:
            return str(kind)
        case "boolean":
            return "select" if part.get("nullable") else "checkbox"
    return "json"


def _initial(kind: str, default: Any, choices: Sequence[Any]) -> str:
    if kind == "select":
        return str(choices.index(default)) if default in choices else ""
    if kind == "checkbox":
        return "on" if default else ""
    if default is None or kind == "password":
        return ""
    if kind == "datetime-local":
        try:
            return datetime.fromisoformat(str(default)).replace(tzinfo=None).isoformat(timespec="seconds")
        except ValueError:
            return ""
    return readable(default)


def _bounds(part: Schema) -> str:
    words = {
        "minimum": "at least {}",
        "exclusiveMinimum": "more than {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "less than {}",
        "multipleOf": "in steps of {}",
    }
    said = [text.format(part[name]) for name, text in words.items() if name in part]
    if part.get("format") not in ("uri", "email"):  # theirs is the format's own business
        shortest, longest = part.get("minLength", 0), part.get("maxLength")
        if shortest > 1:
            said.append(f"at least {shortest} characters")
        if longest is not None:
            said.append(f"at most {longest:,} characters")
    return ", ".join(said)


def _attributes(kind: str, part: Schema) -> dict[str, str]:
    found: dict[str, str] = {}
    if kind == "integer":
        found["inputmode"] = "numeric" if part.get("minimum", -1) >= 0 else "text"
    elif kind in ("number", "decimal"):
        found["inputmode"] = "decimal"
    elif kind == "datetime-local":
        found["step"] = "1"
    elif kind in ("date", "time"):
        found |= {html: str(part[name]) for html, name in (("min", "minimum"), ("max", "maximum")) if name in part}
    return found
