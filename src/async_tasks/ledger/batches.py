"""Batches in the ledger: recorded a chunk at a time, counted by the moves of their records, read in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import msgpack

from async_tasks.ledger.connection import PREFIX, StoreConnection
from async_tasks.ledger.message import Push, Sending, pack
from async_tasks.ledger.record import FINAL, Record, State, rfc3339

#: Seconds for which a batch is kept that has no record of its own: all of its tasks were unique, and there already.
UNOWNED: Final = 30 * 86400

#: Records that are read at first, before it is known how large they are; later at most, and bytes of them.
FEW: Final = 10
MANY: Final = 200
HELD: Final = 2 << 20

#: Ids that are asked to stop in one script.
CANCELLED: Final = 250


class Answer(NamedTuple):
    """What became of one submission of a batch: an outcome of ``Submitted``, its id, and whether to publish it now."""

    outcome: str
    id: str
    publish_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a batch begins with."""

    id: str
    total: int  # entries
    names: Sequence[str]  # of its tasks, each once
    file: str | None = None  # that it was made of
    submitted_by: str | None = None

    def document(self) -> bytes:
        """As the script takes it."""
        return pack({"names": "\n".join(self.names), "file": self.file, "submitted_by": self.submitted_by})


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """What is known of one batch. Times are milliseconds since the epoch, by the store's clock.

    Attributes:
        id: its own.
        names: of its tasks, in the order in which they first occur.
        file: name of the file that it was made of.
        submitted_by: who submitted it.
        submitted_at: when its first entry was recorded.
        total: entries.
        written: entries that have been recorded, or found there; less than all if the request broke off.
        recorded: records of its own; the others are of unique tasks that were there already.
        states: how many of its records that are still kept are in each state.
        started_at: when its first task started.
        finished_at: when its last task to finish did, so far.
        first_failure: the id of the task that failed first.
        removed: finished records that were kept long enough.
    """

    id: str
    names: tuple[str, ...]
    file: str | None
    submitted_by: str | None
    submitted_at: int
    total: int
    written: int
    recorded: int
    states: Mapping[State, int]
    started_at: int | None
    finished_at: int | None
    first_failure: str | None
    removed: int

    @property
    def unfinished(self) -> int:
        """Records that may still run."""
        return sum(count for state, count in self.states.items() if state not in FINAL)

    @property
    def done(self) -> int:
        """Entries that need nothing more."""
        return self.written - self.unfinished

    @property
    def finished(self) -> bool:
        """Whether every entry is recorded, and nothing of it may still run."""
        return self.done == self.total

    @property
    def elsewhere(self) -> int:
        """Entries for which a task stands that was there already."""
        return max(0, self.written - self.recorded)

    def rate(self, now: int) -> float | None:
        """Tasks that finished a second, on average since the first started; None as long as nothing tells."""
        ended = self.recorded - self.unfinished
        until = now if self.unfinished else self.finished_at
        if not ended or self.started_at is None or until is None or until <= self.started_at:
            return None
        return ended / (until - self.started_at) * 1000

    def expected_at(self, now: int) -> int | None:
        """When it will have finished if it goes on like that; None if nothing tells, or it has."""
        rate = self.rate(now)
        return now + round(self.unfinished / rate * 1000) if rate and self.unfinished else None

    def public(self, now: int) -> dict[str, Any]:
        """The batch as the contract shows it to callers; times as RFC 3339 strings."""
        rate = self.rate(now)
        return {
            "id": self.id,
            "names": list(self.names),
            "file": self.file,
            "submitted_by": self.submitted_by,
            "submitted_at": rfc3339(self.submitted_at),
            "started_at": rfc3339(self.started_at),
            "finished_at": rfc3339(self.finished_at) if self.finished else None,
            "finished": self.finished,
            "progress": {"done": self.done, "total": self.total, "message": None},
            "states": {str(state): self.states.get(state, 0) for state in State},
            "missing": self.total - self.written,
            "duplicates": self.elsewhere,
            "removed": self.removed,
            "rate": None if rate is None else round(rate, 3),
            "expected_at": rfc3339(self.expected_at(now)),
            "first_failure": self.first_failure,
            "links": {
                "self": f"/api/v1/batches/{self.id}",
                "results": f"/api/v1/batches/{self.id}/results",
                "tasks": f"/api/v1/tasks?batch_id={self.id}",
                "page": f"/batches/{self.id}",
            },
        }


class Batches:
    """Batches; every method raises StoreUnavailable when the store does not answer in time."""

    def __init__(self, connection: StoreConnection) -> None:
        self.connection = connection
        self.client = connection.client

    def submit(
        self,
        head: Head,
        first: int,
        sendings: Sequence[tuple[Sending, Push | None]],
        *,
        grace: float | None,
    ) -> list[Answer]:
        """Record the next submissions of a batch in one script, which serves nobody else meanwhile.

        Args:
            head: of the batch.
            first: the place of the first of them.
            sendings: with the message as the broker keeps it where that is this store; then it is published, too.
            grace: seconds that the caller has to publish the others; None: a dispatcher is to, at once.
        """
        flat: list[Any] = [head.id, first, head.total, head.document(), UNOWNED]
        for sending, push in sendings:
            arguments = sending.arguments(grace, push)
            flat += [sending.draft.id, len(arguments), *arguments]
        found = self.connection.script("submit_many", *flat)
        return [Answer(found[i].decode(), found[i + 1].decode(), bool(found[i + 2])) for i in range(0, len(found), 3)]

    def get(self, batch_id: str) -> tuple[BatchRecord | None, int]:
        """A batch, and the store's time."""
        (found,), now = self._many([batch_id])
        return found, now

    def newest(self, *, before: tuple[int, str] | None, count: int) -> tuple[list[BatchRecord], int]:
        """The batches that were begun last, newest first, and the store's time.

        Args:
            before: strictly after this (time, id) in that order.
            count: at most so many.
        """
        key = f"{PREFIX}batches"
        places: list[tuple[int, str]] = []
        offset = 0
        while len(places) < count:
            top: Any = "+inf" if before is None else before[0]
            read = partial(self.client.zrevrangebyscore, key, top, "-inf", start=offset, num=count, withscores=True)
            chunk: Any = self.connection.call(read)
            entries = [(int(score), member.decode()) for member, score in chunk]
            places += [place for place in entries if before is None or place < before]
            if len(chunk) < count:
                break
            offset += count
        found, now = self._many([batch_id for _, batch_id in places[:count]])
        return [batch for batch in found if batch is not None], now

    def ids(self, batch_id: str) -> list[str | None]:
        """The ids of a batch in the order of its entries; None where the request broke off."""
        raws: Any = self.connection.call(lambda: self.client.hgetall(f"{PREFIX}order:{batch_id}"))
        ids: list[str | None] = []
        for first, raw in sorted((int(first), raw) for first, raw in raws.items()):
            chunk = msgpack.unpackb(raw)
            ids += [None] * (first + len(chunk) - len(ids))
            ids[first : first + len(chunk)] = chunk
        return ids

    def records(self, batch_id: str) -> Iterator[tuple[list[str | None], list[Record | None]]]:
        """The ids of a batch with their records, in its order, a few megabytes at a time."""
        ids = self.ids(batch_id)
        at, count = 0, FEW
        while at < len(ids):
            part = ids[at : at + count]
            keys = [f"{PREFIX}task:{task_id or ''}" for task_id in part]
            raws: Any = self.connection.call(partial(self.client.mget, keys))
            yield part, [Record.from_document(msgpack.unpackb(raw)) if raw else None for raw in raws]
            at += len(part)
            size = sum(len(raw) for raw in raws if raw) / len(part)
            count = max(1, min(MANY, int(HELD // max(size, 1))))

    def cancel(self, batch_id: str) -> Iterator[tuple[int, int]]:
        """Cancel what has not finished, a chunk at a time: how many never start, how many are asked to stop."""
        # The last first: workers take the first meanwhile.
        members = [task_id for task_id in reversed(self.ids(batch_id)) if task_id is not None]
        for start in range(0, len(members), CANCELLED):
            part = members[start : start + CANCELLED]
            cancelled, stopping = self.connection.script("cancel_many", batch_id, *part)
            yield int(cancelled), int(stopping)

    def _many(self, ids: Sequence[str]) -> tuple[list[BatchRecord | None], int]:
        def read() -> Any:
            with self.client.pipeline(transaction=False) as pipe:
                pipe.time()
                for batch_id in ids:
                    pipe.hgetall(f"{PREFIX}batch:{batch_id}")
                return pipe.execute()

        (seconds, micros), *raws = self.connection.call(read)
        now = int(seconds) * 1000 + int(micros) // 1000
        return [_batch(batch_id, raw) for batch_id, raw in zip(ids, raws, strict=True)], now


def _batch(batch_id: str, raw: Mapping[bytes, bytes]) -> BatchRecord | None:
    doc = {name.decode(): value.decode() for name, value in raw.items()}
    if "submitted_at" not in doc:
        return None
    return BatchRecord(
        id=batch_id,
        names=tuple(doc["names"].split("\n")),
        file=doc.get("file"),
        submitted_by=doc.get("submitted_by"),
        submitted_at=int(doc["submitted_at"]),
        total=int(doc["total"]),
        written=int(doc["written"]),
        recorded=int(doc.get("recorded", 0)),
        states={state: int(doc[state]) for state in State if state in doc},
        started_at=_whole(doc.get("started_at")),
        finished_at=_whole(doc.get("finished_at")),
        first_failure=doc.get("first_failure"),
        removed=int(doc.get("removed", 0)),
    )


def _whole(text: str | None) -> int | None:
    return None if text is None else int(float(text))
