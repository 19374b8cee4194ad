"""How it goes: rates, waiting and run times and queues over a time, of all tasks or of one, and failures by cause."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from async_tasks.engine import App
from async_tasks.ledger.measured import MINUTE, Bucket, Counts, Group, percentile

#: Parts of all, for percentiles.
PARTS: Final[Mapping[str, float]] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Period:
    """A time up to now, in buckets of so many minutes; the last of them is still open."""

    name: str
    minutes: Literal[1, 10, 60]
    count: int

    @property
    def bucket(self) -> int:
        """The length of a bucket, milliseconds."""
        return self.minutes * MINUTE


PERIODS: Final[Mapping[str, Period]] = {
    period.name: period for period in (Period("hour", 1, 60), Period("day", 10, 144), Period("week", 60, 168))
}


class Totals:
    """What happened in some time to some tasks. Times are milliseconds."""

    def __init__(self, counts: Counts) -> None:
        #: Whether nothing happened; a queue has its depth and nothing else.
        self.empty = not counts.keys() - {"d"}
        self._by_letter: dict[str, int] = defaultdict(int)
        self._waits: dict[int, int] = {}
        self._runs: dict[int, int] = defaultdict(int)
        for what, count in counts.items():
            letter, rest = what[0], what[1:]
            self._by_letter[letter] += count
            if letter == "w":
                self._waits[int(rest)] = count
            elif rest and letter in "sfv":
                self._runs[int(rest)] += count
        self.submitted = self._by_letter["n"]
        self.started = self._by_letter["w"]
        self.succeeded = self._by_letter["s"]
        self.failed = self._by_letter["f"]
        self.revoked = self._by_letter["v"]
        self.retried = self._by_letter["r"]

    @property
    def failure_rate(self) -> float | None:
        """The part that failed of those that succeeded or failed; None: none did."""
        ended = self.succeeded + self.failed
        return self.failed / ended if ended else None

    @cached_property
    def wait(self) -> dict[str, float | None]:
        """Percentiles of the time from when a task could run to its start, of every attempt; at most a tenth off."""
        return {name: percentile(self._waits, part) for name, part in PARTS.items()}

    @cached_property
    def run(self) -> dict[str, float | None]:
        """Percentiles of how long the last attempt took; at most a tenth off."""
        return {name: percentile(self._runs, part) for name, part in PARTS.items()}


@dataclass(frozen=True, slots=True)
class Moment:
    """What happened in one bucket, and how many waited in each queue at most (None: nobody looked)."""

    at: int  # its beginning, milliseconds since the epoch
    totals: Totals
    depth: Mapping[str, int | None]

    @property
    def happened(self) -> bool:
        """Whether there is anything to tell of it."""
        return not self.totals.empty or any(self.depth.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """How it went in a period, and how it is now."""

    period: Period
    name: str | None  # of the task; None: all
    since: int  # milliseconds since the epoch, by the store's clock
    until: int
    totals: Totals
    series: Sequence[Moment]
    tasks: Mapping[str, Totals]  # of those that something happened to
    running: int  # of all tasks, now
    due: int  # delayed, to be tried again, or on the way to a queue; of all tasks, now
    waiting: Mapping[str, int]  # messages in each queue, now


def overview(app: App, period: Period, name: str | None = None) -> Overview:
    """How it went: of all tasks, or of one.

    Raises:
        StoreUnavailable: if the ledger did not answer in time.
    """
    queues = app.queue_names
    reading = app.ledger.measured.read(period.minutes, period.count, queues)
    series = [_moment(bucket, name, queues) for bucket in reading.buckets]
    by_name: dict[str, list[Counts]] = defaultdict(list)
    for bucket in reading.buckets:
        for task, counts in bucket.counts.items():
            if name in (None, task):
                by_name[task].append(counts)
    sums = {task: _sum(counts) for task, counts in by_name.items()}
    tasks = {task: Totals(counts) for task, counts in sorted(sums.items())}
    return Overview(
        period=period,
        name=name,
        since=reading.buckets[0].at,
        until=reading.at,
        totals=Totals(_sum(sums.values())),
        series=series,
        tasks={task: totals for task, totals in tasks.items() if not totals.empty},
        running=reading.running,
        due=reading.due,
        waiting=reading.waiting,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Failures of one cause in a period."""

    group: Group
    tasks: Mapping[str, int]  # how many, by task; most first
    series: Sequence[int]  # how many, by bucket

    @property
    def count(self) -> int:
        """How many."""
        return sum(self.series)


def failures(app: App, period: Period, name: str | None = None) -> tuple[int, int, list[Failures]]:
    """Since when, until when, and what failed meanwhile, by cause, the one seen last first; of all tasks, or of one.

    Raises:
        StoreUnavailable: if the ledger did not answer in time.
    """
    reading = app.ledger.measured.read(period.minutes, period.count, ())
    series: dict[str, list[int]] = defaultdict(lambda: [0] * period.count)
    tasks: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for number, bucket in enumerate(reading.buckets):
        for task, counts in bucket.counts.items():
            if name not in (None, task):
                continue
            for what, count in counts.items():
                if what[0] == "e":
                    series[what[1:]][number] += count
                    tasks[what[1:]][task] += count
    found = [
        Failures(group=group, tasks=_most_first(tasks[group.fingerprint]), series=series[group.fingerprint])
        for group in app.ledger.measured.groups()
        if group.fingerprint in series
    ]
    return reading.buckets[0].at, reading.at, found


def _moment(bucket: Bucket, name: str | None, queues: Sequence[str]) -> Moment:
    counts = bucket.counts
    totals = Totals(_sum(counts.values()) if name is None else counts.get(name, {}))
    return Moment(bucket.at, totals, {queue: counts.get(queue, {}).get("d") for queue in queues})


def _sum(many: Iterable[Counts]) -> Counts:
    found: dict[str, int] = {}
    for counts in many:
        for what, count in counts.items():
            found[what] = found.get(what, 0) + count
    return found


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda entry: -entry[1]))
