"""What one watcher gets: changes in order, without gap or repetition, however slow its client is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from async_tasks import queries
from async_tasks.errors import StoreUnavailable
from async_tasks.ledger.record import FINAL, Change, Record
from async_tasks.web import sse
from async_tasks.web.sse import position

if TYPE_CHECKING:
    from async_tasks.engine import App

T = TypeVar("T")

HEARTBEAT: Final = 15.0  # seconds of silence after which a subscription says that it is alive
QUEUE_SIZE: Final = 256  # changes that wait for a slow client before it has to catch up from the store
PAGE: Final = 500  # changes read at a time
BATCH: Final = 64  # events handed on at a time: what has come meanwhile is one write to a client, not many
RETRY_MIN: Final = 0.2  # seconds before the store is asked again after it did not answer
RETRY_MAX: Final = 5.0


@dataclass(frozen=True)
class Event:
    """One change, with the record as it is now where somebody watches that task.

    ``change`` is None where changes were lost because the store no longer has them: look again.
    """

    change: Change | None
    record: Record | None

    @property
    def cursor(self) -> str:
        """Its place in the stream; empty where changes were lost."""
        return self.change.cursor if self.change else ""

    def concerns(self, task_id: str) -> bool:
        """Whether it is a change of that task."""
        return self.change is not None and self.change.id == task_id

    @property
    def is_end(self) -> bool:
        """Whether the task has finished with it."""
        return self.change is not None and self.change.state in FINAL

    # Written once, however many watch.

    @cached_property
    def with_record(self) -> bytes:
        """For those who watch the task; nothing if the record is gone."""
        if self.change is None or self.record is None:
            return b""
        return sse.event(self.record.public(), cursor=self.change.cursor)

    @cached_property
    def in_brief(self) -> bytes:
        """For those who watch all tasks."""
        if self.change is None:
            return sse.event({}, name="lost")
        return sse.event(sse.brief(self.change), cursor=self.change.cursor)


LOST: Final = Event(None, None)


def topics(ids: Collection[str] | None, submitter: str | None) -> frozenset[str] | None:
    """What a subscription to some tasks, and to all of one submitter, listens to; None: to everything."""
    if ids is None and submitter is None:
        return None
    named = {f"id:{task_id}" for task_id in ids or ()}
    return frozenset(named | ({f"by:{submitter}"} if submitter else set()))


def topics_of(change: Change) -> tuple[str, ...]:
    """Who is told of a change: those who listen to one of these."""
    by = change.submitted_by
    return (f"id:{change.id}", f"by:{by}") if by else (f"id:{change.id}",)


class Source(Protocol):
    """Where a subscription's changes come from: the hub."""

    closed: threading.Event

    def ask(self, question: Callable[..., T], *args: Any, **options: Any) -> T:
        """Put a question to the store."""

    def missed(self, after: str) -> list[Event] | None:
        """What came after a place; None if not all of it is left."""

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a subscription."""


class Subscription:
    """What one watcher gets, in order, without gap or repetition.

    Attributes:
        topics: what it listens to; None: everything.
        cursor: the place in the stream up to which this watcher has been told.
    """

    def __init__(self, source: Source, topics: frozenset[str] | None, cursor: str, *, behind: bool) -> None:
        self.topics = topics
        self.cursor = cursor
        self._position = position(cursor)
        self._source = source
        self._queue: Queue[Event | None] = Queue(QUEUE_SIZE)
        self._behind = behind

    def __iter__(self) -> Iterator[Event | None]:
        """Events as they come; None every ``HEARTBEAT`` seconds of silence. Ends when the hub closes."""
        for batch in self.batches(1):
            if batch is None:
                yield None
            else:
                yield from batch

    def batches(self, most: int = BATCH) -> Iterator[Sequence[Event] | None]:
        """As by iteration, but together what has come together, at most so many."""
        while not self._source.closed.is_set():
            if self._behind:
                yield from self._catch_up(most)
                continue
            try:
                first = self._queue.get(timeout=HEARTBEAT)
            except Empty:
                yield None
                continue
            new = [first] if first is not None and self._is_new(first.change) else []
            new += self._waiting(most - len(new))
            if new:
                yield new

    def offer(self, event: Event) -> None:
        """Take an event from the hub; never waits."""
        if self._behind:
            return  # it will be among what was missed
        try:
            self._queue.put_nowait(event)
        except Full:
            self._behind = True

    def fall_behind(self) -> None:
        """Catch up before anything else."""
        self._behind = True
        self.wake()

    def wake(self) -> None:
        """Look up from waiting."""
        with suppress(Full):  # then it will look up without being woken
            self._queue.put_nowait(None)

    def close(self) -> None:
        """Watch no longer."""
        self._source.unsubscribe(self)

    def _catch_up(self, most: int) -> Iterator[Sequence[Event] | None]:
        while waiting := self._waiting(most):
            yield waiting
        # In this order: what comes in between comes on both ways, and not on none.
        self._behind = False
        pause = RETRY_MIN
        while not self._source.closed.is_set():
            try:
                events = self._missed()
            except StoreUnavailable:
                yield None
                self._source.closed.wait(pause)
                pause = min(pause * 2, RETRY_MAX)
                continue
            for begin in range(0, len(events), most):
                yield [event for event in events[begin : begin + most] if self._is_new(event.change)]
            return

    def _waiting(self, most: int) -> list[Event]:
        """What waits in the queue, at most so many, without waiting for it."""
        events: list[Event] = []
        with suppress(Empty):
            while len(events) < most:
                event = self._queue.get_nowait()
                if event is not None and self._is_new(event.change):
                    events.append(event)
        return events

    def _missed(self) -> list[Event]:
        missed = self._source.missed(self.cursor)
        if missed is None:
            self.cursor = self._source.ask(queries.latest_change)
            self._position = position(self.cursor)
            return [LOST]
        if self.topics is None:
            return missed
        watched = [event.change for event in missed if event.change and self._listens_to(event.change)]
        ids = list({change.id for change in watched})
        records = self._source.ask(queries.get_many, ids) if ids else {}
        return [Event(change, records.get(change.id)) for change in watched]

    def _listens_to(self, change: Change) -> bool:
        return self.topics is None or not self.topics.isdisjoint(topics_of(change))

    def _is_new(self, change: Change | None) -> bool:
        if change is None:
            return True  # what was lost
        place = position(change.cursor)
        if place <= self._position:
            return False
        self.cursor, self._position = change.cursor, place
        return True


def is_past(app: App, cursor: str) -> bool:
    """Whether the store no longer has everything that came after ``cursor``."""
    oldest = queries.oldest_change(app)
    return oldest is not None and position(cursor) > (0, 0) and position(oldest) > position(cursor)
