"""Changes as they happen: one reader of the store per web process, handed on to everybody who watches.

    store's change stream ── one blocking read ──> Hub ── bounded queue each ──> Subscription ──> a stream

A subscription never loses a change. It catches up when it comes back, and whenever its queue has run over because
its client is slow, from what the hub remembers; only what lies further back is asked of the store, once for all.
What arrives twice that way is told apart by its place in the stream.
Threads and queues are the standard library's: under gunicorn's gevent worker they are greenlets.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from async_tasks import queries
from async_tasks.errors import StoreUnavailable
from async_tasks.ledger.record import Change
from async_tasks.web.history import History
from async_tasks.web.sse import position
from async_tasks.web.subscriptions import PAGE, RETRY_MAX, RETRY_MIN, Event, Subscription, is_past, topics, topics_of

if TYPE_CHECKING:
    from async_tasks.engine import App

T = TypeVar("T")

logger = logging.getLogger(__name__)

BLOCK: Final = 25.0  # seconds that one read of the store waits for a change
LINGER: Final = 5.0  # seconds that the reader goes on after the last subscription has left
TURNS: Final = 100  # questions to the store at a time, for those who begin or catch up: thousands may come at once
PATIENCE: Final = 10.0  # seconds that such a question may wait for its turn: that is no fault of the store


class Hub:
    """Reads changes while somebody watches, and hands them on."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.closed = threading.Event()
        self._turns = threading.BoundedSemaphore(TURNS)
        self._lock = threading.Lock()
        self._by_topic: dict[str, set[Subscription]] = {}
        self._all: set[Subscription] = set()
        self._reader: threading.Thread | None = None
        self._history: History  # set with the first reader
        self._looking_back = threading.Lock()
        self._unsure = False  # whether the reader may not be where the store is
        self._last_left = 0.0

    def subscribe(
        self, ids: Collection[str] | None = None, after: str | None = None, *, submitter: str | None = None
    ) -> Subscription:
        """Watch some tasks, those of a submitter, both, or (with neither) all.

        Args:
            ids: the tasks' ids.
            after: the place in the stream after which changes are wanted; None: from now on.
            submitter: ``submitted_by`` of tasks, those of the future too.

        Raises:
            InvalidOption: if ``after`` is no place in the stream.
            StoreUnavailable: if the store does not answer.
        """
        if after is not None:
            position(after)
        wanted = topics(ids, submitter)
        latest: str | None = None
        while True:
            with self._lock:
                # A reader that reads knows the newest place, and thousands may begin at once.
                if latest is not None or (self._reader is not None and (after is not None or not self._unsure)):
                    return self._add(wanted, after, latest)
            latest = self.ask(queries.latest_change)

    def _add(self, wanted: frozenset[str] | None, after: str | None, latest: str | None) -> Subscription:
        if self._reader is None and latest is not None:
            self._history, self._unsure = History(latest), False
            self._reader = threading.Thread(target=self._read, name="async-tasks-changes", daemon=True)
            self._reader.start()
        # Where the reader is, unless the store is further: what lies before it has been handed on.
        begin = max(self._history.end, latest or "0-0", key=position)
        subscription = Subscription(self, wanted, begin if after is None else after, behind=after is not None)
        for watchers in self._places(wanted, make=True):
            watchers.add(subscription)
        return subscription

    def missed(self, after: str) -> list[Event] | None:
        """What came after a place in the stream.

        Returns:
            The changes, without their records; None if the store no longer has all of them.

        Raises:
            StoreUnavailable: if the store was needed and did not answer.
        """
        place = position(after)
        with self._lock:
            events = self._history.after(place)
        if events is not None:
            return events
        # One looks back for all: they were cut off together, and ask for the same.
        if not self._looking_back.acquire(timeout=PATIENCE):
            raise StoreUnavailable("Too many look back at once")
        try:
            return self._look_back(after, place)
        finally:
            self._looking_back.release()

    def _look_back(self, after: str, place: tuple[int, int]) -> list[Event] | None:
        while True:
            with self._lock:
                start, events = self._history.start, self._history.after(place)
            if events is not None:
                return events
            older: list[Change] = []
            cursor = after
            while position(cursor) < start and (page := self.ask(queries.changes, cursor, block=0, count=PAGE)):
                older += page
                cursor = page[-1].cursor
            # Asked last: what was trimmed while we read is missing too.
            if self.ask(is_past, after):
                return None
            with self._lock:
                # If it begins later by now than what was read goes: once more.
                if self._history.start <= max(position(cursor), start):
                    self._history.prepend(place, [Event(change, None) for change in older])

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a subscription; again is no error."""
        with self._lock:
            for watchers in self._places(subscription.topics):
                watchers.discard(subscription)
            for topic in subscription.topics or ():
                if not self._by_topic.get(topic, True):
                    del self._by_topic[topic]
            self._last_left = time.monotonic()

    def ask(self, question: Callable[..., T], *args: Any, **options: Any) -> T:
        """Put a question to the store when it is this caller's turn.

        Raises:
            StoreUnavailable: if the store does not answer, or has too many to answer.
        """
        if not self._turns.acquire(timeout=PATIENCE):
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

    def _places(self, wanted: Collection[str] | None, *, make: bool = False) -> list[set[Subscription]]:
        if wanted is None:
            return [self._all]
        if make:
            return [self._by_topic.setdefault(topic, set()) for topic in wanted]
        return [self._by_topic[topic] for topic in wanted if topic in self._by_topic]

    def _everybody(self) -> set[Subscription]:
        return self._all.union(*self._by_topic.values())

    def _read(self) -> None:
        pause = RETRY_MIN
        while not self.closed.is_set() and not self._is_idle():
            try:
                place = self._history.end
                changes = queries.changes(self.app, place, block=0 if self._unsure else BLOCK, count=PAGE)
                # Trimmed past the place where we were, by many changes at once or while the store was away?
                if (self._unsure or len(changes) >= PAGE) and is_past(self.app, place):
                    self._begin_anew(queries.latest_change(self.app))
                else:
                    self._hand_on(changes)
            except Exception as exc:  # whatever it is, people go on watching
                if not isinstance(exc, StoreUnavailable):
                    logger.exception("Reading changes failed; trying again")
                self._unsure = True
                self.closed.wait(pause)
                pause = min(pause * 2, RETRY_MAX)
                continue
            pause = RETRY_MIN
            self._unsure = len(changes) >= PAGE

    def _is_idle(self) -> bool:
        with self._lock:
            idle = not self._all and not self._by_topic and time.monotonic() - self._last_left > LINGER
            if idle:
                self._reader = None  # under the lock: the next subscription starts another
            return idle

    def _hand_on(self, changes: Sequence[Change]) -> None:
        with self._lock:
            for change in changes:
                event = Event(change, None)  # what is remembered holds no records: they may be large
                self._history.append(change.cursor, event)
                for subscription in self._all:
                    subscription.offer(event)
            watched = [change for change in changes if any(topic in self._by_topic for topic in topics_of(change))]
        if not watched:
            return
        try:
            records = queries.get_many(self.app, list({change.id for change in watched}))
        except StoreUnavailable:
            self._fall_behind(watched)
            raise
        with self._lock:
            for change in watched:
                event = Event(change, records.get(change.id))
                for subscription in self._watchers(change):
                    subscription.offer(event)

    def _fall_behind(self, changes: Sequence[Change]) -> None:
        with self._lock:
            for change in changes:
                for subscription in self._watchers(change):
                    subscription.fall_behind()

    def _watchers(self, change: Change) -> set[Subscription]:
        return {each for topic in topics_of(change) for each in self._by_topic.get(topic, ())}

    def _begin_anew(self, latest: str) -> None:
        with self._lock:
            self._history = History(latest)
            for subscription in self._everybody():
                subscription.fall_behind()
