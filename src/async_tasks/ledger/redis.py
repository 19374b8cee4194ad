"""The ledger itself: one round trip a move, compare-and-set in Lua with the store's clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, cast

from async_tasks.errors import AlreadyFinished, UnknownRecord
from async_tasks.ledger.connection import PREFIX
from async_tasks.ledger.controls import Controls
from async_tasks.ledger.loglines import LOG_BYTES, LOG_LINES, NewLine, pack_lines
from async_tasks.ledger.message import Draft, Envelope, Push, Sending, dumps, ms, pack
from async_tasks.ledger.reader import Reader
from async_tasks.ledger.reader import record as _record
from async_tasks.ledger.record import VERSION, Progress, Record, State
from async_tasks.ledger.workers import Workers

#: Seconds for which a trimmed id is still known as done: longer than any broker redelivers.
TOMBSTONE: Final = 30 * 86400

#: Messages kept that belong to no record.
DEAD_CAP: Final = 1000

Buried = Literal["ended", "left", "unknown"]
Ended = Literal["done", "again", "refused", "created"]
Heard = Literal["ok", "cancel", "lost"]
Verdict = Literal["run", "unknown", "gone", "finished", "stale", "held", "expired", "paused", "limited"]


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a submission: its record, and whether the caller is to publish it now.

    ``outcome``: "recorded"; "again": the same call once more; "known": that id has its record already and
    nothing was changed; "lost": a retry or replacement of a task whose claim is another's by now;
    "repeated": the idempotency key was used for the same before, and the record is the one it made;
    "conflict": it was used for something else, whose record this is;
    "duplicate": the task is unique, and this is the record of the one that is there.
    """

    outcome: Literal["recorded", "again", "known", "lost", "repeated", "conflict", "duplicate"]
    record: Record | None
    publish_now: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a worker that wants to run a message."""

    verdict: Verdict
    record: Record | None


@dataclass(frozen=True, slots=True)
class Due:
    """What a dispatcher took: messages by id, and the seconds until the next is due (None: nothing is)."""

    envelopes: dict[str, Envelope]
    next_in: float | None


class Ledger(Reader):
    """Moves of records. Every method raises StoreUnavailable when the store does not answer in time."""

    @cached_property
    def controls(self) -> Controls:
        """What operators command."""
        return Controls(self.connection)

    @cached_property
    def workers(self) -> Workers:
        """Who is there to run tasks."""
        return Workers(self.connection)

    # -- the door ------------------------------------------------------------------------------------

    def submit(self, sending: Sending, *, grace: float, push: Push | None = None) -> Submitted:
        """Record a submission with its message, before it is published.

        Args:
            sending: what to record.
            grace: seconds that the caller has to publish it, before a dispatcher does.
            push: the message as the broker keeps it, if this store is the broker: then it is published, too.
        """
        return _submitted(self.connection.script("submit", *sending.arguments(grace, push)))

    def submit_many(self, sendings: Sequence[Sending]) -> list[Submitted]:
        """Record submissions in one round trip, in order; a dispatcher publishes them."""
        calls = [sending.arguments(None) for sending in sendings]
        return [_submitted(answer) for answer in self.connection.scripts("submit", calls)]

    def published(self, confirmed: Iterable[tuple[str, Envelope]]) -> None:
        """Note that the broker has these messages, by the ids of their records."""
        flat = [part for task_id, envelope in confirmed for part in (task_id, envelope.routing_key, envelope.key)]
        if flat:
            self.connection.script("published", *flat)

    def push(self, due: Iterable[tuple[str, Envelope, Push]]) -> None:
        """Publish what was taken as due, where this store is the broker."""
        flat = [
            part
            for task_id, envelope, push in due
            for part in (task_id, envelope.routing_key, envelope.key, push.key, push.message)
        ]
        if flat:
            self.connection.script("push", *flat)

    def defer(self, ids: Iterable[str], seconds: float, why: str = "") -> None:
        """Let what could not be published come due again; ``why`` is told in the timelines."""
        self.connection.script("defer", ms(seconds, 1000), why, *ids)

    def cancel(self, task_id: str, *, running: bool = True) -> Record:
        """Revoke a waiting record, or ask a running one to stop.

        Raises:
            UnknownRecord: if there is no such record.
            AlreadyFinished: if it is final.
        """
        outcome, raw = self.connection.script("cancel", task_id, int(running))
        record = _record(raw)
        if record is None:
            raise UnknownRecord(task_id)
        if outcome == b"finished":
            raise AlreadyFinished(task_id, record.state)
        return record

    def cancel_many(self, ids: Sequence[str], why: str) -> list[tuple[str, Record | None]]:
        """Cancel records in one round trip, in order; ``why`` is told in the timelines.

        Returns:
            What came of each ("unknown", "finished", "cancelled" or "stopping"), and its record.
        """
        answers = self.connection.scripts("cancel", [(task_id, 1, why) for task_id in ids])
        return [(outcome.decode(), _record(raw)) for outcome, raw in answers]

    # -- the worker ----------------------------------------------------------------------------------

    def claim(
        self,
        task_id: str,
        message_key: str,
        *,
        owner: str,
        token: str,
        worker: str,
        lease: float,
        max_losses: int,
    ) -> Claim:
        """Ask to run a message; only on the verdict "run" may it be run, until the lease (seconds) runs out."""
        verdict, raw = self.connection.script(
            "claim", task_id, message_key, owner, token, worker, ms(lease, 1000), max_losses
        )
        return Claim(verdict.decode(), _record(raw))

    def adopt(self, draft: Draft, envelope: Envelope) -> None:
        """Record a message that came without a record; nothing if there is one after all."""
        self.connection.script("adopt", draft.document(), envelope.pack())

    def finish(
        self,
        task_id: str,
        state: State,
        *,
        owner: str = "",
        token: str = "",
        result: str | None = None,
        error: Mapping[str, Any] | None = None,
        exception: Any = None,
        children: Any = None,
        detail: str = "",
        name: str = "unknown",
        queue: str = "",
        cascade: bool = False,
    ) -> Ended:
        """End a record; "refused" if it is another's by now, or final. ``result`` is JSON text."""
        fields = {
            "v": VERSION,
            "name": name,
            "queue": queue,
            "result": result,
            "error": dumps(error),
            "exception": dumps(exception),
            "children": dumps(children or None),
        }
        answer: bytes = self.connection.script(
            "finish", task_id, state, owner, token, pack(fields), detail, int(cascade)
        )
        return cast("Ended", answer.decode())

    def revoke_followers(self, task_id: str) -> None:
        """Revoke what waited for a failed record and will never be sent."""
        self.connection.script("revoke_followers", task_id)

    def note(
        self, task_id: str, event: str = "", detail: str = "", *, error: Any = None, exception: Any = None
    ) -> None:
        """Add an event to an unfinished record's timeline, or the error that a retry follows."""
        fields = {"error": dumps(error), "exception": dumps(exception)}
        self.connection.script("note", task_id, event, detail, pack(fields) if error or exception else "")

    def progress(self, task_id: str, token: str, progress: Progress) -> Heard:
        """Store how far a running task is; tells whether it has been asked to stop."""
        answer: bytes = self.connection.script("progress", task_id, token, json.dumps(progress))
        return cast("Heard", answer.decode())

    def find_effect(self, task_id: str, token: str, key: str) -> tuple[Literal["done", "open", "lost"], Any]:
        """Whether the running task has done that before, and the value that it left."""
        answer, value = self.connection.script("find_effect", task_id, token, key)
        return answer.decode(), json.loads(value) if value else None

    def keep_effect(self, task_id: str, key: str, value: Any) -> None:
        """Remember that a task has done that."""
        self.connection.script("keep_effect", task_id, key, json.dumps(value))

    def log(self, task_id: str, attempt: int, lines: Sequence[NewLine]) -> None:
        """Keep what a run of a task has logged; again with the same lines changes nothing."""
        self.connection.script("log", task_id, attempt, LOG_LINES, LOG_BYTES, pack_lines(lines))

    def renew(self, owner: str, lease: float, ids: Iterable[str]) -> list[str]:
        """Say that these still run; the answer is those that have been asked to stop."""
        return [raw.decode() for raw in self.connection.script("renew", owner, ms(lease, 1000), *ids)]

    def hand_back(self, task_id: str, owner: str, why: str, max_losses: int) -> State | None:
        """Give a running record back to be run again; its state then, or None if it is not this worker's."""
        raw = self.connection.script("hand_back", task_id, owner, why, max_losses).decode()
        return State(raw) if raw else None

    def release(self, task_id: str, owner: str, why: str) -> State | None:
        """Give a running record back without counting a loss; its state then, or None if it is not this worker's."""
        raw = self.connection.script("release", task_id, owner, why).decode()
        return State(raw) if raw else None

    def succeed_worker(self, worker: str, owner: str, max_losses: int) -> int:
        """Give back what an earlier worker of that name was running when it died; how many records."""
        return int(self.connection.script("succeed", worker, owner, max_losses))

    # -- the dispatcher ------------------------------------------------------------------------------

    def take_due(self, *, limit: int, lease: float, worker_lease: float, max_losses: int) -> Due:
        """Take what is due to be published, end what has expired, and take over what has lost its worker.

        Args:
            limit: at most so many of each.
            lease: seconds for which what is taken is the caller's to publish.
            worker_lease: seconds that workers get to renew their leases after nobody has looked for a while, as then
                the store was away.
            max_losses: after which a record is a failure.
        """
        first, *pairs = self.connection.script("take", limit, ms(lease, 1000), ms(worker_lease, 1000), max_losses)
        envelopes = {pairs[i].decode(): Envelope.unpack(pairs[i + 1]) for i in range(0, len(pairs), 2)}
        return Due(envelopes, None if first < 0 else first / 1000)

    def register_schedule(self, name: str, text: str, at: int) -> None:
        """Let a schedule begin at that moment, unless it is known already, in these words."""
        self.connection.script("schedules", "register", name, text, at)

    def due_schedules(self) -> tuple[int, float | None, list[tuple[str, int]]]:
        """The store's time, the seconds until the next is due (None: none is), and what is due: names and moments."""
        now, next_in, *pairs = self.connection.script("schedules", "due")
        due = [(pairs[i].decode(), int(float(pairs[i + 1]))) for i in range(0, len(pairs), 2)]
        return int(now), None if next_in < 0 else next_in / 1000, due

    def advance_schedule(self, name: str, at: int, following: int) -> None:
        """Go on from one moment to the next, unless another dispatcher has."""
        self.connection.script("schedules", "advance", name, at, following)

    def republish_vanished(self, queue: str, *, older_than: float, limit: int, empty: bool = True) -> int:
        """Make records due that are said to wait in a queue and are not in it; how many.

        Args:
            queue: its name.
            older_than: seconds for which they have waited, or by which later ones have overtaken them.
            limit: at most so many.
            empty: whether the queue is known to be empty; else those are meant that were overtaken.
        """
        return int(self.connection.script("vanished", queue, ms(older_than, 1000), limit, int(empty)))

    def bury(self, task_id: str, message_key: str, state: State, why: str) -> Buried:
        """End the record of a message that will not be delivered any more."""
        kind = ("async_tasks.errors", "DeadLettered")
        answer: bytes = self.connection.script("bury", task_id, message_key, state, why, *kind)
        return cast("Buried", answer.decode())

    def keep_dead_letter(self, letter: Mapping[str, Any]) -> None:
        """Keep a message that belongs to no record, the newest of them only."""
        key = f"{PREFIX}dead"

        def keep() -> None:
            with self.client.pipeline() as pipe:
                pipe.lpush(key, pack({"at": self.now(), **letter}))
                pipe.ltrim(key, 0, DEAD_CAP - 1)
                pipe.execute()

        self.connection.call(keep)

    def trim(self, *, older_than: float, limit: int = 500) -> int:
        """Remove records that finished longer ago than that; how many."""
        return int(self.connection.script("trim", ms(older_than, 1000), limit, TOMBSTONE))

    def forget(self, task_id: str) -> None:
        """Remove one finished record."""
        self.connection.script("trim", 0, 0, TOMBSTONE, task_id)


def _submitted(answer: Any) -> Submitted:
    outcome, raw, now = answer
    return Submitted(outcome.decode(), _record(raw), bool(now))
