"""One task, pages of history, counts, live changes."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict, Unpack

from async_tasks.engine import App
from async_tasks.errors import InvalidOption, UnknownRecord
from async_tasks.ledger import Change, Count, Page, Record, State

#: Seconds that a page may spend on looking for what the filters leave; then it ends early, with a cursor.
BUDGET: Final = 0.5

#: The ledger's index of each field of a record that has one.
INDEXES: Final = {"state": "state", "name": "name", "submitted_by": "by", "batch_id": "batch"}


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
    before = _decode(cursor) if cursor else None
    wanted: dict[str, Any] = {field: value for field, value in filters.items() if value is not None}
    q = wanted.pop("q", None)
    since, until = wanted.pop("since", None), wanted.pop("until", None)
    # The smallest index is walked, the other conditions are looked up in the records.
    indexes = [f"{INDEXES[field]}:{value}" for field, value in wanted.items() if field in INDEXES]
    index = min(indexes, key=app.ledger.count) if len(indexes) > 1 else (indexes or ["all"])[0]
    found: list[Record] = []
    scanned = 0
    deadline = time.monotonic() + BUDGET
    chunk = limit + 1
    while True:
        entries = app.ledger.newest(index, since=since, until=until, before=before, count=chunk)
        records = app.ledger.get_many([task_id for _, task_id in entries])
        for at, task_id in entries:
            record = records.get(task_id)
            if record is not None and _matches(record, wanted, q):
                if len(found) == limit:
                    return Page(found, _encode(before), scanned, before and before[0])
                found.append(record)
            scanned += 1
            before = (at, task_id)
        if len(entries) < chunk:
            return Page(found, None, scanned, before and before[0])
        if time.monotonic() > deadline:
            return Page(found, _encode(before), scanned, before and before[0])


def count(app: App, **filters: Unpack[Filters]) -> Count:
    """How many records there are of that kind, within the time budget of a page: then "at least".

    Raises:
        StoreUnavailable: if the ledger did not answer in time.
    """
    number, cursor, deadline = 0, None, time.monotonic() + BUDGET
    while True:
        found = page(app, limit=1000, cursor=cursor, **filters)
        number, cursor = number + len(found.tasks), found.next_cursor
        if cursor is None or time.monotonic() > deadline:
            return Count(number, exact=cursor is None)


def _matches(record: Record, wanted: Mapping[str, object], q: str | None) -> bool:
    if any(_value(record, field) != value for field, value in wanted.items()):
        return False
    if q is None:
        return True
    text = json.dumps([record.args, record.result, record.error], ensure_ascii=False)
    return q.casefold() in text.casefold()


def _value(record: Record, field: str) -> object:
    if field == "fingerprint":
        return record.error["fingerprint"] if record.finished and record.error else None
    value: object = getattr(record, field)
    return value


def _encode(place: tuple[int, str] | None) -> str | None:
    if place is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[int, str]:
    try:
        at, task_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return int(at), str(task_id)
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error):
        raise InvalidOption("cursor", "is none of ours: use next_cursor of the page before, unchanged") from None


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
