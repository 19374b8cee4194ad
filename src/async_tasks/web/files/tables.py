"""CSV as a header and rows with their numbers, counted as spreadsheets do: the header is row 1."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from async_tasks.web.files.text import Unreadable

#: Tried in this order; the one that makes most of the header known counts.
DELIMITERS: Final = (",", ";", "\t", "|")

#: Characters that are looked at for it.
HEAD: Final = 100_000

#: What some programs put first, for others: sep=;
_SEPARATOR: Final = "sep="

_QUOTING: Final = (
    "A text that holds the delimiter, a quote or a line break stands in quotes, and a quote within it is doubled"
)


class Table(NamedTuple):
    """A header, where it stands, and the rows that follow it, each with its number; blank ones are left out."""

    header: Sequence[str]
    header_row: int
    rows: Iterator[tuple[int, list[str]]]
    delimiter: str


def parsed(text: str, known: Callable[[str], bool], cell: int) -> Table:
    """The table in a text.

    Args:
        text: of the file.
        known: whether a name in the header is one of ours; it decides what the delimiter is.
        cell: the largest cell, in characters.

    Raises:
        Unreadable: if there is no header; the rows raise it where one cannot be read.
    """
    csv.field_size_limit(max(cell, csv.field_size_limit()))
    first, _, rest = text.partition("\n")
    said = first.strip().lower().startswith(_SEPARATOR) and first.strip()[len(_SEPARATOR) :]
    if said and len(said) == 1:
        return _table(rest, said, above=1)
    head = text[:HEAD]
    return _table(text, max(DELIMITERS, key=lambda each: _score(head, each, known)), above=0)


def _table(text: str, delimiter: str, above: int) -> Table:
    rows = _rows(text, delimiter, above)
    number, header = next(rows, (1, []))
    return Table([name.strip() for name in header], number, rows, delimiter)


def _score(head: str, delimiter: str, known: Callable[[str], bool]) -> tuple[int, int]:
    try:
        header = _table(head, delimiter, above=0).header
    except Unreadable:
        return 0, 0
    return sum(map(known, header)), len(header)


def _rows(text: str, delimiter: str, above: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for number in itertools.count(above + 1):
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            raise Unreadable(f"Row {number:,} cannot be read: {exc}. {_QUOTING}.") from None
        if any(cell.strip() for cell in cells):
            yield number, cells
