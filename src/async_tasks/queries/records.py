"""One task, what belongs to it, and live changes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from typing import Final

from async_tasks.engine import App
from async_tasks.errors import UnknownRecord
from async_tasks.ledger import Change, Log, Record

#: Relatives of a task that are looked up by each of their indexes.
RELATIVES: Final = 20


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
    found, more = get_many(app, [*named, root]), False
    for field, value in (("root_id", root), ("group_id", record.group_id)):
        family = _newest(app, field, value, RELATIVES + 1) if value else []
        found |= {each.id: each for each in family[:RELATIVES]}
        more = more or len(family) > RELATIVES
    found.pop(record.id, None)
    return found, more


def _newest(app: App, field: str, value: str, count: int) -> list[Record]:
    numbers = list(islice(chain.from_iterable(app.ledger.find({field: value})), count))
    return [record for record in app.ledger.numbered(numbers) if record is not None]


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
