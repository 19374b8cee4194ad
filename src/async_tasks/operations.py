"""What an operator sees and commands: workers, queues, limits of tasks, schedules."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from async_tasks import catalog
from async_tasks.catalog import TaskSpec
from async_tasks.catalog import limits as rates
from async_tasks.catalog.schedule import Schedule
from async_tasks.engine import App
from async_tasks.errors import InvalidOption, UnknownQueue, UnknownSchedule, UnknownTask, UnknownWorker
from async_tasks.ledger import Command, Limited, Record, Timetable, Waiting, Worker
from async_tasks.ledger.record import rfc3339

#: Running tasks that are looked at for lists of workers and queues.
MOST_RUNNING: Final = 2000
#: Seconds that a purge may hold its caller; dispatchers do the rest.
PURGE_TIME: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One queue: what waits in it, what of it runs, who consumes it."""

    name: str
    paused: Command | None
    waiting: Waiting
    running: tuple[Record, ...]
    consumers: tuple[Worker, ...]  # those that are there
    now: int  # milliseconds since the epoch, by the store's clock

    @property
    def count(self) -> int:
        """How many wait."""
        return self.waiting.sent + self.waiting.held

    def public(self) -> dict[str, Any]:
        """As the API shows it."""
        paused, depth, oldest = self.paused, self.waiting.depth, self.waiting.oldest
        return {
            "name": self.name,
            "paused": None if paused is None else {"at": rfc3339(paused.at), "by": paused.by},
            "waiting": self.count,
            "held": self.waiting.held,
            "oldest_waits_since": rfc3339(oldest),
            "running": len(self.running),
            "broker": None if depth is None else {"messages": depth.messages, "at": rfc3339(depth.at)},
            "consumers": [worker.name for worker in self.consumers],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """One schedule: its words, when it runs next, and what it has submitted last."""

    spec: TaskSpec
    schedule: Schedule
    paused: Command | None
    next_at: int | None  # milliseconds since the epoch; None while it is paused, or until a worker has seen it
    last: Record | None

    def public(self) -> dict[str, Any]:
        """As the API shows it."""
        paused, last = self.paused, self.last
        return {
            "name": self.spec.name,
            "cron": self.schedule.cron,
            "every": self.schedule.every,
            "timezone": None if self.schedule.cron is None else self.schedule.timezone,
            "missed": self.schedule.missed,
            "arguments": dict(self.schedule.arguments),
            "words": self.schedule.words(),
            "paused": None if paused is None else {"at": rfc3339(paused.at), "by": paused.by},
            "next_at": rfc3339(self.next_at),
            "last": None
            if last is None
            else {"id": last.id, "state": str(last.state), "submitted_at": rfc3339(last.submitted_at)},
        }


# -- workers -----------------------------------------------------------------------------------------------


def workers(app: App) -> list[Worker]:
    """Every worker that was heard of within the hour, with what it runs; lost ones among them."""
    return _staffed(app.ledger.workers.all(), app.ledger.controls.running(MOST_RUNNING))


def worker(app: App, name: str) -> Worker:
    """One worker.

    Raises:
        UnknownWorker: if none of that name was heard of of late.
    """
    for each in workers(app):
        if each.name == name:
            return each
    raise UnknownWorker(name)


def _staffed(found: Iterable[Worker], running: Iterable[Record]) -> list[Worker]:
    by_worker: dict[str | None, list[Record]] = {}
    for record in running:
        by_worker.setdefault(record.worker, []).append(record)
    return [replace(each, running=tuple(by_worker.get(each.name, ()))) for each in found]


# -- queues ------------------------------------------------------------------------------------------------


def queues(app: App) -> list[Queue]:
    """Every queue that tasks, settings or workers name, or that is paused; ``celery_see`` first."""
    controls = app.ledger.controls
    there = [each for each in app.ledger.workers.all() if not each.lost]
    paused = controls.paused()
    named = {*paused, *(name for each in there for name in each.sign.queues)}
    names = [*app.queue_names, *sorted(named - set(app.queue_names))]
    running = controls.running(MOST_RUNNING)
    waiting = controls.waiting(names)
    now = app.ledger.now()
    return [
        Queue(
            name=name,
            paused=paused.get(name),
            waiting=waiting[name],
            running=tuple(record for record in running if record.queue == name),
            consumers=tuple(each for each in there if name in each.sign.queues),
            now=now,
        )
        for name in names
    ]


def queue(app: App, name: str) -> Queue:
    """One queue.

    Raises:
        UnknownQueue: if there is none of that name.
    """
    found = queues(app)
    for each in found:
        if each.name == name:
            return each
    raise UnknownQueue(name, [each.name for each in found])


def first_waiting(app: App, name: str, count: int = 10) -> list[Record]:
    """What waits in a queue, longest first; at most so many."""
    return app.ledger.controls.first_waiting(name, count)


def pause(app: App, name: str, by: str | None = None) -> Queue:
    """Let nothing of a queue start any more, on any worker; what runs goes on.

    Raises:
        UnknownQueue: if there is none of that name.
    """
    queue(app, name)
    app.ledger.controls.pause(name, by)
    return queue(app, name)


def resume(app: App, name: str) -> Queue:
    """Let a queue go on.

    Raises:
        UnknownQueue: if there is none of that name.
    """
    queue(app, name)
    app.ledger.controls.resume(name)
    return queue(app, name)


def purge(app: App, name: str, by: str | None = None) -> tuple[int, bool]:
    """Revoke what waits in a queue at this moment.

    Returns:
        How many were, and whether there are more, which dispatchers are about to revoke.

    Raises:
        UnknownQueue: if there is none of that name.
    """
    queue(app, name)
    began = time.monotonic()
    count, more = app.ledger.controls.purge(name, by)
    while more and time.monotonic() - began < PURGE_TIME:
        another, more = app.ledger.controls.go_on_purging(name)
        count += another
    return count, more


# -- limits ------------------------------------------------------------------------------------------------


def limits(app: App) -> list[Limited]:
    """The limits of every task, by name; most tasks have none."""
    known = app.ledger.controls.limits()
    for spec in catalog.specs():
        # Until the first worker has written it down.
        declared = spec.options.limit()
        entry = known.get(spec.name) or Limited(name=spec.name, declared=None, set=None, running=0, waiting=0)
        known[spec.name] = entry if entry.declared else replace(entry, declared=declared)
    return sorted(known.values(), key=lambda each: each.name)


def limit(app: App, name: str) -> Limited:
    """The limits of one task.

    Raises:
        UnknownTask: if the catalog has no such task, and nobody has limited one of that name.
    """
    for each in limits(app):
        if each.name == name:
            return each
    catalog.get(name)
    raise UnknownTask(name)


def set_limit(
    app: App, name: str, *, rate_limit: str | None, concurrency: int | None, by: str | None = None
) -> Limited:
    """Limit a task in place of what it declares; without either it has no limit.

    Raises:
        UnknownTask: if the catalog has no such task.
        InvalidOption: if that is no limit.
    """
    catalog.get(name)
    if rate_limit is not None and rates.every(rate_limit) is None:
        raise InvalidOption("rate_limit", f"must say {rates.RATE}")
    if concurrency is not None and not 1 <= concurrency <= MOST_AT_A_TIME:
        raise InvalidOption("concurrency", f"must be a whole number from 1 to {MOST_AT_A_TIME:,}")
    chosen = {**(rates.read(rate_limit, concurrency) or {}), "at": app.ledger.now()}
    app.ledger.controls.limit("set", {name: {**chosen, "by": by} if by else chosen})
    return limit(app, name)


def unset_limit(app: App, name: str) -> Limited:
    """Limit a task as it declares.

    Raises:
        UnknownTask: if there is no such task.
    """
    limit(app, name)
    app.ledger.controls.limit("set", {name: None})
    return limit(app, name)


MOST_AT_A_TIME: Final = 100_000


# -- schedules ---------------------------------------------------------------------------------------------


def schedules(app: App) -> list[Scheduled]:
    """The schedules of the catalog, by name."""
    specs = {spec.name: spec for spec in catalog.specs() if spec.options.schedule is not None}
    if not specs:
        return []
    known = app.ledger.controls.timetables()
    none = Timetable(next_at=None, paused=None, last_id=None)
    tables = {name: known.get(name, none) for name in specs}
    last = app.ledger.get_many([table.last_id for table in tables.values() if table.last_id])
    return [_scheduled(specs[name], table, last) for name, table in tables.items()]


def schedule(app: App, name: str) -> Scheduled:
    """One schedule.

    Raises:
        UnknownSchedule: if no task of that name has one.
    """
    for each in schedules(app):
        if each.spec.name == name:
            return each
    raise UnknownSchedule(name)


def pause_schedule(app: App, name: str, by: str | None = None) -> Scheduled:
    """Let a schedule submit nothing.

    Raises:
        UnknownSchedule: if no task of that name has one.
    """
    schedule(app, name)
    app.ledger.controls.pause_schedule(name, by)
    return schedule(app, name)


def resume_schedule(app: App, name: str) -> Scheduled:
    """Let a schedule go on with its next moment; those that fell into the pause are no runs.

    Raises:
        UnknownSchedule: if no task of that name has one.
    """
    found = schedule(app, name)
    app.ledger.controls.resume_schedule(name, found.schedule.after(app.ledger.now()))
    return schedule(app, name)


def note_run(app: App, name: str, task_id: str) -> None:
    """Note that somebody ran a schedule now."""
    app.ledger.controls.note_run(name, task_id)


def _scheduled(spec: TaskSpec, table: Timetable, last: Mapping[str, Record]) -> Scheduled:
    chosen = spec.options.schedule
    assert chosen is not None  # noqa: S101 - those without were left out
    return Scheduled(
        spec=spec,
        schedule=chosen,
        paused=table.paused,
        next_at=None if table.paused else table.next_at,
        last=last.get(table.last_id or ""),
    )
