"""Workers, by what they say of themselves every few seconds; the store's clock says how long that is ago."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgpack

from async_tasks.ledger.connection import PREFIX, StoreConnection
from async_tasks.ledger.message import ms, pack
from async_tasks.ledger.record import Record
from async_tasks.ledger.record import rfc3339 as moment

#: Seconds between two heartbeats of a worker.
BEAT: Final = 2.0
#: Seconds without one after which a worker is lost: it was killed, or cut off from the store.
LOST_AFTER: Final = 15.0
#: Seconds for which a lost one is still shown.
REMEMBERED: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What a worker says of itself."""

    host: str
    pid: int
    version: str
    pool: str
    size: int  # tasks that it runs at a time
    queues: tuple[str, ...]
    memory: int | None  # bytes, of its main process and its pool's; None: this system does not tell
    taken: int  # messages that it holds, those of running tasks among them
    done: int  # tasks since it started
    dispatcher: bool  # whether its dispatcher is there
    stopping: bool  # whether it has been asked to stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One worker. Times are milliseconds since the epoch, by the store's clock."""

    name: str
    since: int
    heard_at: int
    now: int
    sign: Sign
    running: tuple[Record, ...] = ()  # what the ledger says that it runs, longest first

    @property
    def silent_for(self) -> int:
        """Milliseconds since its last heartbeat."""
        return max(0, self.now - self.heard_at)

    @property
    def lost(self) -> bool:
        """Whether it has not been heard for so long that it must be dead, or cut off."""
        return self.silent_for > LOST_AFTER * 1000

    @property
    def state(self) -> str:
        """``lost``, ``stopping``, ``busy`` or ``idle``."""
        if self.lost:
            return "lost"
        if self.sign.stopping:
            return "stopping"
        return "busy" if self.running else "idle"

    def public(self) -> dict[str, Any]:
        """As the API shows it."""
        said = asdict(self.sign)
        return {
            "name": self.name,
            "state": self.state,
            **{name: said[name] for name in ("host", "pid", "version", "pool", "size", "queues", "memory")},
            "running": [
                {
                    "id": record.id,
                    "name": record.name,
                    "queue": record.queue,
                    "attempt": record.attempts,
                    "started_at": moment(record.started_at),
                }
                for record in self.running
            ],
            "done": self.sign.done,
            "dispatcher": self.sign.dispatcher,
            "started_at": moment(self.since),
            "heard_at": moment(self.heard_at),
        }


class Workers:
    """The workers' entries in the store; every method raises StoreUnavailable when it does not answer in time."""

    def __init__(self, connection: StoreConnection) -> None:
        self.connection = connection
        self.client = connection.client

    def beat(self, name: str, owner: str, uptime: float, sign: Sign) -> frozenset[str]:
        """Say that a worker lives; ``owner`` is unique to this start of it, ``uptime`` is seconds.

        Returns:
            The queues that are paused.
        """
        paused = self.connection.script("beat", name, owner, ms(uptime, 1000), pack(asdict(sign)), REMEMBERED)
        return frozenset(queue.decode() for queue in paused)

    def leave(self, name: str, owner: str) -> None:
        """Forget a worker that ends."""
        self.connection.script("leave", name, owner)

    def all(self) -> list[Worker]:
        """Every worker that was heard of late, by name; without what it runs."""

        def read() -> tuple[Any, list[tuple[bytes, float]], list[Mapping[bytes, bytes]]]:
            with self.client.pipeline(transaction=False) as pipe:
                pipe.time()
                pipe.zrange(f"{PREFIX}workers", 0, -1, withscores=True)
                now, heard = pipe.execute()
                for name, _ in heard:
                    pipe.hgetall(f"{PREFIX}worker:{name.decode()}")
                return now, heard, pipe.execute()

        now, heard, entries = self.connection.call(read)
        clock = int(now[0]) * 1000 + int(now[1]) // 1000
        found = [
            _worker(name.decode(), int(at), clock, entry)
            for (name, at), entry in zip(heard, entries, strict=True)
            if entry
        ]
        return sorted(found, key=lambda worker: worker.name)


def _worker(name: str, heard_at: int, now: int, entry: Mapping[bytes, bytes]) -> Worker:
    said = msgpack.unpackb(entry[b"said"])
    sign = Sign(**{"memory": None, **said, "queues": tuple(said["queues"])})
    return Worker(name=name, since=int(float(entry[b"since"])), heard_at=heard_at, now=now, sign=sign)
