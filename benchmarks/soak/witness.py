"""What happened, by other sources than the clients: changes as the store streams them, effects, and records."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import redis
from tests.support.servers import StoreServer
from tests.support.waiting import wait_until

from async_tasks.errors import StoreUnavailable
from async_tasks.ledger import Ledger, StoreConnection

PREFIX: Final = "at:1:"
UNFINISHED: Final = ("SCHEDULED", "PENDING", "STARTED", "RETRY")
FINAL: Final = ("SUCCESS", "FAILURE", "REVOKED")


class Change(NamedTuple):
    """One entry of the stream of changes."""

    at: float
    state: str
    event: str


@dataclass
class Run:
    """One run of a task, by its own lines."""

    id: str
    ref: str
    retries: int
    worker: str
    pid: int
    began: float
    ended: float | None = None
    how: str = ""  # "end" or "raised <error>"; "" if the process ended first
    effects: list[float] = field(default_factory=list)
    marked: float | None = None

    @property
    def completed(self) -> bool:
        """Whether it came to its end without an error."""
        return self.how == "end"


class Watcher:
    """Reads the stream of changes of the store, whatever becomes of the store meanwhile."""

    def __init__(self, store: StoreServer) -> None:
        self.changes: dict[str, list[Change]] = defaultdict(list)
        self._store = store
        self._last = "0-0"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Read what there is, and end."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(30)

    def _watch(self) -> None:
        while not self._stopped.is_set():
            try:
                with self._store.client() as client:
                    while self._read(client) or not self._stopped.is_set():
                        pass
            except redis.RedisError:
                time.sleep(0.1)

    def _read(self, client: redis.Redis) -> bool:
        answer: Any = client.xread({f"{PREFIX}changes": self._last}, count=500, block=200)
        entries = answer[0][1] if answer else []
        for cursor, each in entries:
            self.changes[each["id"]].append(Change(int(each["at"]) / 1000, each["state"], each["event"]))
            self._last = cursor
        return bool(entries)


def unfinished(store: StoreServer) -> dict[str, list[str]]:
    """The ids that are not final, by state."""
    connection = StoreConnection(store.url, timeout=2, patience=0)
    try:
        ledger = Ledger(connection)
        numbers = {state: list(chain.from_iterable(ledger.find({"state": state}))) for state in UNFINISHED}
        records = {state: ledger.numbered(of_state) for state, of_state in numbers.items() if of_state}
    finally:
        connection.close()
    return {state: [record.id for record in of_state if record] for state, of_state in records.items()}


def drain(store: StoreServer, seconds: float) -> float:
    """Wait until everything is final; the seconds that it took, or more than were given."""
    began = time.monotonic()
    try:
        wait_until(lambda: not unfinished(store), seconds, ignoring=(StoreUnavailable, redis.RedisError))
    except AssertionError:
        return seconds + 1
    return time.monotonic() - began


def read_runs(folder: Path) -> list[Run]:
    """All runs by their lines in the files of effects, by when they began."""
    runs: dict[str, Run] = {}
    lines = [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    for line in sorted(lines, key=lambda each: float(each["at"])):
        run = runs.get(line["run"])
        if run is None:
            run = runs[line["run"]] = Run(
                line["id"], line["ref"], line["retries"], line["worker"], line["pid"], line["at"]
            )
        if line["what"] == "effect":
            run.effects.append(line["at"])
        elif line["what"] == "marked":
            run.marked = line["at"]
        elif line["what"] != "start":
            run.ended, run.how = line["at"], line["what"]
    return sorted(runs.values(), key=lambda run: run.began)


def read_records(url: str) -> dict[str, dict[str, Any]]:
    """Every record, by the pages of the API's history."""
    records: dict[str, dict[str, Any]] = {}
    cursor: str | None = None
    with httpx.Client(base_url=url, timeout=30) as client:
        while True:
            params: dict[str, Any] = {"limit": 200, **({"cursor": cursor} if cursor else {})}
            page = client.get("/api/v1/tasks", params=params).raise_for_status().json()
            records |= {record["id"]: record for record in page["tasks"]}
            cursor = page["next_cursor"]
            if cursor is None:
                return records
