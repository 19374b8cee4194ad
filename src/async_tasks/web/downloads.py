"""The results of a batch as a file, entry by entry in its order, without holding more than a few of them.

A file says what was known when each part of it was read; whether the batch had finished when it began is the
caller's to say. CSV is for spreadsheets: what would be a formula there is marked as a text. NDJSON is exact.
"""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from async_tasks.queries import Row

Parts = Iterable[Sequence[Row]]

#: Columns that arguments and results may fill; what is left is put into one more, as JSON.
MAX_COLUMNS: Final = 200
#: Objects within objects that have columns of their own; deeper ones are JSON in a cell.
MAX_DEPTH: Final = 4

FIRST: Final = ("index", "id", "state")
LAST: Final = ("error.type", "error.message")
#: What found no column: there were too many, or it came after the first line was sent.
MORE: Final = "more"

#: What spreadsheets run, and people call a text: CSV's other dangers are quoted.
_FORMULA: Final = re.compile(r"[=+\-@\t\r\n]")
_NUMBER: Final = re.compile(r"[+-]?\d+([.,]\d+)?", re.ASCII)


def ndjson(parts: Parts) -> Iterator[bytes]:
    """A line an entry, as :func:`described` has it."""
    for rows in parts:
        yield b"".join(
            json.dumps(described(row), ensure_ascii=False).encode("utf-8", "replace") + b"\n" for row in rows
        )
        time.sleep(0)  # others of this process get their turn


def described(row: Row) -> dict[str, Any]:
    """An entry as callers see it; ``state`` is null where there is no record (any more)."""
    record = row.record
    return {
        "index": row.index,
        "id": row.id,
        "state": None if record is None else str(record.state),
        "args": None if record is None else record.args,
        "result": None if record is None else record.result,
        "error": record and record.error,
    }


def table(read: Callable[[], Parts], *, final: bool) -> Iterator[bytes]:
    """CSV with a header, in UTF-8 with a mark by which spreadsheets know it.

    Args:
        read: begins to read the batch. It is read twice: what columns there are is known at its end.
        final: whether it had finished before.
    """
    columns = _columns(read())
    known = frozenset(columns)
    more = (MORE,) if not final or len(columns) == MAX_COLUMNS else ()
    yield b"\xef\xbb\xbf" + _lines([[guarded(name) for name in (*FIRST, *columns, *LAST, *more)]])
    width = len(FIRST) + len(columns) + len(LAST) + len(more)
    for rows in read():
        yield _lines([_cells(row, columns, known)[:width] for row in rows])
        time.sleep(0)


def _columns(parts: Parts) -> list[str]:
    found: dict[str, None] = {}
    for rows in parts:
        for row in rows:
            if len(found) < MAX_COLUMNS:
                found.update(dict.fromkeys(_flat(row)))
        time.sleep(0)
    # The arguments first, whatever came first.
    return sorted(list(found)[:MAX_COLUMNS], key=lambda name: not name.startswith("args"))


def _cells(row: Row, columns: Sequence[str], known: frozenset[str]) -> list[str]:
    values = _flat(row)
    error = (row.record and row.record.error) or {"type": None, "message": None}
    more = {name: value for name, value in values.items() if name not in known}
    return [
        str(row.index),
        _cell(row.id),
        str(row.record.state) if row.record else "",
        *(_cell(values.get(name)) for name in columns),
        _cell(error["type"]),
        _cell(error["message"]),
        _cell(more or None),
    ]


def _flat(row: Row) -> dict[str, Any]:
    """Arguments and result by the names of their columns."""
    if row.record is None:
        return {}
    found: dict[str, Any] = {}
    _flatten("args", row.record.args, found, MAX_DEPTH)
    if row.record.result is not None:
        _flatten("result", row.record.result, found, MAX_DEPTH)
    return found


def _flatten(name: str, value: Any, found: dict[str, Any], depth: int) -> None:
    if isinstance(value, Mapping) and value and depth:
        for key, inner in value.items():
            _flatten(f"{name}.{key}", inner, found, depth - 1)
    elif value != {} or name == "result":
        found[name] = value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return guarded(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    lines = io.StringIO(newline="")
    csv.writer(lines).writerows(rows)
    return lines.getvalue().encode("utf-8", "replace")
