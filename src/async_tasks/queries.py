"""One task, pages of history, counts, live changes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final, TypedDict, Unpack

from async_tasks.engine import App
from async_tasks.errors import InvalidOption, UnknownRecord
from async_tasks.ledger import Change, Count, Page, Record, Segment, State

#: Seconds that a page may spend on looking for what the filters leave; then it ends early, with a cursor.
BUDGET: Final = 0.5

#: Records that a search for a text reads at a time, at least.
SEARCHED_AT_ONCE: Final = 200

#: Records that a count looks through at a time.
COUNTED_AT_ONCE: Final = 1000

#: The ledger's index of a filter, where they are not named alike.
INDEXES: Final = {"fingerprint": "failure"}

#: Digits that no number of a record has, in this world.
LONGEST_CURSOR: Final = 16


def get(app: App, task_id: str) -> Record:
    """One record.

    Raises:
        UnknownRecord: if there is none of that id.
        StoreUnavailable: if the ledger did not answer in time.
    """
    record = app.ledger.get(task_id)
    if record is None:
        raise UnknownRecord(task_id)
    return record


def get_many(app: App, ids: Sequence[str]) -> dict[str, Record]:
    """The records of those ids that have one, by id."""
    return app.ledger.get_many(ids)


def wait(app: App, task_id: str, timeout: float) -> Record:
    """The record as soon as it is final, or as it is after ``timeout`` seconds.

    Raises:
        UnknownRecord: if there is none of that id.
        StoreUnavailable: if the ledger did not answer in time.
    """
    record = app.ledger.wait_for_end(task_id, timeout)
    if record is None:
        raise UnknownRecord(task_id)
    return record


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
    found: list[Record] = []
    scanned, searched_until, last = 0, None, _decode(cursor)
    deadline = time.monotonic() + BUDGET
    numbers = chain.from_iterable(_find(app, filters, before=last))
    at_once = max(limit + 1, SEARCHED_AT_ONCE) if filters.get("q") else limit + 1
    # What the indexes say of a record may be over when it is read: so each is held against the filters.
    while chunk := list(islice(numbers, at_once)):
        for number, record in zip(chunk, app.ledger.numbered(chunk), strict=True):
            if record is not None and _matches(record, filters):
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
    if not filters.get("q"):
        return Count(sum(map(len, _find(app, filters))), exact=True)
    number, cursor, deadline = 0, None, time.monotonic() + BUDGET
    while True:
        found = page(app, limit=COUNTED_AT_ONCE, cursor=cursor, **filters)
        number, cursor = number + len(found.tasks), found.next_cursor
        if cursor is None or time.monotonic() > deadline:
            return Count(number, exact=cursor is None)


def _find(app: App, filters: Filters, before: int | None = None) -> Iterator[Segment]:
    wanted = {INDEXES.get(field, field): str(value) for field, value in _conditions(filters).items()}
    return app.ledger.find(wanted, since=filters.get("since"), until=filters.get("until"), before=before)


def _conditions(filters: Filters) -> dict[str, object]:
    return {field: value for field, value in filters.items() if value and field not in ("q", "since", "until")}


def _matches(record: Record, filters: Filters) -> bool:
    if any(_value(record, field) != value for field, value in _conditions(filters).items()):
        return False
    since, until, q = filters.get("since"), filters.get("until"), filters.get("q")
    if (since is not None and record.submitted_at < since) or (until is not None and record.submitted_at > until):
        return False
    if not q:
        return True
    text = json.dumps([record.args, record.result, record.error], ensure_ascii=False)
    return q.casefold() in text.casefold()


def _value(record: Record, field: str) -> object:
    if field == "fingerprint":
        return record.error["fingerprint"] if record.finished and record.error else None
    value: object = getattr(record, field)
    return value


def _encode(number: int | None) -> str | None:
    return None if number is None else str(number)


def _decode(cursor: str | None) -> int | None:
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < LONGEST_CURSOR):
        raise InvalidOption("cursor", "is none of ours: use next_cursor of the page before, unchanged")
    return int(cursor)


def latest_change(app: App) -> str:
    """The place of the newest change in the stream of changes."""
    return app.ledger.latest_change()


def oldest_change(app: App) -> str | None:
    """The place of the oldest change still kept, or None if there is none."""
    return app.ledger.oldest_change()


def changes(app: App, after: str, *, block: float, count: int = 500) -> list[Change]:
    """Changes after that place, in order; waits for one at most ``block`` seconds (0: not at all).

    Raises:
        StoreUnavailable: if the ledger did not answer in time.
    """
    return app.ledger.changes(after, block=block, count=count)
