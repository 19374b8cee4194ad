"""Which fault comes when, by the seed; and how each is made and undone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from benchmarks.soak.house import GRACE, House, Role, kill

#: Seconds beyond the grace within which a worker that is asked to end must have ended.
STOP_SLACK: Final = 15.0
#: Share of the cuts that come in the middle of an answer, and not of a question; and after how many bytes at most.
CUT_ANSWER: Final = 0.5
CUT_WITHIN_BYTES: Final = 4000
#: Seconds that so many bytes may take to pass.
CUT_WITHIN: Final = 5.0
#: Seconds that a role has to come back before it is hit again; one in four is hit wherever it stands.
COME_BACK: Final = 20.0
AT_ONCE: Final = 0.25
WORKERS: Final = ("worker-1", "worker-2")
WEBS: Final = ("web-1", "web-2")

#: Kind: weight, what it may hit ("" the servers), shortest and longest duration in seconds.
KINDS: Final[dict[str, tuple[int, tuple[str, ...], float, float]]] = {
    "kill pool child": (20, WORKERS, 0, 0),
    "kill worker": (11, WORKERS, 0.2, 1.5),
    "kill worker group": (7, WORKERS, 0.2, 1.5),
    "freeze worker": (4, WORKERS, 1, 9),
    "kill dispatcher": (8, WORKERS, 0, 0),
    "kill web": (6, WEBS, 0.2, 1.5),
    "kill web group": (3, WEBS, 0.2, 1.5),
    "kill web child": (4, WEBS, 0, 0),
    "kill store": (5, ("store",), 0.1, 4),
    "freeze store": (2, ("store",), 1, 6),
    "kill broker": (4, ("broker",), 0.1, 4),
    "freeze broker": (2, ("broker",), 1, 6),
    "reset store link": (6, (*WORKERS, *WEBS), 0, 0),
    "cut store link": (5, (*WORKERS, *WEBS), 0, 0),
    "refuse store link": (4, (*WORKERS, *WEBS), 1, 6),
    "black hole store link": (6, (*WORKERS, *WEBS), 1, 9),
    "reset broker link": (5, (*WORKERS, *WEBS), 0, 0),
    "cut broker link": (5, (*WORKERS, *WEBS), 0, 0),
    "refuse broker link": (3, (*WORKERS, *WEBS), 1, 6),
    "black hole broker link": (5, (*WORKERS, *WEBS), 1, 9),
    "black hole broker+store link": (4, (*WORKERS, *WEBS), 1, 9),
    "reset client link": (2, WEBS, 0, 0),
    "cut client link": (4, WEBS, 0, 0),
    "rolling restart": (2, ("workers",), 0, 0),
}
#: Where the broker is the store, these are its faults.
OF_A_BROKER: Final = "broker"


@dataclass(frozen=True)
class Planned:
    """A fault as the seed has it. ``draw`` in [0, 1) chooses among what there is then."""

    number: int
    kind: str
    target: str
    seconds: float
    draw: float
    pause: float


@dataclass
class Injected:
    """A fault as it was: ``began`` is before its first effect, ``ended`` after it was undone."""

    number: int
    kind: str
    target: str
    seconds: float
    began: float
    ended: float = 0.0
    pid: int | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def of_workers(self) -> tuple[str, ...]:
        """The workers whose runs it may have interrupted."""
        if self.kind in ("kill pool child", "kill worker", "kill worker group", "freeze worker"):
            return (self.target,)
        if self.kind in ("rolling restart", "kill store", "freeze store"):
            return WORKERS
        if self.kind.endswith("store link") and self.target in WORKERS:
            return (self.target,)
        return ()


def plan(seed: int, profile: str) -> Iterator[Planned]:
    """The faults of a seed, without an end."""
    rng = random.Random(f"faults {seed}")
    kinds = [kind for kind in KINDS if profile == "rabbitmq" or OF_A_BROKER not in kind]
    weights = [KINDS[kind][0] for kind in kinds]
    number = 0
    while True:
        number += 1
        (kind,) = rng.choices(kinds, weights)
        _, targets, least, most = KINDS[kind]
        yield Planned(
            number,
            kind,
            rng.choice(targets),
            round(rng.uniform(least, most), 2),
            rng.random(),
            round(rng.uniform(1, 6), 2),
        )


class Driver:
    """Makes the faults of a plan one after the other; the next may come while roles of the last still start.

    Runs in the main thread: Linux ends what a thread has started when that thread ends.

    Args:
        house: what is tormented.
        say: takes a line for the person who watches.
    """

    def __init__(self, house: House, say: Callable[[str], None]) -> None:
        self.house = house
        self.injected: list[Injected] = []
        self._say = say

    def run(self, planned: Iterator[Planned], until: float) -> None:
        """Until that moment (monotonic)."""
        for fault in planned:
            if time.monotonic() + fault.pause + fault.seconds >= until:
                return
            self._wait(fault.pause)
            self._make(fault)

    def _wait(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            self.house.look_after()
            time.sleep(min(0.25, left))

    def _make(self, fault: Planned) -> None:
        self._let_come_back(fault)
        done = Injected(fault.number, fault.kind, fault.target, fault.seconds, time.time())
        self.injected.append(done)
        verb, _, what = fault.kind.partition(" ")
        if fault.kind == "rolling restart":
            self._rolling_restart(done)
        elif fault.target in ("store", "broker"):
            self._hurt_server(verb, done)
        elif what.endswith(" link"):
            self._hurt_link(fault, done)
        elif fault.kind in ("kill pool child", "kill dispatcher", "kill web child"):
            self._kill_one(fault, done)
        else:
            self._hurt_role(fault.kind, self.house.roles[fault.target], done)
        done.ended = time.time()
        notes = f" ({'; '.join(done.notes)})" if done.notes else ""
        self._say(f"fault {done.number}: {done.kind}, {done.target}, {done.ended - done.began:.1f} s{notes}")

    def _let_come_back(self, fault: Planned) -> None:
        if fault.target in self.house.roles and not fault.kind.endswith("link") and fault.draw >= AT_ONCE:
            self._wait_ready(self.house.roles[fault.target])

    def _wait_ready(self, role: Role) -> None:
        ends = time.monotonic() + COME_BACK
        while not role.ready() and time.monotonic() < ends:
            self._wait(0.1)

    def _hurt_server(self, verb: str, done: Injected) -> None:
        server = self.house.store if done.target == "store" else self.house.broker
        if verb == "kill":
            server.kill()
            self._wait(done.seconds)
            server.start()
        else:
            server.pause()
            self._wait(done.seconds)
            server.resume()

    def _hurt_link(self, fault: Planned, done: Injected) -> None:
        role = self.house.roles[fault.target]
        links = [role.links[name] for name in fault.kind.split()[-2].split("+")]
        if fault.kind.startswith("reset"):
            links[0].reset()
        elif fault.kind.startswith("cut"):
            # In the middle of a question or of its answer, wherever these bytes end.
            links[0].cut("to_client" if fault.draw < CUT_ANSWER else "to_server", int(fault.draw * CUT_WITHIN_BYTES))
            ends = time.monotonic() + CUT_WITHIN
            while links[0].cut_pending and time.monotonic() < ends:
                self._wait(0.05)
        elif fault.kind.startswith("refuse"):
            links[0].refuse()
            self._wait(fault.seconds)
            links[0].listen()
        else:
            for link in links:
                link.pause()
            self._wait(fault.seconds)
            for link in links:
                link.resume()
        done.ended = time.time()

    def _kill_one(self, fault: Planned, done: Injected) -> None:
        role = self.house.roles[fault.target]
        pids = role.dispatchers() if fault.kind == "kill dispatcher" else role.children()
        if not pids:
            done.notes.append("there was none")
            return
        done.pid = pids[int(fault.draw * len(pids))]
        if not kill(done.pid):
            done.notes.append("it had ended")

    def _hurt_role(self, kind: str, role: Role, done: Injected) -> None:
        done.pid = role.process.pid
        if not role.process.alive:
            done.notes.append("it had ended")
            return
        if kind == "freeze worker":
            role.process.pause()
            self._wait(done.seconds)
            role.process.resume()
            return
        if kind.endswith("group"):
            role.kill_group()
        else:
            role.kill_parent()
        self._wait(done.seconds)
        role.start()

    def _rolling_restart(self, done: Injected) -> None:
        for name in WORKERS:
            role = self.house.roles[name]
            self._wait_ready(role)
            began = time.monotonic()
            try:
                status = role.stop(GRACE + STOP_SLACK)
                done.notes.append(f"{name} ended with {status} after {time.monotonic() - began:.1f} s")
            except AssertionError:
                done.notes.append(f"{name} DID NOT END within {GRACE + STOP_SLACK:g} s")
                role.kill_group()
            role.process.kill()
            role.start()
            try:
                role.wait_ready(30)
            except AssertionError as exc:
                done.notes.append(f"{name} was not ready: {str(exc).splitlines()[0]}")
