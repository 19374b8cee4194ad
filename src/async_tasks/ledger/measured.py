"""What is counted at the moves of records: how many, how long they waited and ran, how they failed, what waits.

It is counted by the minute in ``scripts/counting.lua``, and packed by ``scripts/measures.lua``: minutes are kept for 3
hours, ten minutes for 26 hours, hours for 8 days. A length of time is counted in a bin whose end is a fifth above its
beginning: a percentile read from bins is at most a tenth off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final, Literal

import msgpack

from async_tasks.ledger.connection import BIN, PREFIX, StoreConnection

MINUTE: Final = 60_000

#: How often what happened, by its letter and what stands behind it (see ``scripts/counting.lua``).
Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was counted from one moment on, by name: of a task, or of a queue (``d``)."""

    at: int  # milliseconds since the epoch, by the store's clock
    counts: Mapping[str, Counts]


@dataclass(frozen=True, slots=True)
class Reading:
    """Buckets, the oldest first and the last one open, and how things are now."""

    at: int  # milliseconds since the epoch, by the store's clock
    buckets: Sequence[Bucket]
    running: int
    due: int  # delayed, to be tried again, or on the way to a queue
    waiting: Mapping[str, int]  # messages in each queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Failures of one type that arose in one place; times are milliseconds since the epoch."""

    fingerprint: str
    type: str
    message: str  # of the newest, not more than 1,000 bytes
    where: str  # file, line and function of the newest; empty: it arose in no code
    name: str  # task of the newest
    example: str  # id of the newest
    first: int
    last: int


class Measured:
    """Reads what was counted; every method raises StoreUnavailable when the store does not answer in time."""

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection

    def sample(self, queues: Sequence[str], *, every: float, forget_after: float) -> None:
        """Count what waits in these queues, unless another has within ``every`` seconds.

        Args:
            queues: their names.
            every: seconds.
            forget_after: seconds after which a group of failures goes when there was no more of it.
        """
        self._connection.script("measures", "sample", round(every * 1000), round(forget_after * 1000), *queues)

    def read(self, minutes: Literal[1, 10, 60], count: int, queues: Sequence[str]) -> Reading:
        """The newest ``count`` buckets of so many minutes, and how things are now."""
        at, running, due, waiting, flat, *packed = self._connection.script("measures", "read", minutes, count, *queues)
        length = minutes * MINUTE
        start = at - at % length - (count - 1) * length
        buckets = [Bucket(start + i * length, _unpacked(raw)) for i, raw in enumerate(packed)]
        buckets[-1] = Bucket(buckets[-1].at, _with(buckets[-1].counts, _open(flat)))
        return Reading(int(at), buckets, running, due, dict(zip(queues, waiting, strict=True)))

    def groups(self) -> list[Group]:
        """Groups of failures, the one seen last first."""
        client = self._connection.client
        found: Any = self._connection.call(partial(client.zrevrange, f"{PREFIX}failures", 0, -1))

        def read() -> list[Any]:
            with client.pipeline(transaction=False) as pipe:
                for fingerprint in found:
                    pipe.hgetall(f"{PREFIX}failure:{fingerprint.decode()}")
                return pipe.execute()

        hashes = self._connection.call(read) if found else []
        # One may have gone in between.
        return [_group(raw.decode(), fields) for raw, fields in zip(found, hashes, strict=True) if fields]


def _group(fingerprint: str, fields: Mapping[bytes, bytes]) -> Group:
    # A text that was cut may end within a letter.
    known = {name.decode(): value.decode("utf-8", "ignore") for name, value in fields.items()}
    times = {name: int(float(known.pop(name))) for name in ("first", "last")}
    return Group(fingerprint=fingerprint, **known, **times)  # type: ignore[arg-type] # all others are texts


def _unpacked(raw: bytes) -> dict[str, Counts]:
    # What Lua packs of an empty table is an array.
    return {name: counts or {} for name, counts in (msgpack.unpackb(raw) if raw else {}).items()}


def _open(flat: Sequence[bytes]) -> Iterator[tuple[str, str, int]]:
    """The fields of a minute's hash: name, what, how often."""
    for field, count in zip(flat[::2], flat[1::2], strict=True):
        what, _, name = field.decode().partition(":")
        yield name, what, int(count)


def _with(counts: Mapping[str, Counts], more: Iterator[tuple[str, str, int]]) -> Mapping[str, Counts]:
    found = {name: dict(entries) for name, entries in counts.items()}
    for name, what, count in more:
        own = found.setdefault(name, {})
        own[what] = max(own.get(what, 0), count) if what == "d" else own.get(what, 0) + count
    return found


@cache
def length_of(number: int) -> float:
    """The length of time that a bin stands for, milliseconds: the geometric middle of what falls into it."""
    if number == 0:
        return 0.0
    shortest = math.ceil(BIN ** (number - 1))
    longest = math.ceil(BIN**number) - 1
    return math.sqrt(shortest * max(shortest, longest))


def percentile(bins: Mapping[int, int], part: float) -> float | None:
    """The length of time (ms) within which that part of them lies, at most a tenth off; None of none.

    Args:
        bins: how often, by the number of the bin.
        part: such as 0.95.
    """
    rank = math.ceil(part * sum(bins.values()))
    for number in sorted(bins):
        rank -= bins[number]
        if rank <= 0:
            return length_of(number)
    return None
