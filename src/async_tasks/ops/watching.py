"""Following changes without a gap, however often the store goes away meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from async_tasks import queries
from async_tasks.engine import App
from async_tasks.errors import StoreUnavailable
from async_tasks.ledger import Change, Record

#: Changes read at a time.
PAGE: Final = 500
#: Seconds between two readings after which the store may have dropped changes: who was suspended (Ctrl-Z) for
#: long, or reads slowly, has to look.
LATE: Final = 5.0
#: Seconds before the store is asked again after it did not answer, which it was given time for.
PAUSE: Final = 0.2
#: The shortest wait for changes, in seconds: less would be rounded to none, which is for ever to the store.
SHORTEST: Final = 0.005


@dataclass(frozen=True, slots=True)
class Seen:
    """A record, and when it became so: milliseconds since the epoch, by the store's clock."""

    record: Record
    at: int


@dataclass(frozen=True, slots=True)
class Outage:
    """The store does not answer, for that reason; or does again, where it is empty."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """Changes were lost: the store no longer has them."""


def follow(
    app: App, task_id: str, *, timeout: float | None = None, tick: float = 1.0
) -> Iterator[Seen | Outage | None]:
    """One task until its end.

    Args:
        app: the engine's application.
        task_id: of the task.
        timeout: seconds after which to end in any case; None: never.
        tick: seconds of silence after which None is yielded.

    Yields:
        The record as it is, and again whenever it has changed, the last time with its final state (unless the time
        is over first). What happened while the store was away is told when it is back.

    Raises:
        UnknownRecord: if there is none of that id, or no longer.
        StoreUnavailable: if the store did not answer at the beginning.
    """
    # The place before the record: what happens in between is told twice, and not never.
    cursor = queries.latest_change(app)
    record = queries.get(app, task_id)
    yield Seen(record, record.timeline[-1]["at"])
    changed, at = False, 0
    for found in () if record.finished else _readings(app, cursor, timeout, tick):
        if isinstance(found, list):
            ours = [change.at for change in found if change.id == task_id]
            changed, at = changed or bool(ours), max([at, *ours])
        else:
            changed = True
            if isinstance(found, Outage):
                yield found
        now = _again(app, task_id) if changed else None
        changed = changed and now is None
        if now is None or now == record:
            yield None
            continue
        record = now
        yield Seen(record, max(at, record.timeline[-1]["at"]))
        if record.finished:
            return


def changes(app: App, *, timeout: float | None = None, tick: float = 1.0) -> Iterator[Change | Outage | Lost | None]:
    """Every change of every task from now on, in order; None after ``tick`` seconds of silence.

    Args:
        app: the engine's application.
        timeout: seconds after which to end; None: never.
        tick: seconds.

    Raises:
        StoreUnavailable: if the store did not answer at the beginning.
    """
    for found in _readings(app, queries.latest_change(app), timeout, tick):
        if isinstance(found, list):
            yield from found
            if not found:
                yield None
        else:
            yield found


def _again(app: App, task_id: str) -> Record | None:
    try:
        return queries.get(app, task_id)
    except StoreUnavailable:
        return None  # the next reading tells it


def _readings(app: App, cursor: str, timeout: float | None, tick: float) -> Iterator[list[Change] | Outage | Lost]:
    deadline = None if timeout is None else time.monotonic() + timeout
    away = unsure = False
    last = time.monotonic()
    while True:
        left = tick if deadline is None else min(tick, deadline - time.monotonic())
        if left <= 0:
            return
        try:
            if (unsure or time.monotonic() - last > LATE) and _is_past(app, cursor):
                cursor = queries.latest_change(app)
                yield Lost()
            read = queries.changes(app, cursor, block=max(left, SHORTEST), count=PAGE)
        except StoreUnavailable as exc:
            if not away:
                yield Outage(str(exc))
            away = unsure = True
            time.sleep(min(PAUSE, left))
            continue
        if away:
            yield Outage()
        away, unsure, last = False, len(read) >= PAGE, time.monotonic()
        cursor = read[-1].cursor if read else cursor
        yield read


def _is_past(app: App, cursor: str) -> bool:
    """Whether the store no longer has everything that came after ``cursor``."""
    oldest = queries.oldest_change(app)
    return oldest is not None and _place(oldest) > _place(cursor) > (0, 0)


def _place(cursor: str) -> tuple[int, int]:
    ms, _, sequence = cursor.partition("-")
    return int(ms), int(sequence)
