"""From values to what would have been typed: to start with, and to run a task again.

Reading gives the same value back, always: what the inputs of a field cannot show stands in it as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from async_tasks.web.forms import durations, moments
from async_tasks.web.forms.field import COMPOSITE, EMPTY, LINES, MAX_ROWS, MISSING, TEXTS, Field, empty_value
from async_tasks.web.forms.reading import value_of
from async_tasks.web.forms.typed import Node, flattened


class Unfit(Exception):
    """Raised when the inputs of a field cannot show a value."""


def filled(form: Iterable[Field], arguments: Mapping[str, Any]) -> dict[str, str]:
    """What would have been typed to give those arguments; a password is left out.

    Args:
        form: its fields.
        arguments: JSON values by parameter name, as in a record; a parameter without one has its default.
    """
    nodes = {
        entry.key: with_value(entry, arguments[entry.key]) if entry.key in arguments else blank(entry) for entry in form
    }
    return flattened(Node(parts=nodes))


def with_value(entry: Field, value: Any) -> Node:
    """A field with a value in it."""
    try:
        return _fill(entry, value, exact=False)
    except Unfit:
        return _emptied(entry) if entry.secret else as_json(entry, value)


def as_json(entry: Field, value: Any) -> Node:
    """A field with a value in it that its inputs cannot show."""
    flat = not isinstance(value, dict) and not any(isinstance(item, list | dict) for item in _items(value))
    text = json.dumps(value, ensure_ascii=False, indent=None if flat else 2)
    return Node({"" if entry.kind == "json" else "json": text})


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def blank(entry: Field) -> Node:
    """A field before anything is typed: with its default, or empty and ready."""
    if entry.default is not MISSING:
        return with_value(entry, entry.default)
    node = _emptied(entry)
    if entry.kind in ("group", "tuple") and not entry.switched:
        node.marks["on"] = "on"
    elif entry.required and not entry.nullable:
        if entry.kind == "union":
            node.marks["kind"] = entry.parts[0].key
        elif entry.kind in ("list", "pairs"):
            node.parts = {str(at): new_row(entry) for at in range(min(entry.least, MAX_ROWS))}
    return node


def new_row(entry: Field) -> Node:
    """A row of a list or of pairs before anything is typed."""
    row = blank(entry.parts[0])
    row.marks["row"] = ""
    return row


def _blanks(parts: Iterable[Field]) -> dict[str, Node]:
    return {part.key: blank(part) for part in parts}


def _emptied(entry: Field) -> Node:
    match entry.kind:
        case "group" | "tuple" | "pair":
            return Node(parts=_blanks(entry.parts))  # to be there when it is switched on
        case "union":
            return Node({"kind": ""}, _blanks(entry.parts))
        case "list" | "pairs" | "choices":
            return Node({"list": ""})
        case "datetime":
            return Node({"": "", "zone": moments.UTC})
    return Node({"": ""})


def _with_nothing(entry: Field, value: Any, mark: str) -> Node:
    node = _emptied(entry)
    if type(entry.empty) is not type(value):
        node.marks["empty"] = mark
    return node


def _fill(entry: Field, value: Any, *, exact: bool) -> Node:
    # exact: not even a part of it may have to stand as JSON.
    if entry.kind == "password" or (entry.kind == "json" and entry.secret):
        return _emptied(entry)
    if value is None and entry.nullable:
        return _with_nothing(entry, None, "null")
    if entry.kind in EMPTY and _same(value, empty_value(entry)):
        return _with_nothing(entry, value, "value")
    if entry.kind in COMPOSITE:
        return _COMPOSITES[entry.kind](entry, value, exact)
    return as_json(entry, value) if entry.kind == "json" else _simple(entry, value, exact=exact)


def _part(entry: Field, value: Any, exact: bool) -> Node:
    return _fill(entry, value, exact=True) if exact else with_value(entry, value)


def _group(entry: Field, value: Any, exact: bool) -> Node:
    if not isinstance(value, dict) or not value.keys() <= {part.key for part in entry.parts}:
        raise Unfit
    if any(part.required and part.key not in value for part in entry.parts):
        raise Unfit
    parts = {
        part.key: _part(part, value[part.key], exact)
        if part.key in value
        else _with_nothing(part, MISSING, "absent")
        if part.may_be_absent
        else blank(part)
        for part in entry.parts
    }
    return Node({"on": "on"}, parts)


def _tuple(entry: Field, value: Any, exact: bool) -> Node:
    if not isinstance(value, list) or len(value) != len(entry.parts):
        raise Unfit
    filled = zip(entry.parts, value, strict=True)
    return Node({"on": "on"}, {part.key: _part(part, item, exact) for part, item in filled})


def _list(entry: Field, value: Any, exact: bool) -> Node:
    if not isinstance(value, list) or len(value) > MAX_ROWS:
        raise Unfit
    rows = {str(at): _part(entry.parts[0], item, exact) for at, item in enumerate(value)}
    for row in rows.values():
        row.marks["row"] = ""
    return Node({"list": ""}, rows)


def _pairs(entry: Field, value: Any, exact: bool) -> Node:
    if not isinstance(value, dict) or len(value) > MAX_ROWS or "" in value:
        raise Unfit
    name, content = entry.parts[0].parts
    rows = {
        # A name that its input cannot show makes the whole unfit: there is no JSON for half a pair.
        str(at): Node({"row": ""}, {"key": _fill(name, key, exact=True), "value": _part(content, item, exact)})
        for at, (key, item) in enumerate(value.items())
    }
    return Node({"list": ""}, rows)


def _union(entry: Field, value: Any, exact: bool) -> Node:
    # The shape that shows all of it, or else the one that it says it has, with a part of it as JSON.
    tried = [(shape, True) for shape in entry.parts]
    tried += [] if exact else [(shape, False) for shape in entry.parts if _is_named(shape, value)]
    for shape, wholly in tried:
        try:
            node = _fill(shape, value, exact=wholly)
        except Unfit:
            continue
        return Node({"kind": shape.key}, {**_blanks(entry.parts), shape.key: node})
    raise Unfit


def _is_named(shape: Field, value: Any) -> bool:
    names = [part for part in shape.parts if part.kind == "constant"] if shape.kind == "group" else []
    return isinstance(value, dict) and bool(names) and all(value.get(part.key) == part.choices[0] for part in names)


_COMPOSITES: Final[Mapping[str, Callable[[Field, Any, bool], Node]]] = {
    "group": _group,
    "tuple": _tuple,
    "list": _list,
    "pairs": _pairs,
    "union": _union,
}


def _simple(entry: Field, value: Any, *, exact: bool) -> Node:
    for node in _writings(entry, value):
        if exact and entry.kind in moments.SHOWABLE and not moments.SHOWABLE[entry.kind].fullmatch(node.text or ""):
            continue  # it is no date, and the shape of a date is not its own
        # A carriage return and a null do not survive a page, nor a line break in one line.
        lost = {"\r", "\0", "\n"} if entry.kind in LINES else {"\r", "\0"}
        read = value_of(entry, node)
        if lost.isdisjoint(node.text or "") and (entry.unordered or _same(read, value)):
            return node
    raise Unfit


def _writings(entry: Field, value: Any) -> Iterable[Node]:
    match entry.kind:
        case "constant":
            yield Node()
        case "checkbox":
            yield Node({"": "on"} if value else {})
        case "choice":
            yield from (Node({"": str(at)}) for at, choice in enumerate(entry.choices) if _same(choice, value))
        case "choices" if isinstance(value, list):
            chosen = [at for at, choice in enumerate(entry.choices) if any(_same(choice, item) for item in value)]
            node = Node({"list": ""}, {str(at): Node({"": "on"}) for at in chosen})
            if not entry.unordered or len(chosen) == len(value):
                yield node
        case "integer" | "number" if isinstance(value, int | float):
            yield Node({"": str(int(value)) if _is_round(value) else repr(value)})
        case _ if isinstance(value, str) and entry.kind in TEXTS:
            if entry.kind == "duration":
                yield Node({"": durations.in_words(value)})
            if entry.kind == "datetime" and (found := moments.split(value)):
                yield Node({"": found[0], "zone": found[1]})
            yield Node({"": value})


def _is_round(value: float) -> bool:
    return float(value).is_integer() and abs(value) < 1e15 and repr(value) != "-0.0"  # noqa: PLR2004


def _same(one: Any, other: Any) -> bool:
    if {type(one), type(other)} == {int, float}:
        return bool(one == other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)
