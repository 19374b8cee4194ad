"""From what was typed to arguments.

What cannot be read is handed on as it was typed, so that the task's own validation says what is wrong with it, in the
same words as everywhere else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from async_tasks.errors import Problem
from async_tasks.web.forms import durations, moments
from async_tasks.web.forms.field import EMPTY, MISSING, PLAIN, Field, empty_value, is_number
from async_tasks.web.forms.typed import Node, parsed
from async_tasks.web.inputs import parse_json
from async_tasks.web.problems import Refused

_INTEGER: Final = re.compile(r"[+-]?\d{1,300}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,3})?", re.ASCII)

NOTHING: Final = Node()


def read(form: Iterable[Field], typed: Mapping[str, str]) -> tuple[dict[str, Any], list[Problem]]:
    """The arguments that were typed, and what could not be read at all.

    Args:
        form: its fields.
        typed: what was sent, by the names of the inputs.

    Returns:
        JSON values by parameter name, without those that were left to their defaults; and problems, each with the
        dotted path within the arguments.

    Raises:
        Refused: 413, if more was sent than a form of ours can send.
    """
    reading = Reading()
    return reading.object(form, parsed(typed), ()), reading.problems


def value_of(entry: Field, node: Node) -> Any:
    """The value of one field, whatever is wrong with it."""
    return Reading().value(entry, node, ())


Path = tuple[str, ...]


class Reading:
    """One passage through a form; ``problems`` is what could not be read."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def object(self, fields: Iterable[Field], node: Node, path: Path) -> dict[str, Any]:
        """The values of fields by key, those left out that have none."""
        read = {
            entry.key: self.value(entry, node.parts.get(entry.key, NOTHING), (*path, entry.key)) for entry in fields
        }
        return {key: value for key, value in read.items() if value is not MISSING}

    def value(self, entry: Field, node: Node, path: Path) -> Any:
        """The JSON value of one field, or MISSING."""
        if "json" in node.marks:
            return self._json(entry, node, node.marks["json"], path)
        if entry.kind == "constant":
            return entry.choices[0]
        return self._KINDS.get(entry.kind, Reading._line)(self, entry, node, path)

    def _demanded(self, entry: Field, node: Node, path: Path) -> Any:
        # Of a place in a list: there is no way to leave it out.
        known = len(self.problems)
        value = self.value(entry, node, path)
        if value is MISSING and len(self.problems) == known:
            self._wrong(path, "is required")
        return None if value is MISSING else value

    def _line(self, entry: Field, node: Node, path: Path) -> Any:  # noqa: ARG002 - as all kinds
        if node.text is None:
            return MISSING
        text = node.text.replace("\r\n", "\n") if entry.kind in PLAIN else node.text.strip()
        if entry.kind == "password":
            text = node.text
        return _of_text(entry, node, text) if text else _nothing(entry, node)

    def _checkbox(self, entry: Field, node: Node, path: Path) -> Any:  # noqa: ARG002
        return node.text is not None

    def _choice(self, entry: Field, node: Node, path: Path) -> Any:  # noqa: ARG002
        if not node.text:
            return MISSING if node.text is None and entry.default is not MISSING else _nothing(entry, node)
        chosen = node.text.strip()
        return entry.choices[int(chosen)] if is_number(chosen) and int(chosen) < len(entry.choices) else chosen

    def _choices(self, entry: Field, node: Node, path: Path) -> Any:  # noqa: ARG002
        if not node.parts and "list" not in node.marks:
            return MISSING
        chosen = [entry.choices[int(key)] for key, _ in node.rows() if int(key) < len(entry.choices)]
        return chosen or _nothing(entry, node)

    def _json_field(self, entry: Field, node: Node, path: Path) -> Any:
        return MISSING if node.text is None else self._json(entry, node, node.text, path)

    def _json(self, entry: Field, node: Node, text: str, path: Path) -> Any:
        if not text.strip():
            return _nothing(entry, node)
        try:
            return parse_json(text.strip())
        except Refused as exc:
            self._wrong(path, str(exc).replace("The body", "This", 1))
            return MISSING

    def _group(self, entry: Field, node: Node, path: Path) -> Any:
        if not _is_on(entry, node):
            return _nothing(entry, node)
        return self.object(entry.parts, node, path)

    def _tuple(self, entry: Field, node: Node, path: Path) -> Any:
        if not _is_on(entry, node):
            return _nothing(entry, node)
        return [self._demanded(part, node.parts.get(part.key, NOTHING), (*path, part.key)) for part in entry.parts]

    def _list(self, entry: Field, node: Node, path: Path) -> Any:
        rows = node.rows()
        if not rows:
            return _nothing(entry, node) if "list" in node.marks else MISSING
        return [self._demanded(entry.parts[0], row, (*path, str(at))) for at, (_, row) in enumerate(rows)]

    def _pairs(self, entry: Field, node: Node, path: Path) -> Any:
        rows = node.rows()
        if not rows:
            return _nothing(entry, node) if "list" in node.marks else MISSING
        found: dict[str, Any] = {}
        for key, row in pair_keys(entry, rows):
            if not key:
                self._wrong((*path, key), "is required: give one, or remove the row")
            elif key in found:
                self._wrong((*path, key), "is there twice: each name can have one value")
            else:
                found[key] = self._demanded(entry.parts[0].parts[1], row.parts.get("value", NOTHING), (*path, key))
        return found

    def _union(self, entry: Field, node: Node, path: Path) -> Any:
        shape = chosen_shape(entry, node)
        if shape is None:
            return MISSING if "kind" not in node.marks and entry.default is not MISSING else _nothing(entry, node)
        value = self.value(shape, node.parts.get(shape.key, NOTHING), path)
        # Another shape may take it: what was said to be a number would become a text in silence.
        if isinstance(value, str) and shape.kind in ("integer", "number"):
            self._wrong(path, f"is no {'whole number' if shape.kind == 'integer' else 'number'}")
            return MISSING
        return value

    def _wrong(self, path: Path, message: str) -> None:
        self.problems.append(Problem(field=".".join(path), message=message))

    _KINDS: Final[Mapping[str, Callable[[Reading, Field, Node, Path], Any]]] = {
        "checkbox": _checkbox,
        "choice": _choice,
        "choices": _choices,
        "json": _json_field,
        "group": _group,
        "tuple": _tuple,
        "list": _list,
        "pairs": _pairs,
        "union": _union,
    }


def pair_keys(entry: Field, rows: Iterable[tuple[str, Node]]) -> list[tuple[str, Node]]:
    """The rows of pairs with the names that were typed into them."""
    named = []
    for _, row in rows:
        key = value_of(entry.parts[0].parts[0], row.parts.get("key", NOTHING))
        named.append((key if isinstance(key, str) else "", row))
    return named


def chosen_shape(entry: Field, node: Node) -> Field | None:
    """The shape of a union that was chosen."""
    kind = node.marks.get("kind", "")
    return entry.parts[int(kind)] if is_number(kind) and int(kind) < len(entry.parts) else None


def _of_text(entry: Field, node: Node, text: str) -> Any:
    whole = entry.kind == "integer" or (entry.kind == "number" and entry.whole)
    if whole and _INTEGER.fullmatch(text):
        return int(text)
    if entry.kind == "number" and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    if entry.kind == "datetime":
        return moments.joined(text, node.marks.get("zone"))
    return durations.in_json(text) if entry.kind == "duration" else text


def _is_on(entry: Field, node: Node) -> bool:
    return "on" in node.marks or (not entry.switched and bool(node.parts))


def _nothing(entry: Field, node: Node) -> Any:
    # A value that says something else with nothing in it than its field would is marked so.
    match node.marks.get("empty"):
        case "absent":
            return MISSING
        case "null":
            return None
        case "value" if entry.kind in EMPTY:
            return empty_value(entry)
    return entry.empty
