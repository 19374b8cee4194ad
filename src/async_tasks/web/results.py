"""JSON values shown as what they are: text, a table, a tree. Large ones are cut, which is said.

A page is sent again with every change of its task, so what it shows is bounded, whatever the task returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from async_tasks.web.media import Media, link, media
from async_tasks.web.words import in_one_line, readable

LETTERS: Final = 20_000  # of a text
LEAF: Final = 1_000  # letters of a text within a tree or a table
NODES: Final = 400  # of a tree
ROWS: Final = 50
COLUMNS: Final = 12
DEPTH: Final = 20
#: Levels of a tree that are open at first, and how many members a level may have to be so.
OPEN_LEVELS: Final = 2
OPEN_MEMBERS: Final = 20

Kind = Literal["nothing", "text", "value", "table", "tree", "media"]


@dataclass(frozen=True, slots=True)
class Node:
    """One value within a tree; ``members`` of an object or a list, ``text`` of all else."""

    label: str  # name or index; "" at the root
    kind: str  # object, list, string, number, boolean or null
    text: str
    members: Sequence[Node] = ()
    left_out: int = 0  # members that are not shown
    open: bool = False
    link: str = ""  # where it leads, of a text that is an address


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as a template shows it."""

    kind: Kind
    text: str = ""
    root: Node | None = None
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Node | None]] = ()  # None: that row has no such member
    numeric: Sequence[bool] = ()  # by column, whether only numbers are in it
    media: Sequence[Media] = ()
    cut: str = ""  # what is not shown, in words; empty: nothing


@dataclass(slots=True)
class _Budget:
    nodes: int = NODES
    spent: bool = field(default=False)

    def take(self) -> bool:
        self.nodes -= 1
        self.spent = self.spent or self.nodes < 0
        return not self.spent


def shown(value: Any) -> Shown:
    """How a page shows a JSON value."""
    if value is None:
        return Shown("nothing")
    if found := media(value):
        return Shown("media", media=found)
    if isinstance(value, str):
        return Shown("text", _letters(value, LETTERS), cut=_cut(len(value), LETTERS, "characters"))
    if not isinstance(value, Mapping | list):
        return Shown("value", readable(value))
    if isinstance(value, list) and _is_table(value):
        return _table(value)
    budget = _Budget()
    root = _node("", value, budget, 0)
    return Shown("tree", root=root, cut="Not all of it is shown." if budget.spent else "")


def preview(value: Any) -> str:
    """A result in one short line."""
    match value:
        case None:
            return "It returned nothing."
        case "":
            return "It returned an empty text."
        case [*rows] if _is_table(rows):
            return f"{len(rows):,} row{'' if len(rows) == 1 else 's'}: {in_one_line(rows[0])}"
    if found := media(value):
        images = sum(each.kind == "image" for each in found)
        return in_one_line(value) if not images else f"{images} images" if images > 1 else "An image"
    return in_one_line(value)


def _is_table(value: list[Any]) -> bool:
    """Whether it is a list of flat objects with few names in all."""
    if not value or not all(isinstance(row, Mapping) and row for row in value):
        return False
    if any(isinstance(cell, Mapping | list) for row in value for cell in row.values()):
        return False
    return 0 < len(_names(value)) <= COLUMNS


def _names(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _table(rows: list[Mapping[str, Any]]) -> Shown:
    names = _names(rows)
    cells = [[_leaf("", row[name]) if name in row else None for name in names] for row in rows[:ROWS]]
    return Shown(
        "table",
        columns=[readable(name) for name in names],
        rows=cells,
        numeric=[all(cell is None or cell.kind == "number" for cell in column) for column in zip(*cells, strict=True)],
        cut=_cut(len(rows), ROWS, "rows"),
    )


def _node(label: str, value: Any, budget: _Budget, level: int) -> Node:
    if not isinstance(value, Mapping | list):
        return _leaf(label, value)
    kind = "object" if isinstance(value, Mapping) else "list"
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    members = []
    if level < DEPTH:
        for name, member in pairs:
            if not budget.take():
                break
            members.append(_node(readable(str(name)), member, budget, level + 1))
    else:
        budget.spent = budget.spent or bool(value)
    return Node(
        label=label,
        kind=kind,
        text=_size(kind, len(value)),
        members=members,
        left_out=len(value) - len(members),
        open=level == 0 or (level < OPEN_LEVELS and len(value) <= OPEN_MEMBERS),
    )


def _leaf(label: str, value: Any) -> Node:
    match value:
        case None:
            return Node(label, "null", "null")
        case bool():
            return Node(label, "boolean", "true" if value else "false")
        case str():
            return Node(label, "string", _letters(value, LEAF), link=link(value))
    return Node(label, "number", readable(value))


def _letters(text: str, most: int) -> str:
    return readable(text if len(text) <= most else f"{text[:most]}…")


def _size(kind: str, count: int) -> str:
    noun = {"object": "member", "list": "item"}[kind]
    return f"{count:,} {noun}{'' if count == 1 else 's'}" if count else f"empty {kind}"


def _cut(size: int, most: int, of: str) -> str:
    return f"The first {most:,} of {size:,} {of}." if size > most else ""
