"""Pages of records through any filters, and counts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, Final, TypedDict, Unpack

from async_tasks.engine import App
from async_tasks.errors import InvalidOption
from async_tasks.ledger import Count, Page, Record, Segment, State
from async_tasks.ledger.filters import Filter

#: Seconds that a page may spend on looking for what the filters leave; then it ends early, with a cursor.
BUDGET: Final = 0.5

#: Records that a search for a text reads at a time, at least.
SEARCHED_AT_ONCE: Final = 200

#: Records that a count looks through at a time.
COUNTED_AT_ONCE: Final = 1000

#: Digits that no number of a record has, in this world.
LONGEST_CURSOR: Final = 16


class Filters(TypedDict, total=False):
    """Which records are meant; what is absent or None does not matter."""

    state: State | None
    name: str | None  # of the task
    queue: str | None
    worker: str | None  # that claimed it last
    submitted_by: str | None
    batch_id: str | None
    fingerprint: str | None  # of the error of what has failed
    q: str | None  # text in arguments, result or error, whatever the case
    since: int | None  # not older than that, milliseconds since the epoch
    until: int | None  # not newer than that


def page(app: App, *, limit: int = 50, cursor: str | None = None, **filters: Unpack[Filters]) -> Page:
    """A page of history, newest first. Pages do not shift when tasks are submitted meanwhile.

    Args:
        app: the engine's application.
        limit: at most so many.
        cursor: ``next_cursor`` of the page before.
        **filters: which records, see :class:`Filters`. A search for a text looks at what the others leave within a
            time budget: a page may hold fewer than ``limit`` and still have a next.

    Raises:
        InvalidOption: if the cursor is none of ours.
        StoreUnavailable: if the ledger did not answer in time.
    """
    wanted = _filter(filters)
    found: list[Record] = []
    scanned, searched_until, last = 0, None, _decode(cursor)
    deadline = time.monotonic() + BUDGET
    numbers = chain.from_iterable(_find(app, wanted, before=last))
    at_once = max(limit + 1, SEARCHED_AT_ONCE) if wanted.q else limit + 1
    # What the indexes say of a record may be over when it is read: so each is held against the filters.
    while chunk := list(islice(numbers, at_once)):
        for number, record in zip(chunk, app.ledger.numbered(chunk), strict=True):
            if record is not None and wanted.matches(record):
                if len(found) == limit:
                    return Page(found, _encode(last), scanned, searched_until)
                found.append(record)
            last = number
            if record is not None:
                scanned, searched_until = scanned + 1, record.submitted_at
        if len(chunk) < at_once:
            break
        if time.monotonic() > deadline:
            return Page(found, _encode(last), scanned, searched_until)
    return Page(found, None, scanned, searched_until)


def count(app: App, **filters: Unpack[Filters]) -> Count:
    """How many records there are of that kind: exactly, but for a text, which is searched for within a time budget.

    Raises:
        StoreUnavailable: if the ledger did not answer in time.
    """
    wanted = _filter(filters)
    if not wanted.q:
        return Count(sum(map(len, _find(app, wanted))), exact=True)
    number, cursor, deadline = 0, None, time.monotonic() + BUDGET
    while True:
        found = page(app, limit=COUNTED_AT_ONCE, cursor=cursor, **filters)
        number, cursor = number + len(found.tasks), found.next_cursor
        if cursor is None or time.monotonic() > deadline:
            return Count(number, exact=cursor is None)


def _find(app: App, wanted: Filter, before: int | None = None) -> Iterator[Segment]:
    return app.ledger.find(wanted.indexed(), since=wanted.since, until=wanted.until, before=before)


def _filter(filters: Filters) -> Filter:
    given: dict[str, Any] = {name: value for name, value in filters.items() if value != ""}
    return Filter(**given)


def _encode(number: int | None) -> str | None:
    return None if number is None else str(number)


def _decode(cursor: str | None) -> int | None:
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < LONGEST_CURSOR):
        raise InvalidOption("cursor", "is none of ours: use next_cursor of the page before, unchanged")
    return int(cursor)


def in_state(filters: Filters, state: State | None) -> Filters:
    """The same filters with another state."""
    found = filters.copy()
    found["state"] = state
    return found
