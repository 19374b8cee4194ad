"""Thousands of open event streams on one web process: its memory, the time until each has every change, and gaps.

    python benchmarks/streams.py --streams 2000

Starts a store, a web process and a worker of its own on loopback. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.crowd import Crowd, Heard, gaps, raise_file_limit
from tests.support.profiles import Profile
from tests.support.servers import StoreServer, valkey_program
from tests.support.system import System

EVENTS = "/api/v1/events"
#: Tasks that report progress all the time, one a pool process; and those that wait to be cancelled.
RUNNING, WAITING = 4, 96
#: Seconds that the last changes have to reach everybody.
PATIENCE = 30.0


class Change(NamedTuple):
    """One entry of the store's stream of changes."""

    cursor: str
    id: str
    event: str
    at: float  # seconds since the epoch, by the store


def main() -> int:
    """Measure, print, and say by the exit status whether it holds."""
    options = _options()
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="async-tasks-streams-") as folder, _system(Path(folder), options) as system:
        return Measurement(system, options).run()


class Measurement:
    """One run over a running system."""

    def __init__(self, system: System, options: argparse.Namespace) -> None:
        self.system = system
        self.options = options
        self.client = httpx.Client(base_url=system.url, timeout=30)
        self.submitted: dict[str, float] = {}  # when the request that submitted a task was sent
        self.failures: list[str] = []

    def run(self) -> int:
        """Do everything in turn; 0 if what must hold does."""
        running = [self.submit("steps", {"count": 100_000, "pause": self.options.progress}) for _ in range(RUNNING)]
        waiting = [self.submit("add", {"a": 1, "b": 2}, delay=86_400) for _ in range(WAITING)]
        watched = [*running, *waiting]
        paths = {
            number: EVENTS if number % 2 else f"/api/v1/tasks/{watched[number // 2 % len(watched)]}/events"
            for number in range(self.options.streams)
        }
        half = len(waiting) // 2
        before = self.memory("before")
        with Crowd(self.system.port) as crowd:
            took = crowd.open(paths)
            print(f"opened     {len(paths)} streams in {took:.1f} s ({len(paths) / took:.0f} a second)")
            after = self.memory("after")
            streams = (after - before) / len(paths) * 1024
            print(f"           {streams:.0f} KB a stream")
            self.require(
                after < self.options.memory, f"memory {after:.0f} MB, and at most {self.options.memory} may be"
            )

            self.steady(crowd, waiting[:half])
            self.burst(crowd)
            self.reconnect(crowd, paths, waiting[half:])
            self.memory("at the end")

            for task_id in running:
                self.client.delete(f"/api/v1/tasks/{task_id}").raise_for_status()
            heard, changes = self.settled(crowd, paths)
        self.complete(heard, paths, changes)
        for failure in self.failures:
            print(f"FAILED     {failure}")
        return 1 if self.failures else 0

    def steady(self, crowd: Crowd, to_cancel: Sequence[str]) -> None:
        """Changes at a pace, as on a busy day."""
        since = self.place()
        count = round(self.options.rate * self.options.seconds)
        self.produce(count, to_cancel)
        self.report("steady", crowd, since)

    def burst(self, crowd: Crowd) -> None:
        """Changes as fast as they can be made."""
        since = self.place()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: self.submit("add", {"a": n, "b": 1}), range(self.options.burst)))
        self.report("burst", crowd, since)

    def reconnect(self, crowd: Crowd, paths: dict[int, str], to_cancel: Sequence[str]) -> None:
        """Cut half of the streams while changes come, and bring them back."""
        since = self.place()
        away = [number for number in paths if number // 2 % 2]
        last = crowd.last()
        away = [number for number in away if last[number][1]]
        with ThreadPoolExecutor(1) as pool:
            producing = pool.submit(self.produce, round(self.options.rate * 10), to_cancel)
            time.sleep(3)
            crowd.cut(away)
            time.sleep(2)
            took = crowd.reopen(away)
            producing.result()
        print(f"reopened   {len(away)} streams in the middle of changes, in {took:.1f} s")
        self.report("around it", crowd, since, only=set(paths) - set(away))

    def produce(self, count: int, to_cancel: Sequence[str]) -> None:
        """Submit tasks at the pace, and cancel waiting ones in between."""
        began = time.monotonic()
        for n in range(count):
            time.sleep(max(0.0, began + n / self.options.rate - time.monotonic()))
            self.submit("add", {"a": n, "b": 1})
            for task_id in to_cancel[n * len(to_cancel) // count : (n + 1) * len(to_cancel) // count]:
                self.client.delete(f"/api/v1/tasks/{task_id}").raise_for_status()

    def submit(self, name: str, arguments: dict[str, Any], **options: Any) -> str:
        """Submit a task; its id."""
        sent = time.time()
        answer = self.client.post(f"/api/v1/tasks/{name}", params=options, json=arguments).raise_for_status()
        task_id = str(answer.json()["id"])
        self.submitted[task_id] = sent
        return task_id

    def report(self, name: str, crowd: Crowd, since: str, only: set[int] | None = None) -> None:
        """Wait until everybody has what came after a place, and print how long it took."""
        began = time.time()
        heard, changes = self.settled(crowd, None)
        by_cursor = {change.cursor: change for change in changes if _position(change.cursor) > _position(since)}
        delays, from_submit = [], []
        slowest: dict[str, float] = defaultdict(float)
        for number, each in heard.items():
            if only is not None and number not in only:
                continue
            for got in each.got:
                change = by_cursor.get(got.cursor or "")
                if change is None or got.event != "change":
                    continue
                delays.append(got.at - change.at)
                slowest[change.cursor] = max(slowest[change.cursor], got.at - change.at)
                if change.event == "submitted" and change.id in self.submitted:
                    from_submit.append(got.at - self.submitted[change.id])
        made = [change.at for change in by_cursor.values() if change.at < began]
        pace = len(made) / (max(made) - min(made))
        print(f"{name:<10} {len(by_cursor)} changes, {pace:.0f} a second; {len(delays):,} events received")
        print(f"           change to each stream   {_spread(delays)}")
        print(f"           submit to each stream   {_spread(from_submit)}")
        print(f"           change to last stream   {_spread(list(slowest.values()))}")
        self.require(max(delays) < 1, f"{name}: a change took {max(delays):.2f} s, and at most 1 s it may")

    def settled(self, crowd: Crowd, paths: dict[int, str] | None) -> tuple[dict[int, Heard], list[Change]]:
        """What everybody has heard and all changes, once the streams of all tasks have what is there now."""
        place = _position(self.place())
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            last = crowd.last()
            behind = [n for n in last if n % 2 and _position(last[n][0]) < place]
            if not behind and (paths is None or not any(last[n][1] for n in last if not n % 2)):
                break
            time.sleep(0.2)
        else:
            self.failures.append(f"{len(behind)} streams did not have everything within {PATIENCE:g} s")
        return crowd.heard(), self.changes()

    def complete(self, heard: dict[int, Heard], paths: dict[int, str], changes: Sequence[Change]) -> None:
        """Count what was missed and what came twice."""
        everything = [change.cursor for change in changes]
        of_task: dict[str, list[str]] = defaultdict(list)
        for change in changes:
            of_task[f"/api/v1/tasks/{change.id}/events"].append(change.cursor)
        missed = doubled = ended = 0
        for number, path in paths.items():
            expected = everything if path == EVENTS else of_task[path]
            # Up to where the stream of all tasks has been told: changes go on while we ask.
            told = _position(heard[number].got[-1].cursor or "0-0") if path == EVENTS and heard[number].got else None
            if told is not None:
                expected = [place for place in expected if _position(place) <= told]
            a, b = gaps(heard[number], expected)
            missed, doubled = missed + a, doubled + b
            ended += heard[number].count("end") > 0
        refusals = [words for each in heard.values() for words in each.refusals]
        tasks = sum(path != EVENTS for path in paths.values())
        print(f"complete   missed {missed}, twice or out of order {doubled}, of {len(changes)} changes;")
        print(f"           {ended} of {tasks} streams of one task were told its end; {len(refusals)} refusals")
        self.require(not missed and not doubled, "changes were missed or came twice")
        self.require(ended == tasks, f"{tasks - ended} streams were not told the end")
        self.require(not refusals, f"refused: {refusals[:3]}")

    def place(self) -> str:
        """The newest place in the stream of changes."""
        with self.system.profile.store.client() as client:
            return str(client.xrevrange("at:1:changes", count=1)[0][0])

    def changes(self) -> list[Change]:
        """All changes that there were."""
        with self.system.profile.store.client() as client:
            entries: Any = client.xrange("at:1:changes")
        return [Change(cursor, each["id"], each["event"], int(each["at"]) / 1000) for cursor, each in entries]

    def memory(self, when: str) -> float:
        """Print the memory of the web process; its PSS with gunicorn's parent, in MB."""
        parent = psutil.Process(self.system.processes["web"].pid)
        family = [parent, *parent.children(recursive=True)]
        full = [each.memory_full_info() for each in family]
        pss, rss = (sum(getattr(each, name) for each in full) / 1e6 for name in ("pss", "rss"))
        worker = max(full, key=lambda each: each.rss)
        print(
            f"memory     {when}: {pss:.0f} MB PSS, {rss:.0f} MB RSS, of which the process that serves "
            f"{worker.pss / 1e6:.0f} and {worker.rss / 1e6:.0f}"
        )
        return float(pss)

    def require(self, holds: bool, words: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.failures.append(words)


@contextmanager
def _system(folder: Path, options: argparse.Namespace) -> Iterator[System]:
    (folder / "store").mkdir()
    (folder / "system").mkdir()
    store = StoreServer(valkey_program(), folder / "store")
    profile = Profile("embedded", store, store, store.url, folder)
    system = System(
        profile,
        folder / "system",
        modules=("tests.support.tasks",),
        env={"ASYNC_TASKS_CONCURRENCY": str(RUNNING + options.concurrency)},
    )
    try:
        store.start()
        system.start()
        yield system
    finally:
        system.end()
        store.kill()


def _spread(values: list[float]) -> str:
    if not values:
        return "none"
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    return (
        f"median {statistics.median(ordered) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, max {ordered[-1] * 1000:.0f} ms"
    )


def _position(cursor: str) -> tuple[int, int]:
    ms, _, sequence = (cursor or "0-0").partition("-")
    return int(ms), int(sequence)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=2000, help="streams; half of all tasks, half of one each")
    parser.add_argument("--rate", type=float, default=5, help="tasks submitted a second; each makes three changes")
    parser.add_argument("--seconds", type=float, default=20, help="how long at that rate")
    parser.add_argument("--burst", type=int, default=100, help="tasks submitted as fast as they can be, then")
    parser.add_argument("--progress", type=float, default=1, help="seconds between two reports of each running task")
    parser.add_argument("--concurrency", type=int, default=2, help="tasks run at a time besides those")
    parser.add_argument("--memory", type=float, default=300, help="MB that the web process may have")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
