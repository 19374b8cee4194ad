"""What operators command: queues that pause or are purged, limits of tasks, schedules that pause.

It is written here and holds at once for every claim; dispatchers and workers carry out what takes longer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from async_tasks.ledger.connection import PREFIX, StoreConnection
from async_tasks.ledger.reader import record as _record
from async_tasks.ledger.record import Record, State

#: Records moved by one call, so that nothing else waits for it.
CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Command:
    """A command that holds: who gave it, and when (milliseconds since the epoch)."""

    at: int
    by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How many messages a queue of the broker held, and when that was seen (milliseconds since the epoch)."""

    messages: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits in one queue. Times are milliseconds since the epoch, by the store's clock."""

    sent: int  # the broker has it
    held: int  # its message was taken from the broker, and it may not start yet
    oldest: int | None  # since when the first of them waits
    depth: Depth | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """The limits of one task, and what they do."""

    name: str
    declared: Mapping[str, Any] | None  # rate_limit, every (ms), concurrency; None: none
    set: Mapping[str, Any] | None  # the same by an operator, with at and by
    running: int  # slots that are taken up
    waiting: int

    @property
    def holds(self) -> Mapping[str, Any]:
        """The limit that holds."""
        return self.declared or {} if self.set is None else self.set


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """What the ledger knows of one schedule."""

    next_at: int | None
    paused: Command | None
    last_id: str | None


class Controls:
    """Commands and their effects in the store; every method raises StoreUnavailable when it does not answer in time."""

    def __init__(self, connection: StoreConnection) -> None:
        self.connection = connection
        self.client = connection.client

    # -- queues ----------------------------------------------------------------------------------------

    def pause(self, queue: str, by: str | None) -> bool:
        """Let nothing of a queue start any more; whether that is a change."""
        return bool(self.connection.script("pause", queue, "pause", _who(by)))

    def resume(self, queue: str) -> bool:
        """Let a queue go on; whether that is a change."""
        return bool(self.connection.script("pause", queue, "resume"))

    def paused(self) -> dict[str, Command]:
        """The queues that are paused, each with who did it."""
        return self._commands("paused:")

    def purge(self, queue: str, by: str | None) -> tuple[int, bool]:
        """Begin to revoke what waits in a queue now; how many were, and whether there are more for dispatchers."""
        return self._purge(queue, _who(by))

    def go_on_purging(self, queue: str) -> tuple[int, bool]:
        """Go on with what :meth:`purge` has begun."""
        return self._purge(queue, "")

    def _purge(self, queue: str, who: str) -> tuple[int, bool]:
        count, more = self.connection.script("purge", queue, who, CHUNK)
        return int(count), bool(more)

    def note_depths(self, depths: Mapping[str, int]) -> None:
        """Note how many messages queues of the broker hold."""

        def note() -> None:
            seconds, _ = self.client.time()
            values: Any = {queue: json.dumps({"messages": n, "at": int(seconds) * 1000}) for queue, n in depths.items()}
            self.client.hset(f"{PREFIX}depths", mapping=values)

        self.connection.call(note)

    def waiting(self, queues: Iterable[str]) -> dict[str, Waiting]:
        """What waits in each of these queues."""
        names = list(queues)

        def read() -> Any:
            with self.client.pipeline(transaction=False) as pipe:
                pipe.hgetall(f"{PREFIX}depths")
                for name in names:
                    for kind in ("waiting", "held"):
                        pipe.zcard(f"{PREFIX}{kind}:{name}")
                        pipe.zrange(f"{PREFIX}{kind}:{name}", 0, 0, withscores=True)
                return pipe.execute()

        depths, *answers = self.connection.call(read)
        found = {}
        for at, name in enumerate(names):
            sent, first, held, first_held = answers[4 * at : 4 * at + 4]
            oldest = min((int(score) for _, score in (*first, *first_held)), default=None)
            depth = depths.get(name.encode())
            found[name] = Waiting(
                sent=sent, held=held, oldest=oldest, depth=Depth(**json.loads(depth)) if depth else None
            )
        return found

    def first_waiting(self, queue: str, count: int) -> list[Record]:
        """What waits in a queue, longest first; at most so many."""

        def read() -> Any:
            with self.client.pipeline(transaction=False) as pipe:
                for kind in ("waiting", "held"):
                    pipe.zrange(f"{PREFIX}{kind}:{queue}", 0, count - 1, withscores=True)
                return pipe.execute()

        entries = sorted(entry for found in self.connection.call(read) for entry in found)
        in_order = sorted(entries, key=lambda entry: entry[1])[:count]
        return self._records([raw.decode() for raw, _ in in_order])

    def _records(self, ids: list[str]) -> list[Record]:
        keys = [f"{PREFIX}task:{task_id}" for task_id in ids]
        documents: Any = self.connection.call(lambda: self.client.mget(keys)) if keys else []
        return [record for document in documents if (record := _record(document))]

    def running(self, most: int) -> list[Record]:
        """What runs, by the leases; at most so many, those that have run longest first."""
        raws: Any = self.connection.call(lambda: self.client.zrange(f"{PREFIX}leases", 0, most - 1))
        records = [record for record in self._records([raw.decode() for raw in raws]) if record.state is State.STARTED]
        return sorted(records, key=lambda record: record.started_at or 0)

    # -- limits ----------------------------------------------------------------------------------------

    def limit(self, source: Literal["declared", "set"], limits: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Limit tasks (``rate_limit`` in words, ``every`` in ms, ``concurrency``); None takes a limit away again."""
        flat = [part for name, limit in limits.items() for part in (name, "" if limit is None else json.dumps(limit))]
        if flat:
            self.connection.script("limits", source, *flat)

    def limits(self) -> dict[str, Limited]:
        """Every task with a limit that is declared or set, by name."""

        def read() -> Any:
            with self.client.pipeline(transaction=False) as pipe:
                for source in ("declared", "set"):
                    pipe.hgetall(f"{PREFIX}limits:{source}")
                declared, chosen = pipe.execute()
                names = sorted({*declared, *chosen})
                for name in names:
                    for kind in ("running", "limited"):
                        pipe.zcard(f"{PREFIX}{kind}:{name.decode()}")
                return declared, chosen, names, pipe.execute()

        declared, chosen, names, counts = self.connection.call(read)
        return {
            name.decode(): Limited(
                name=name.decode(),
                declared=json.loads(declared[name]) if name in declared else None,
                set=json.loads(chosen[name]) if name in chosen else None,
                running=counts[2 * at],
                waiting=counts[2 * at + 1],
            )
            for at, name in enumerate(names)
        }

    # -- schedules -------------------------------------------------------------------------------------

    def pause_schedule(self, name: str, by: str | None) -> None:
        """Let a schedule submit nothing."""
        self.connection.script("schedules", "pause", name, _who(by))

    def resume_schedule(self, name: str, following: int) -> None:
        """Let a schedule go on, with the run at that moment (milliseconds since the epoch) as its next."""
        self.connection.script("schedules", "resume", name, following)

    def note_run(self, name: str, task_id: str) -> None:
        """Note what a schedule has submitted."""
        self.connection.script("schedules", "ran", name, task_id)

    def timetables(self) -> dict[str, Timetable]:
        """What is known of every schedule, by name."""

        def read() -> Any:
            with self.client.pipeline(transaction=False) as pipe:
                pipe.zrange(f"{PREFIX}schedules", 0, -1, withscores=True)
                pipe.hgetall(f"{PREFIX}schedules:last")
                return pipe.execute()

        entries, last = self.connection.call(read)
        moments = {name.decode(): int(at) for name, at in entries}
        paused = self._commands("schedule:")
        ids = {name.decode(): task_id.decode() for name, task_id in last.items()}
        return {
            name: Timetable(next_at=moments.get(name), paused=paused.get(name), last_id=ids.get(name))
            for name in {*moments, *paused, *ids}
        }

    # -- dispatchers -----------------------------------------------------------------------------------

    def errands(self, most: int) -> tuple[float | None, list[tuple[str, str]]]:
        """Seconds until there is something to see to (None: nothing is known), and what there is now: kind and name."""
        first, *due = self.connection.script("errands", most)
        return None if first < 0 else first / 1000, [_errand(raw.decode()) for raw in due]

    def let_go(self, task: str) -> None:
        """Let as many of a task go as its limit allows now."""
        self.connection.script("let_go", task, CHUNK)

    def let_queue_go(self, queue: str) -> None:
        """Let go what was held as its queue was paused."""
        self.connection.script("resume", queue, CHUNK)

    def _commands(self, prefix: str) -> dict[str, Command]:
        entries: Any = self.connection.call(lambda: self.client.hgetall(f"{PREFIX}controls"))
        return {
            field.decode().removeprefix(prefix): _command(value)
            for field, value in entries.items()
            if field.decode().startswith(prefix)
        }


def _command(raw: bytes) -> Command:
    said = json.loads(raw)
    return Command(at=int(said["at"]), by=said.get("by"))


def _who(by: str | None) -> str:
    return json.dumps({} if by is None else {"by": by})


def _errand(text: str) -> tuple[str, str]:
    kind, _, name = text.partition(":")
    return kind, name
