"""Forms without JavaScript: a button that adds a row, takes one away or uses an example sends the whole form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from async_tasks.web.forms.field import MISSING, Field, unescaped
from async_tasks.web.forms.filling import new_row, with_value
from async_tasks.web.forms.showing import FOCUS
from async_tasks.web.forms.typed import Node, flattened, parsed

ADD: Final = "_add"
REMOVE: Final = "_remove"
USE: Final = "_use"


def changed(form: Sequence[Field], typed: Mapping[str, str]) -> dict[str, str] | None:
    """What was typed with that change made, where one of those buttons was used.

    Args:
        form: its fields.
        typed: what was sent.

    Returns:
        All that was typed, with the change and with where the visitor goes on; None if the form was submitted.
    """
    root = parsed(typed)
    whole = Field(key="", label="", kind="group", parts=form)
    if (path := typed.get(ADD)) is not None:
        focus = _add(whole, root, path)
    elif (path := typed.get(REMOVE)) is not None:
        focus = _remove(whole, root, path)
    elif (path := typed.get(USE)) is not None:
        focus = _use(whole, root, path)
    else:
        return None
    return {**flattened(root), FOCUS: focus}


def _find(entry: Field, node: Node, path: str) -> tuple[Field, Node] | None:
    """The field at a path, and what was typed into it."""
    for part in path.split("."):
        key = unescaped(part)
        inner = entry.part(key)
        if inner is None or (entry.kind in ("list", "pairs") and key not in node.parts):
            return None
        entry, node = inner, node.parts.setdefault(key, Node())
    return entry, node


def _add(whole: Field, root: Node, path: str) -> str:
    found = _find(whole, root, path)
    if found is None or found[0].kind not in ("list", "pairs") or "json" in found[1].marks:
        return ""
    entry, node = found
    rows = node.rows()
    if entry.most is not None and len(rows) >= entry.most:
        return path
    at = int(rows[-1][0]) + 1 if rows else 0
    node.parts[str(at)] = new_row(entry)
    return f"{path}.{at}"


def _remove(whole: Field, root: Node, path: str) -> str:
    parent, _, at = path.rpartition(".")
    found = _find(whole, root, parent) if parent else None
    if found is None or found[0].kind not in ("list", "pairs") or at not in found[1].parts:
        return ""
    node = found[1]
    place = [key for key, _ in node.rows()].index(at)
    del node.parts[at]
    left = [key for key, _ in node.rows()]
    # On to the row that follows, or to the one before.
    return f"{parent}.{left[min(place, len(left) - 1)]}" if left else parent


def _use(whole: Field, root: Node, path: str) -> str:
    found = _find(whole, root, path)
    if found is None or found[0].example is MISSING:
        return ""
    entry, node = found
    fresh = with_value(entry, entry.example)
    kept = {mark: node.marks[mark] for mark in ("row",) if mark in node.marks}
    node.marks, node.parts = {**fresh.marks, **kept}, fresh.parts
    return path
