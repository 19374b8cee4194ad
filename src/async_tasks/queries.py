"""One task, pages of history, counts, live changes."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Mapping, Sequence
from typing import Final

from async_tasks.engine import App
from async_tasks.errors import InvalidOption, UnknownRecord
from async_tasks.ledger import Change, Log, Page, Record, State

#: Seconds that a page may spend on looking for what the filters leave; then it ends early, with a cursor.
BUDGET: Final = 0.5

#: Relatives of a task that are looked up by each of their indexes.
RELATIVES: Final = 20

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


def relatives(app: App, record: Record, named: Sequence[str]) -> tuple[dict[str, Record], bool]:
    """What belongs to the same work as a record: its canvas, what started it and what it started.

    Args:
        app: the engine's application.
        record: whose relatives are meant.
        named: ids of others that are looked up with them.

    Returns:
        Records by id, of the indexes the newest; and whether there are more.
    """
    root = record.root_id or record.id
    ids, more = [*named, root], False
    for index in (f"root:{root}", f"group:{record.group_id}"):
        entries = app.ledger.newest(index, since=None, until=None, before=None, count=RELATIVES + 1)
        ids += [task_id for _, task_id in entries[:RELATIVES]]
        more = more or len(entries) > RELATIVES
    return get_many(app, [each for each in dict.fromkeys(ids) if each != record.id]), more


def log(app: App, task_id: str) -> Log:
    """What a task has logged, as far as it is kept.

    Raises:
        UnknownRecord: if there is no record of that id.
        StoreUnavailable: if the ledger did not answer in time.
    """
    found = app.ledger.read_log(task_id)
    if not found.lines:  # which is no answer for an id that never was
        get(app, task_id)
    return found


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


def page(
    app: App,
    *,
    state: State | None = None,
    name: str | None = None,
    submitted_by: str | None = None,
    batch_id: str | None = None,
    q: str | None = None,
    since: int | None = None,
    until: int | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page:
    """A page of history, newest first. Pages do not shift when tasks are submitted meanwhile.

    Args:
        app: the engine's application.
        state: only records in it.
        name: only records of that task.
        submitted_by: only records of that submitter.
        batch_id: only records of that batch.
        q: only records with that text in arguments, result or error, whatever the case. Looks at what the
            other filters leave within a time budget: a page may hold fewer than ``limit`` and still have a next.
        since: not older than that, milliseconds since the epoch.
        until: not newer than that.
        limit: at most so many.
        cursor: ``next_cursor`` of the page before.

    Raises:
        InvalidOption: if the cursor is none of ours.
        StoreUnavailable: if the ledger did not answer in time.
    """
    before = _decode(cursor) if cursor else None
    wanted = {"state": state, "name": name, "submitted_by": submitted_by, "batch_id": batch_id}
    wanted = {field: value for field, value in wanted.items() if value}
    # The smallest index is walked, the other conditions are looked up in the records.
    indexes = [f"{INDEXES[field]}:{value}" for field, value in wanted.items()]
    index = min(indexes, key=app.ledger.count) if len(indexes) > 1 else (indexes or ["all"])[0]
    found: list[Record] = []
    deadline = time.monotonic() + BUDGET
    chunk = limit + 1
    while True:
        entries = app.ledger.newest(index, since=since, until=until, before=before, count=chunk)
        records = app.ledger.get_many([task_id for _, task_id in entries])
        for at, task_id in entries:
            record = records.get(task_id)
            if record is not None and _matches(record, wanted, q):
                if len(found) == limit:
                    return Page(found, _encode(before))
                found.append(record)
            before = (at, task_id)
        if len(entries) < chunk:
            return Page(found, None)
        if time.monotonic() > deadline:
            return Page(found, _encode(before))


def _matches(record: Record, wanted: Mapping[str, str | None], q: str | None) -> bool:
    if any(getattr(record, field) != value for field, value in wanted.items()):
        return False
    if q is None:
        return True
    text = json.dumps([record.args, record.result, record.error], ensure_ascii=False)
    return q.casefold() in text.casefold()


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
