"""Changes as they happen: one reader of the store per web process, handed on to everybody who watches.

    store's change stream ── one blocking read ──> Hub ── bounded queue each ──> Subscription ──> a stream

A subscription never loses a change. It catches up from the store when it begins, and again whenever its queue
has run over because its client is slow; what arrives twice that way is told apart by its place in the stream.
Threads and queues are the standard library's: under gunicorn's gevent worker they are greenlets.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any, Final, TypeVar

from async_tasks import queries
from async_tasks.errors import StoreUnavailable
from async_tasks.ledger.record import Change, Record
from async_tasks.web import sse
from async_tasks.web.sse import position

if TYPE_CHECKING:
    from async_tasks.engine import App

T = TypeVar("T")

logger = logging.getLogger(__name__)

HEARTBEAT: Final = 15.0  # seconds of silence after which a subscription says that it is alive
BLOCK: Final = 25.0  # seconds that one read of the store waits for a change
LINGER: Final = 5.0  # seconds that the reader goes on after the last subscription has left
QUEUE_SIZE: Final = 256  # changes that wait for a slow client before it has to catch up from the store
PAGE: Final = 500  # changes read at a time
TURNS: Final = 16  # questions to the store at a time, for those who begin or catch up: thousands may come at once
RETRY_MIN: Final = 0.2  # seconds before the store is asked again after it did not answer
RETRY_MAX: Final = 5.0


@dataclass(frozen=True)
class Event:
    """One change, with the record as it is now where somebody watches that task.

    ``change`` is None where changes were lost because the store no longer has them: look again.
    """

    change: Change | None
    record: Record | None

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


class Hub:
    """Reads changes while somebody watches, and hands them on."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.closed = threading.Event()
        self._turns = threading.BoundedSemaphore(TURNS)
        self._lock = threading.Lock()
        self._by_id: dict[str, set[Subscription]] = {}
        self._all: set[Subscription] = set()
        self._reader: threading.Thread | None = None
        self._last_left = 0.0

    def subscribe(self, ids: Collection[str] | None = None, after: str | None = None) -> Subscription:
        """Watch some tasks, or all.

        Args:
            ids: the tasks' ids; None: all.
            after: the place in the stream after which changes are wanted; None: from now on.

        Raises:
            InvalidOption: if ``after`` is no place in the stream.
            StoreUnavailable: if the store does not answer.
        """
        latest = self.ask(queries.latest_change)
        subscription = Subscription(self, ids, latest if after is None else after, resumed=after is not None)
        with self._lock:
            for watchers in self._places(ids, make=True):
                watchers.add(subscription)
            if self._reader is None:
                self._reader = threading.Thread(
                    target=self._read, args=(latest,), name="async-tasks-changes", daemon=True
                )
                self._reader.start()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a subscription; again is no error."""
        with self._lock:
            for watchers in self._places(subscription.ids):
                watchers.discard(subscription)
            for task_id in subscription.ids or ():
                if not self._by_id.get(task_id, True):
                    del self._by_id[task_id]
            self._last_left = time.monotonic()

    def ask(self, question: Callable[..., T], *args: Any, **options: Any) -> T:
        """Put a question to the store when it is this caller's turn.

        Raises:
            StoreUnavailable: if the store does not answer, or has too many to answer.
        """
        if not self._turns.acquire(timeout=self.app.settings.store_timeout):
            raise StoreUnavailable("Too many are waiting for the store")
        try:
            return question(self.app, *args, **options)
        finally:
            self._turns.release()

    def close(self) -> None:
        """End every stream, so that the process can stop."""
        self.closed.set()
        with self._lock:
            for subscription in self._everybody():
                subscription.wake()

    @property
    def watching(self) -> int:
        """How many subscriptions there are."""
        with self._lock:
            return len(self._everybody())

    def _places(self, ids: Collection[str] | None, *, make: bool = False) -> list[set[Subscription]]:
        if ids is None:
            return [self._all]
        if make:
            return [self._by_id.setdefault(task_id, set()) for task_id in ids]
        return [self._by_id[task_id] for task_id in ids if task_id in self._by_id]

    def _everybody(self) -> set[Subscription]:
        return self._all.union(*self._by_id.values())

    def _read(self, cursor: str) -> None:
        pause = RETRY_MIN
        unsure = False  # whether the stream may have been trimmed past the place where we are
        while not self.closed.is_set() and not self._is_idle():
            try:
                if unsure and is_past(self.app, cursor):
                    # In this order: what happens in between comes twice, and not never.
                    cursor = queries.latest_change(self.app)
                    self._all_fall_behind()
                changes = queries.changes(self.app, cursor, block=BLOCK, count=PAGE)
                self._hand_on(changes)
            except Exception as exc:  # whatever it is, people go on watching
                if not isinstance(exc, StoreUnavailable):
                    logger.exception("Reading changes failed; trying again")
                unsure = True
                self.closed.wait(pause)
                pause = min(pause * 2, RETRY_MAX)
                continue
            pause = RETRY_MIN
            unsure = len(changes) >= PAGE
            cursor = changes[-1].cursor if changes else cursor

    def _is_idle(self) -> bool:
        with self._lock:
            idle = not self._all and not self._by_id and time.monotonic() - self._last_left > LINGER
            if idle:
                self._reader = None  # under the lock: the next subscription starts another
            return idle

    def _hand_on(self, changes: Sequence[Change]) -> None:
        with self._lock:
            wanted = {change.id for change in changes if change.id in self._by_id}
        records = queries.get_many(self.app, list(wanted)) if wanted else {}
        with self._lock:
            for change in changes:
                event = Event(change, records.get(change.id))
                for subscription in self._all.union(self._by_id.get(change.id, ())):
                    subscription.offer(event)

    def _all_fall_behind(self) -> None:
        with self._lock:
            for subscription in self._everybody():
                subscription.fall_behind()


class Subscription:
    """What one watcher gets, in order, without gap or repetition.

    Attributes:
        ids: the watched tasks; None: all.
        cursor: the place in the stream up to which this watcher has been told.
    """

    def __init__(self, hub: Hub, ids: Collection[str] | None, cursor: str, *, resumed: bool) -> None:
        self.ids = None if ids is None else frozenset(ids)
        self.cursor = cursor
        self._position = position(cursor)
        self._hub = hub
        self._queue: Queue[Event | None] = Queue(QUEUE_SIZE)
        self._behind = True
        self._unsure = resumed

    def __iter__(self) -> Iterator[Event | None]:
        """Events as they come; None every ``HEARTBEAT`` seconds of silence. Ends when the hub closes."""
        while not self._hub.closed.is_set():
            if self._behind:
                yield from self._catch_up()
                continue
            try:
                event = self._queue.get(timeout=HEARTBEAT)
            except Empty:
                yield None
                continue
            if event is not None and event.change is not None and self._is_new(event.change):
                yield event

    def offer(self, event: Event) -> None:
        """Take an event from the hub; never waits."""
        try:
            self._queue.put_nowait(event)
        except Full:
            self._unsure = self._behind = True

    def fall_behind(self) -> None:
        """Catch up from the store before anything else."""
        self._unsure = self._behind = True
        self.wake()

    def wake(self) -> None:
        """Look up from waiting."""
        with suppress(Full):  # then it will look up without being woken
            self._queue.put_nowait(None)

    def close(self) -> None:
        """Watch no longer."""
        self._hub.unsubscribe(self)

    def _catch_up(self) -> Iterator[Event | None]:
        # What is dropped here is in the store by now; what comes from here on waits in the queue.
        self._behind = False
        while not self._queue.empty():
            self._queue.get_nowait()
        ask, pause = self._hub.ask, RETRY_MIN
        while not self._hub.closed.is_set():
            try:
                if self._unsure and ask(is_past, self.cursor):
                    self.cursor = ask(queries.latest_change)
                    self._position = position(self.cursor)
                    yield LOST
                self._unsure = False
                changes = ask(queries.changes, self.cursor, block=0, count=PAGE)
                watched = [change for change in changes if self.ids is None or change.id in self.ids]
                records = ask(queries.get_many, list({change.id for change in watched})) if self.ids and watched else {}
            except StoreUnavailable:
                yield None
                self._hub.closed.wait(pause)
                pause = min(pause * 2, RETRY_MAX)
                continue
            if not changes:
                return
            for change in watched:
                self._is_new(change)
                yield Event(change, records.get(change.id))
            self._is_new(changes[-1])

    def _is_new(self, change: Change) -> bool:
        place = position(change.cursor)
        if place <= self._position:
            return False
        self.cursor, self._position = change.cursor, place
        return True


def is_past(app: App, cursor: str) -> bool:
    """Whether the store no longer has everything that came after ``cursor``."""
    oldest = queries.oldest_change(app)
    return oldest is not None and position(cursor) > (0, 0) and position(oldest) > position(cursor)
