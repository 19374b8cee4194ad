"""A file as what would be submitted, or as everything that is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from async_tasks.catalog import TaskSpec
from async_tasks.engine import App
from async_tasks.errors import InvalidArguments, PayloadTooLarge, Problem
from async_tasks.submission import MAX_BATCH, Entry
from async_tasks.submission.entry import checked
from async_tasks.web.files import objects, tables
from async_tasks.web.files.columns import Columns, steps_to
from async_tasks.web.files.text import Unreadable, decoded
from async_tasks.web.forms import Field
from async_tasks.web.problems import Refused

#: Problems that are told; all are counted.
MAX_PROBLEMS: Final = 100
#: Rows that are shown as they will be submitted.
SHOWN: Final = 10
#: Rows after which others get their turn: a web process serves everybody from one thread.
TURN: Final = 50

#: Files that are JSON whatever they begin with.
_JSON: Final = (".json", ".jsonl", ".ndjson")


class Wrong(NamedTuple):
    """One thing wrong with one row, line or item."""

    place: int
    column: str  # or the path within an object; "" for the whole
    message: str
    given: str = ""  # what stands in the cell


@dataclass(slots=True)
class Contents:
    """What is in a file.

    Attributes:
        unit: what its places are: ``Row``, ``Line`` or ``Item``.
        strict: whether values must have the types of the schema, as JSON can say them.
        arguments: of each task, as they were given.
        first: of the first tasks, as they will be submitted, defaults filled in.
        count: of rows.
        wrong: what is wrong, the first of it.
        wrong_count: all of it.
        wrong_rows: rows with something wrong.
    """

    unit: str
    strict: bool
    arguments: list[dict[str, Any]] = field(default_factory=list)
    first: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    wrong: list[Wrong] = field(default_factory=list)
    wrong_count: int = 0
    wrong_rows: int = 0

    def refuse(self, problems: Sequence[Wrong]) -> None:
        """Note what is wrong in one place."""
        self.wrong_rows += 1
        self.wrong_count += len(problems)
        self.wrong += problems[: MAX_PROBLEMS - len(self.wrong)]


def read(app: App, spec: TaskSpec, fields: Sequence[Field], raw: bytes, filename: str) -> Contents:
    """Read and check every row; nothing is submitted.

    Args:
        app: the engine's application.
        spec: of the task.
        fields: of its form.
        raw: the file.
        filename: as the visitor calls it.

    Raises:
        Unreadable: if the file as a whole cannot be taken.
    """
    text = decoded(raw)
    begins = text.lstrip()[:1]
    if begins == "[":
        return _objects(app, spec, Contents("Item", strict=True), objects.elements(text))
    if begins == "{" or filename.lower().endswith(_JSON):
        return _objects(app, spec, Contents("Line", strict=True), objects.lines(text))
    return _table(app, spec, fields, text)


def _table(app: App, spec: TaskSpec, fields: Sequence[Field], text: str) -> Contents:
    table = tables.parsed(text, lambda name: bool(steps_to(fields, name)), app.settings.max_payload_bytes)
    columns = Columns(fields, table.header)
    found = Contents("Row", strict=False)
    if columns.wrong:
        # Every row would have the same wrong with it.
        found.refuse([Wrong(table.header_row, name, message) for name, message in columns.wrong])
        return found
    for place, cells in _bounded(table.rows):
        found.count += 1
        arguments, unread = columns.arguments(cells)
        problems = _take(app, spec, found, arguments, unread)
        if problems:
            given = dict(zip(table.header, cells, strict=False))
            named = [(columns.name_of(each["field"]), each["message"]) for each in problems]
            found.refuse([Wrong(place, name, message, given.get(name, "")) for name, message in named])
    return _not_empty(found, "There is a header and no row below it: each row is a task.")


def _objects(app: App, spec: TaskSpec, found: Contents, values: Iterator[tuple[int, Any]]) -> Contents:
    for place, value in _bounded(values):
        found.count += 1
        if isinstance(value, Refused):
            words = str(value).removeprefix("It ").rstrip(".")
            found.refuse([Wrong(place, "", f"{words}. Give one object a line, or all in one array")])
        elif not isinstance(value, dict):
            found.refuse([Wrong(place, "", "must be a JSON object: the arguments by name")])
        elif problems := _take(app, spec, found, value, []):
            found.refuse([Wrong(place, each["field"], each["message"]) for each in problems])
    return _not_empty(found, "There is nothing in it: each object is a task.")


def _take(
    app: App, spec: TaskSpec, found: Contents, arguments: dict[str, Any], unread: Sequence[Problem]
) -> list[Problem]:
    """Add the arguments of a task; what is wrong with them, if anything is."""
    problems = list(unread)
    if any(not problem["field"] for problem in problems):
        return problems
    try:
        values, _ = checked(app, Entry(spec.name, arguments), strict=found.strict)
    except InvalidArguments as exc:
        # What could not be read is missing only because of that.
        named = {problem["field"] for problem in problems}
        return problems + [problem for problem in exc.problems if problem["field"] not in named]
    except PayloadTooLarge as exc:
        return [*problems, Problem(field="", message=str(exc))]
    if not problems:
        found.arguments.append(arguments)
        if len(found.first) < SHOWN:
            found.first.append(values)
    return problems


def _bounded(values: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    for count, value in enumerate(values):
        if count == MAX_BATCH:
            raise Unreadable(f"The file holds more than {MAX_BATCH:,} rows, which is what one batch takes: split it.")
        if count % TURN == 0:
            time.sleep(0)
        yield value


def _not_empty(found: Contents, words: str) -> Contents:
    if not found.count:
        raise Unreadable(words)
    return found
