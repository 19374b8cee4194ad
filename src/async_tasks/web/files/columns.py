"""From a header to the fields of a task's form, and from a row to arguments, read as what is typed into the form is.

A column is called like a parameter, or by a dotted path to a part of one: ``text``, ``person.name``, ``tags.0``,
``labels.colour``. What has no column of its own is given as JSON in a cell. An empty cell is no value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from async_tasks.errors import Problem
from async_tasks.web.forms.field import COMPOSITE, MISSING, PLAIN, TEXTS, Field, is_number
from async_tasks.web.forms.reading import Path, Reading
from async_tasks.web.forms.typed import Node
from async_tasks.web.inputs import parse_json
from async_tasks.web.problems import Refused

WORDS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "yes", "y", "on", "1", "x"), True),
    **dict.fromkeys(("false", "no", "n", "off", "0"), False),
}


class Step(NamedTuple):
    """One step on the way to a value: the field, and its key there; of a pair, its name."""

    entry: Field
    key: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column whose name was understood."""

    name: str
    number: int
    steps: Sequence[Step]

    @property
    def path(self) -> str:
        """As problems have it."""
        return ".".join(step.key for step in self.steps)

    def put(self, root: Node, text: str) -> None:
        """Type a cell into the form."""
        node = root
        for step in self.steps:
            if step.entry.kind == "pair":
                row = node.parts.setdefault(str(self.number), Node())
                row.parts["key"] = Node({"": step.key})
                node = row.parts.setdefault("value", Node())
                continue
            node = node.parts.setdefault(step.key, Node())
            if step.entry.kind in ("group", "tuple"):
                node.marks["on"] = "on"
        last = self.steps[-1].entry
        node.marks.update(_marks(last.parts[1] if last.kind == "pair" else last, text))


class Columns:
    """The columns of one file, and what is wrong with its header."""

    def __init__(self, fields: Sequence[Field], header: Sequence[str]) -> None:
        self.fields = fields
        self.columns: list[Column | None] = []
        self.wrong: list[tuple[str, str]] = []  # names of columns, and what is wrong with them
        seen: dict[str, str] = {}
        for at, name in enumerate(header):
            steps = steps_to(fields, name) if name else None
            column = Column(name, at, steps) if steps else None
            self.columns.append(column)
            if column is None and name:
                self.wrong.append((name, _unknown(fields, name)))
            elif column is not None and column.path in seen:
                self.wrong.append((name, f"is there twice: {seen[column.path]!r} is the same. Remove one of them"))
            elif column is not None:
                seen[column.path] = name
        given = {column.steps[0].key for column in self.columns if column}
        for entry in fields:
            if entry.required and entry.kind != "constant" and entry.key not in given:
                self.wrong.append((entry.key, "is missing, and the task needs it: add a column of that name"))
        self._names = {column.path: column.name for column in self.columns if column}

    def arguments(self, cells: Sequence[str]) -> tuple[dict[str, Any], list[Problem]]:
        """The arguments of a row, and what of it could not be read."""
        if len(cells) != len(self.columns):
            right = "quote texts that hold the delimiter, and give every row as many cells"
            message = f"has {len(cells):,} cells, and the header {len(self.columns):,}: {right}"
            return {}, [Problem(field="", message=message)]
        root = Node()
        problems = []
        for at, (column, text) in enumerate(zip(self.columns, cells, strict=True), 1):
            if not text.strip():
                continue
            if column is None:
                problems.append(Problem(field=f"column {at}", message="has no name in the header, and must be empty"))
            else:
                column.put(root, text)
        reading = _Cells()
        return reading.object(self.fields, root, ()), problems + reading.problems

    def name_of(self, path: str) -> str:
        """The column that a problem belongs to, by the path within the arguments."""
        tried = path
        while tried:
            if tried in self._names:
                return self._names[tried]
            tried = tried.rpartition(".")[0]
        return path


class _Cells(Reading):
    """A row as if it had been typed, but that what has no cell is left to its default."""

    def object(self, fields: Iterable[Field], node: Node, path: Path) -> dict[str, Any]:
        given = [entry for entry in fields if entry.key in node.parts or entry.kind == "constant"]
        return super().object(given, node, path)

    def _json(self, entry: Field, node: Node, text: str, path: Path) -> Any:  # noqa: ARG002 - as all kinds
        try:
            return parse_json(text.strip())
        except Refused as exc:
            reason = str(exc).removeprefix("The body ").rstrip(".")
            self._wrong(path, f"must be JSON in the cell{_such(entry)}, or have columns of its own ({reason})")
            return MISSING


def steps_to(fields: Sequence[Field], name: str) -> list[Step] | None:
    """The way to what a column is called, or None if there is nothing of that name."""
    end = len(name)
    while end > 0:
        entry = _called(fields, name[:end])
        if entry is not None:
            here = Step(entry, entry.key)
            if end == len(name):
                return [here]
            inner = _inside(entry, name[end + 1 :])
            return [here, *inner] if inner else None
        end = name.rfind(".", 0, end)
    return None


def _inside(entry: Field, rest: str) -> list[Step] | None:
    if entry.kind == "group":
        return steps_to(entry.parts, rest)
    if entry.kind == "pairs":
        pair = entry.parts[0]
        return [Step(pair, rest)] if pair.parts[1].kind not in COMPOSITE else None
    if entry.kind in ("list", "tuple"):
        at, _, left = rest.partition(".")
        part = entry.part(at)
        if part is None or not is_number(at):
            return None
        if not left:
            return [Step(part, at)]
        inner = _inside(part, left)
        return [Step(part, at), *inner] if inner else None
    return None


def _called(fields: Sequence[Field], name: str) -> Field | None:
    plain = _plain(name)
    exact = next((entry for entry in fields if entry.key == name), None)
    return exact or next((entry for entry in fields if plain in (_plain(entry.key), _plain(entry.label))), None)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def _unknown(fields: Sequence[Field], name: str) -> str:
    known = [each.name for each in described(fields)]
    near = get_close_matches(name[:100], known, n=2)
    if near:
        return f"is no parameter of the task. Did you mean {' or '.join(map(repr, near))}?"
    names = ", ".join(map(repr, known[:20]))
    return f"is no parameter of the task. Remove it; the columns may be {names}" if known else "The task takes none."


def _marks(entry: Field, text: str) -> dict[str, str]:
    """A cell as the form sends it."""
    word = WORDS.get(text.strip().lower())
    if entry.kind == "checkbox":
        return {"json": json.dumps(text.strip() if word is None else word)}
    if entry.kind in ("choice", "constant"):
        for same in (str, str.casefold):
            for choice in entry.choices:
                if same(_said(choice)) == same(text.strip()) or (isinstance(choice, bool) and choice is word):
                    return {"json": json.dumps(choice)}
        return {"json": json.dumps(text.strip())}
    if entry.kind in ("json", "union"):
        # What is no JSON is a text; which of the shapes it has is for the task to say.
        with suppress(Refused):
            parse_json(text.strip())
            return {"json": text}
        return {"json": json.dumps(text)}
    return {"json": text} if entry.kind in COMPOSITE or entry.kind == "choices" else {"": text}


def _such(entry: Field) -> str:
    """A value as it may look, if one is known."""
    example = entry.example
    if example is MISSING and entry.kind == "list":
        row = entry.parts[0]
        plain = [1, 2] if row.kind in ("integer", "number") else ["one", "two"] if row.kind in TEXTS else MISSING
        example = plain if row.example is MISSING else [row.example]
    return "" if example is MISSING else f", such as {json.dumps(example, ensure_ascii=False)}"


def _said(choice: Any) -> str:
    return choice if isinstance(choice, str) else json.dumps(choice)


class Described(NamedTuple):
    """A column that a file may have, for people."""

    name: str
    words: str
    required: bool


def described(fields: Sequence[Field]) -> list[Described]:
    """The columns that a file may have."""
    return list(_described(fields, "", needed=True))


def _described(fields: Iterable[Field], path: str, *, needed: bool) -> Iterator[Described]:
    for entry in fields:
        name = f"{path}{entry.key}"
        required = needed and entry.required
        if entry.kind == "group":
            yield from _described(entry.parts, f"{name}.", needed=required)
            continue
        words = [entry.help.strip().rstrip("."), entry.bounds.rstrip(".")]
        if entry.kind in COMPOSITE or entry.kind in ("choices", "json"):
            words.append(f"JSON{_such(entry)}")
        elif entry.kind == "choice":
            words.append("one of " + ", ".join(map(_said, entry.choices)))
        elif entry.kind == "checkbox":
            words.append("yes or no")
        elif entry.kind in PLAIN and not entry.bounds:
            words.append("text")
        if not entry.required and entry.default is not MISSING:
            words.append(f"{json.dumps(entry.default, ensure_ascii=False)} where the cell is empty")
        yield Described(name, ". ".join(word[:1].upper() + word[1:] for word in words if word), required)
