"""Clients of the HTTP API: a steady mixed load, of which every call and every answer is noted."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

#: Seconds that a client waits for an answer: longer than an answer may take.
PATIENCE: Final = 15.0
#: Calls that wait for an answer at a time; what comes above waits for its turn.
CLIENTS: Final = 160
#: Seconds that a client with an idempotency key goes on asking.
INSIST: Final = 60.0

#: Shares of the clients who, by the draw: …
ASKS_AGAIN: Final = 0.3  # … ask once more with a key that was answered already,
BATCH_WITH_KEY: Final = 0.5  # … give their batch a key,
CANCELS_DELAYED: Final = 0.5  # … cancel a task that waits for its time, and not one that runs for long,
LOOKS_AT_RECENT: Final = 0.7  # … look at one of the newest tasks, whose state is in doubt.
RECENT: Final = 100  # tasks

ACCEPTED, OK, GONE, CONFLICT, UNAVAILABLE = 202, 200, 404, 409, 503


@dataclass
class Call:
    """One call of the API. ``status`` is None if there was no answer; then ``error`` says why."""

    at: float
    method: str
    path: str
    web: str
    ref: str
    seconds: float = 0.0
    status: int | None = None
    error: str = ""
    answer: Any = field(default=None, repr=False)
    retry_after: bool = False

    @property
    def answered_at(self) -> float:
        """Seconds since the epoch."""
        return self.at + self.seconds


@dataclass
class Wish:
    """What one client wanted, and what it was told. ``ref`` is in the arguments of the task."""

    ref: str
    kind: str
    task: str
    arguments: Mapping[str, Any]
    delay: float | None = None
    key: str | None = None
    ids: list[str] = field(default_factory=list)  # of every 202, in order
    accepted_at: float = 0.0  # when the first 202 was there
    posts: int = 0
    #: What became of its cancelling: "" (none was tried), "asked", "confirmed", "stopping" or "finished".
    cancel: str = ""
    cancelled_at: float = 0.0


@dataclass(frozen=True)
class Job:
    """What the clock of the load has drawn: everything by chance is in it."""

    number: int
    kind: str
    web: str
    draw: random.Random


#: Kind of client: weight.
KINDS: Final[dict[str, int]] = {
    "plain": 34,
    "keyed": 16,
    "flaky": 9,
    "delayed": 9,
    "alone": 5,
    "batch": 3,
    "slow": 5,
    "cancel": 6,
    "pay": 8,
    "failing": 3,
    "look": 12,
}


class Load:
    """Calls the API at a steady rate until it is stopped.

    Args:
        urls: of the web processes, by name.
        seed: decides what is submitted when.
        rate: calls to begin a second.
    """

    def __init__(self, urls: Mapping[str, str], seed: int, rate: float) -> None:
        self.calls: list[Call] = []
        self.wishes: list[Wish] = []
        self.by_id: dict[str, list[Wish]] = defaultdict(list)
        self.seen: list[tuple[str, str, Call]] = []  # id and state that a client was shown
        self.trouble: list[str] = []
        self.rate = rate
        self.late = 0.0  # seconds by which the clock of the load was late at most: the machine had no time for it
        self._rng = random.Random(f"load {seed}")
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        limits = httpx.Limits(max_connections=CLIENTS * 2, max_keepalive_connections=20)
        self._clients = {
            name: httpx.Client(base_url=url, timeout=PATIENCE, limits=limits) for name, url in urls.items()
        }
        self._pool = ThreadPoolExecutor(CLIENTS, "client")
        self._clock = threading.Thread(target=self._tick, name="load", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._clock.start()

    def stop(self) -> None:
        """Begin no more calls, and wait for those that have begun."""
        self._stopped.set()
        if self._clock.is_alive():
            self._clock.join()
        self._pool.shutdown(wait=True)

    def close(self) -> None:
        """Give up at once."""
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for client in self._clients.values():
            client.close()

    # -- calls ---------------------------------------------------------------------------------------

    def call(
        self,
        web: str,
        method: str,
        path: str,
        *,
        ref: str = "",
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Call:
        """Call the API once; never raises."""
        call = Call(time.time(), method, path, web, ref)
        began = time.monotonic()
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = self._clients[web].request(method, path, json=json, params=params, headers=headers)
            call.answer = answer.json()
            call.status = answer.status_code
            call.retry_after = "Retry-After" in answer.headers
        except (httpx.HTTPError, ValueError) as exc:
            call.error = f"{type(exc).__name__}: {exc}"
        call.seconds = time.monotonic() - began
        self.calls.append(call)
        return call

    def submit(self, web: str, wish: Wish) -> Call:
        """POST one task, once."""
        wish.posts += 1
        params = {} if wish.delay is None else {"delay": wish.delay}
        path = f"/api/v1/tasks/{wish.task}"
        call = self.call(web, "POST", path, ref=wish.ref, json=dict(wish.arguments), params=params, key=wish.key)
        if call.status == ACCEPTED:
            self._accept(wish, call.answer["id"], call)
        return call

    def _accept(self, wish: Wish, task_id: str, call: Call) -> None:
        with self._lock:
            wish.accepted_at = wish.accepted_at or call.answered_at
            wish.ids.append(task_id)
            self.by_id[task_id].append(wish)

    # -- the clock -----------------------------------------------------------------------------------

    def _tick(self) -> None:
        began, number = time.monotonic(), 0
        kinds, weights = list(KINDS), list(KINDS.values())
        while not self._stopped.wait(max(0.0, began + number / self.rate - time.monotonic())):
            self.late = max(self.late, time.monotonic() - began - number / self.rate)
            number += 1
            (kind,) = self._rng.choices(kinds, weights)
            web = self._rng.choice(sorted(self._clients))
            self._pool.submit(self._do, Job(number, kind, web, random.Random(self._rng.random())))

    def _do(self, job: Job) -> None:
        try:
            plays: Callable[[Job], None] = getattr(self, f"_{job.kind}")
            plays(job)
        except Exception as exc:  # noqa: BLE001 - the soak itself is at fault, and has to say so
            self.trouble.append(f"client {job.number} ({job.kind}): {exc!r}")

    def _wish(self, job: Job, task: str, delay: float | None = None, key: str | None = None, **arguments: Any) -> Wish:
        ref = f"{job.kind}-{job.number}"
        wish = Wish(ref, job.kind, task, {"ref": ref, **arguments}, delay, key)
        self.wishes.append(wish)
        return wish

    # -- kinds of clients ----------------------------------------------------------------------------

    def _plain(self, job: Job) -> None:
        self.submit(job.web, self._wish(job, "plain", seconds=round(job.draw.uniform(0, 0.3), 3)))

    def _flaky(self, job: Job) -> None:
        self.submit(job.web, self._wish(job, "flaky", failures=job.draw.choice((1, 1, 2))))

    def _delayed(self, job: Job) -> None:
        self.submit(job.web, self._wish(job, "plain", delay=round(job.draw.uniform(0.2, 15), 2)))

    def _alone(self, job: Job) -> None:
        slot, seconds = job.draw.randrange(4), round(job.draw.uniform(0.2, 2), 2)
        self.submit(job.web, self._wish(job, "alone", slot=slot, seconds=seconds))

    def _slow(self, job: Job) -> None:
        self.submit(job.web, self._wish(job, "slow", seconds=round(job.draw.uniform(1, 8), 2)))

    def _pay(self, job: Job) -> None:
        self.submit(job.web, self._wish(job, "pay", seconds=round(job.draw.uniform(0, 1), 2)))

    def _failing(self, job: Job) -> None:
        self.submit(job.web, self._wish(job, "failing"))

    def _keyed(self, job: Job) -> None:
        """Ask again with the same key until there is an answer; now and then once more."""
        wish = self._wish(job, "plain", key=f"key-{job.number}", seconds=0.05)
        webs, ends = sorted(self._clients), time.monotonic() + INSIST
        while self.submit(job.draw.choice(webs), wish).status != ACCEPTED and time.monotonic() < ends:
            if self._stopped.wait(job.draw.uniform(0.1, 1)):
                return
        if job.draw.random() < ASKS_AGAIN:
            self._stopped.wait(job.draw.uniform(0, 3))
            self.submit(job.draw.choice(webs), wish)

    def _batch(self, job: Job) -> None:
        wishes = [self._entry(job, index) for index in range(job.draw.randint(4, 12))]
        entries = [{"name": wish.task, "args": dict(wish.arguments)} for wish in wishes]
        key = f"batch-{job.number}" if job.draw.random() < BATCH_WITH_KEY else None
        ends = time.monotonic() + INSIST
        while True:
            call = self.call(job.web, "POST", "/api/v1/batches", ref=f"batch-{job.number}", json=entries, key=key)
            for wish in wishes:
                wish.key, wish.posts = key, wish.posts + 1
            if call.status == ACCEPTED:
                for wish, task_id in zip(wishes, call.answer["ids"], strict=True):
                    self._accept(wish, task_id, call)
                return
            if key is None or time.monotonic() > ends or self._stopped.wait(job.draw.uniform(0.1, 1)):
                return

    def _entry(self, job: Job, index: int) -> Wish:
        ref = f"batch-{job.number}-{index}"
        wish = Wish(ref, "batch", "plain", {"ref": ref, "seconds": 0.02})
        self.wishes.append(wish)
        return wish

    def _cancel(self, job: Job) -> None:
        """Submit, wait a moment, cancel until there is an answer."""
        if job.draw.random() < CANCELS_DELAYED:
            wish = self._wish(job, "plain", delay=round(job.draw.uniform(1, 6), 2))
        else:
            wish = self._wish(job, "slow", seconds=round(job.draw.uniform(1, 6), 2))
        if self.submit(job.web, wish).status != ACCEPTED:
            return
        self._stopped.wait(job.draw.uniform(0, 5))
        wish.cancel = "asked"
        ends = time.monotonic() + INSIST
        while time.monotonic() < ends:
            call = self.call(job.web, "DELETE", f"/api/v1/tasks/{wish.ids[0]}", ref=wish.ref)
            outcome = {OK: "confirmed", ACCEPTED: "stopping", CONFLICT: "finished"}.get(call.status or 0)
            if outcome:
                wish.cancel, wish.cancelled_at = outcome, call.answered_at
                return
            time.sleep(0.3)

    def _look(self, job: Job) -> None:
        """Look at a task that was accepted: it must be known, and what is final stays as it is."""
        with self._lock:
            ids = list(self.by_id)
        if not ids:
            return
        ids = ids[-RECENT:] if job.draw.random() < LOOKS_AT_RECENT else ids
        task_id = job.draw.choice(ids)
        call = self.call(job.web, "GET", f"/api/v1/tasks/{task_id}", ref="look")
        if call.status == OK:
            self.seen.append((task_id, call.answer["state"], call))
