"""Batches: how far they are, and their entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from async_tasks.engine import App
from async_tasks.errors import InvalidOption, UnknownBatch
from async_tasks.ledger import BatchRecord, Record

#: Digits of a time in a cursor are fewer.
LONGEST_TIME: Final = 16


@dataclass(frozen=True, slots=True)
class BatchPage:
    """The batches that were begun last, newest first; ``now`` is the store's time, milliseconds since the epoch."""

    batches: list[BatchRecord]
    now: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a batch: its place, counted from 0, its id, and its record as long as that is kept."""

    index: int
    id: str | None  # None: the request broke off before it was accepted
    record: Record | None


def batch(app: App, batch_id: str) -> tuple[BatchRecord, int]:
    """What is known of a batch, and the store's time, milliseconds since the epoch.

    Raises:
        UnknownBatch: if there is none of that id.
        StoreUnavailable: if the ledger did not answer in time.
    """
    found, now = app.ledger.batches.get(batch_id)
    if found is None:
        raise UnknownBatch(batch_id)
    return found, now


def batches(app: App, *, limit: int = 50, cursor: str | None = None) -> BatchPage:
    """The batches that were begun last.

    Args:
        app: the engine's application.
        limit: at most so many.
        cursor: ``next_cursor`` of the page before.

    Raises:
        InvalidOption: if the cursor is none of ours.
        StoreUnavailable: if the ledger did not answer in time.
    """
    before = _place(cursor) if cursor else None
    found, now = app.ledger.batches.newest(before=before, count=limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return BatchPage(found[:limit], now, f"{last.submitted_at}-{last.id}" if last else None)


def _place(cursor: str) -> tuple[int, str]:
    at, _, batch_id = cursor.partition("-")
    if not (at.isascii() and at.isdigit() and len(at) < LONGEST_TIME):
        raise InvalidOption("cursor", "is none of ours: use next_cursor of the page before, unchanged")
    return int(at), batch_id


def batch_rows(app: App, batch_id: str) -> Iterator[list[Row]]:
    """The entries of a batch in its order, some at a time, so that no more than a few megabytes are held.

    Raises:
        StoreUnavailable: if the ledger did not answer in time.
    """
    at = 0
    for ids, records in app.ledger.batches.records(batch_id):
        yield [Row(at + n, task_id, record) for n, (task_id, record) in enumerate(zip(ids, records, strict=True))]
        at += len(ids)
