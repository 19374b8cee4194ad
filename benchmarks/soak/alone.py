"""When all is over: each worker by itself must serve everything, for the other may have hidden its failure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.soak.house import CONCURRENCY, GRACE, House
from benchmarks.soak.load import Load, Wish
from benchmarks.soak.reckon import Broken
from benchmarks.soak.witness import Run, read_runs
from tests.support.waiting import wait_until

#: Seconds within which a worker alone must have run what it is given.
WITHIN: Final = 40.0


def each_alone(house: House, load: Load) -> Iterator[Broken]:
    """Stop one worker after the other, and let the remaining one work."""
    try:
        house.workers_whole()
    except AssertionError as exc:
        yield Broken("serves on", str(exc), at=time.time())
    for resting, working in (("worker-2", "worker-1"), ("worker-1", "worker-2")):
        try:
            with house.without(resting, GRACE + 15):
                yield from _works(house, load, working)
        except AssertionError as exc:
            yield Broken("serves on", f"{resting}: {exc}", at=time.time())


def _works(house: House, load: Load, name: str) -> Iterator[Broken]:
    wishes = [
        Wish(f"alone-{name}-{n}", "probe", "plain", {"ref": f"alone-{name}-{n}", "seconds": 1.5}, delay)
        for n, delay in enumerate([None] * (2 * CONCURRENCY) + [1.0, 2.0])
    ]
    for n, wish in enumerate(wishes):
        load.wishes.append(wish)
        call = load.submit(f"web-{n % 2 + 1}", wish)
        if not wish.ids:
            yield Broken("serves on", f"{wish.ref} in the calm: {call}", at=call.at)
    refs = {wish.ref for wish in wishes}

    def runs() -> list[Run]:
        return [run for run in read_runs(house.effects) if run.ref in refs]

    try:
        wait_until(lambda: {run.ref for run in runs() if run.completed} == refs, WITHIN)
    except AssertionError:
        missing = refs - {run.ref for run in runs() if run.completed}
        yield Broken("serves on", f"{name} alone did not run {sorted(missing)} within {WITHIN:g} s", at=time.time())
    at_once = most_at_once(runs())
    if at_once < CONCURRENCY:
        words = f"{name} alone ran {at_once} at a time, and not {CONCURRENCY}"
        yield Broken("serves on", words, at=time.time())


def most_at_once(runs: Sequence[Run]) -> int:
    """How many ran at the same time."""
    steps = sorted([(run.began, 1) for run in runs] + [(run.ended, -1) for run in runs if run.ended])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most
