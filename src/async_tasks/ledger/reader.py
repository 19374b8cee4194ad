"""Reading the ledger: records, indexes, the store's clock and the stream of changes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgpack

from async_tasks.errors import StoreUnavailable
from async_tasks.ledger.batches import Batches
from async_tasks.ledger.connection import PREFIX, TRANSIENT, StoreConnection
from async_tasks.ledger.loglines import Log, LogLine
from async_tasks.ledger.measured import Measured
from async_tasks.ledger.record import Change, Record, State
from async_tasks.ledger.segment import SEGMENT, Segment
from async_tasks.ledger.uploads import Uploads

#: Segments read at a time, once more than a few are needed: a few hundred kilobytes.
MOST_SEGMENTS: Final = 16


class Reader:
    """Reads; every method raises StoreUnavailable when the store does not answer in time."""

    def __init__(self, connection: StoreConnection) -> None:
        self.connection = connection
        self.client = connection.client
        self.batches = Batches(connection)
        self.uploads = Uploads(connection)
        self._waker: Any = None
        #: What was counted of all records together.
        self.measured = Measured(connection)

    def ping(self) -> None:
        """Ask whether the store is there."""
        self.connection.call(self.client.ping)

    def now(self) -> int:
        """The store's clock, milliseconds since the epoch."""
        seconds, micros = self.connection.call(self.client.time)
        return int(seconds) * 1000 + int(micros) // 1000

    def get(self, task_id: str) -> Record | None:
        """The record of that id."""
        return next(iter(self.get_many([task_id]).values()), None)

    def get_many(self, ids: Sequence[str]) -> dict[str, Record]:
        """The records of those ids that have one."""
        if not ids:
            return {}
        keys = [f"{PREFIX}task:{task_id}" for task_id in ids]
        raws: Any = self.connection.call(lambda: self.client.mget(keys))
        return {found.id: found for raw in raws if raw and (found := record(raw))}

    def is_cancelled(self, task_id: str) -> bool:
        """Whether somebody has asked for the end of that task."""
        found = self.get(task_id)
        return found is not None and found.cancel_requested

    def read_log(self, task_id: str) -> Log:
        """What a task has logged, as far as it is kept."""
        raws: Any = self.connection.call(lambda: self.client.lrange(f"{PREFIX}log:{task_id}", 0, -1))
        return Log([LogLine.unpack(raw) for raw in raws])

    def find(
        self,
        wanted: Mapping[str, str] | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        before: int | None = None,
    ) -> Iterator[Segment]:
        """Which numbers belong to records with all of these values, newest first; read as they are asked for.

        Args:
            wanted: values by the names of indexed fields.
            since: not older than that, milliseconds since the epoch.
            until: not newer than that.
            before: only numbers less than that.
        """
        keys = [f"{field}:{value}" for field, value in (wanted or {}).items()]
        asked = keys or [f"state:{state}" for state in State]
        at_once = 1
        while True:
            bounds = ["" if bound is None else bound for bound in (before, since, until)]
            more, *rest = self.connection.script("find", *bounds, at_once, *asked)
            width = 3 + len(asked)
            for i in range(0, len(rest), width):
                segment, low, high, *found = rest[i : i + width]
                # Every record has one of the states.
                yield Segment(segment * SEGMENT, low, high, found, union=not keys)
                before = segment * SEGMENT
            if not more:
                return
            at_once = min(at_once * 4, MOST_SEGMENTS)

    def numbered(self, numbers: Sequence[int]) -> list[Record | None]:
        """The records of those numbers, in their order; None for one that is there no more."""
        return [record(raw) for raw in self.connection.script("numbered", *numbers)] if numbers else []

    def waits_longer_than(self, queue: str, seconds: float) -> bool:
        """Whether a record has been in this queue for that long."""

        def oldest() -> bool:
            head: Any = self.client.zrange(f"{PREFIX}waiting:{queue}", 0, 0, withscores=True)
            if not head:
                return False
            now: Any = self.client.time()
            return bool(now[0] + now[1] / 1e6 - head[0][1] / 1000 >= seconds)

        return self.connection.call(oldest)

    def _listen(self) -> Any:
        return self.client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call] # redis-py's

    def sleep_until_woken(self, seconds: float) -> None:
        """Wait until a record has become due soon, at most so long. For one caller per process."""
        if self._waker is None:
            self._waker = self._listen()
            self.connection.call(lambda: self._waker.subscribe(f"{PREFIX}wake"))
        deadline = time.monotonic() + seconds
        try:
            while (left := deadline - time.monotonic()) > 0:
                if self._waker.get_message(timeout=left) is not None:
                    return
        except TRANSIENT as exc:
            self._waker.close()
            self._waker = None
            raise StoreUnavailable(f"The store went away: {exc}") from exc

    def wake(self) -> None:
        """Wake everybody who sleeps until a record becomes due."""
        self.connection.call(lambda: self.client.publish(f"{PREFIX}wake", "1"))

    def wait_for_end(self, task_id: str, timeout: float) -> Record | None:
        """The record as soon as it is final, or as it is after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        # Listen before looking: an end in between must not be missed.
        with self._listen() as listener:
            self.connection.call(lambda: listener.subscribe(f"{PREFIX}celery-task-meta-{task_id}"))
            try:
                while True:
                    # The first message is the confirmation of the subscription, the next the end. Waiting goes
                    # in steps, so that a lost message costs a second, not the wait.
                    listener.get_message(timeout=max(0.0, min(deadline - time.monotonic(), 1.0)))
                    found = self.get(task_id)
                    if found is None or found.finished or time.monotonic() >= deadline:
                        return found
            except TRANSIENT as exc:
                raise StoreUnavailable(f"The store went away: {exc}") from exc

    def dead_letters(self, count: int) -> list[dict[str, Any]]:
        """Messages that belong to no record and that nobody will run, newest first."""
        raws: Any = self.connection.call(lambda: self.client.lrange(f"{PREFIX}dead", 0, count - 1))
        return [msgpack.unpackb(raw) for raw in raws]

    def latest_change(self) -> str:
        """The place of the newest change in the stream."""
        last: Any = self.connection.call(lambda: self.client.xrevrange(f"{PREFIX}changes", count=1))
        return str(last[0][0].decode()) if last else "0-0"

    def oldest_change(self) -> str | None:
        """The place of the oldest change still kept."""
        first: Any = self.connection.call(lambda: self.client.xrange(f"{PREFIX}changes", count=1))
        return str(first[0][0].decode()) if first else None

    def changes(self, after: str, *, block: float, count: int) -> list[Change]:
        """Changes after that place; waits for one at most ``block`` seconds (0: not at all)."""
        # The socket's own timeout must not end the wait.
        # And nought would be for ever.
        block_ms = max(1, int(min(block, self.connection.timeout * 0.8) * 1000)) if block > 0 else None
        answer: Any = self.connection.call(
            lambda: self.client.xread({f"{PREFIX}changes": after}, count=count, block=block_ms)
        )
        return list(_changes(answer))


def _changes(answer: Any) -> Iterator[Change]:
    streams = answer.items() if isinstance(answer, dict) else answer or ()
    for _, entries in streams:
        batches = entries if entries and isinstance(entries[0], list) else [entries]
        for cursor, fields in (entry for batch in batches for entry in batch):
            yield Change(
                cursor.decode(),
                fields[b"id"].decode(),
                fields[b"name"].decode(),
                State(fields[b"state"].decode()),
                fields[b"event"].decode(),
                int(fields[b"at"]),
                fields[b"by"].decode() if b"by" in fields else None,
            )


def record(raw: bytes) -> Record | None:
    """The record of a stored document; None of none."""
    return Record.from_document(msgpack.unpackb(raw)) if raw else None
