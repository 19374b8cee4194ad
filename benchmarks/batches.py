"""The door for many tasks at once beside the door for one, and how fast a dispatcher works off what has come due.

    python -m benchmarks.batches --source . --source /another/checkout --profile rabbitmq --rounds 3

Each round measures every checkout once, one after the other, on fresh servers of its own. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import redis
from tests.support.profiles import Profile
from tests.support.servers import RabbitServer, Server, StoreServer, rabbitmq_program, redis_program, valkey_program
from tests.support.system import System
from tests.support.waiting import wait_until

from async_tasks.ledger.connection import PREFIX

HEADERS: Final = {"Content-Type": "application/json"}
ONE: Final = json.dumps({"text": "hello"})
DUE: Final = f"{PREFIX}due"
Figures = dict[str, float]


def main() -> int:
    """Measure, and print the medians with their spread."""
    options = _options()
    seen: dict[str, dict[str, list[float]]] = {source: defaultdict(list) for source in options.source}
    for number in range(options.rounds):
        for source in options.source:
            figures = _measure(Path(source).resolve(), options)
            for name, value in figures.items():
                seen[source][name].append(value)
            words = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
            print(f"round {number + 1}  {source}: {words}", flush=True)
    print(f"\n{options.profile}, medians (least to most) of {options.rounds} rounds")
    for name in seen[options.source[0]]:
        for source in options.source:
            values = seen[source][name]
            print(f"{name:34} {statistics.median(values):10.4g} ({min(values):.4g} to {max(values):.4g})  {source}")
    return 0


def _measure(source: Path, options: argparse.Namespace) -> Figures:
    with tempfile.TemporaryDirectory(prefix="async-tasks-batches-") as name, ExitStack() as ends:
        folder = Path(name)
        store = StoreServer(valkey_program() if options.profile == "embedded" else redis_program(), _room(folder, "s"))
        ends.callback(store.kill)
        store.start()
        broker: Server = store
        if options.profile == "rabbitmq":
            broker = rabbit = RabbitServer(rabbitmq_program(), _room(folder, "b"))
            ends.callback(rabbit.end)
            broker.start()
        profile = Profile(options.profile, broker, store, broker.url, folder)
        system = System(profile, folder, env={"PYTHONPATH": str(source / "src")})
        ends.callback(system.end)
        system.start("web")
        with store.client() as client:
            _post(system, options.size, 1)  # what is loaded at the first call is no part of it
            _wait_for_none_due(system, client)
            figures = _single(system, options)
            figures |= _batches(system, client, options)
            return figures | _due(system, client, options)


def _single(system: System, options: argparse.Namespace) -> Figures:
    seconds = _calls(system, options.singles, options.connections)
    return {"single door, tasks/s": len(seconds) / sum(seconds) * options.connections}


def _batches(system: System, client: redis.Redis, options: argparse.Namespace) -> Figures:
    """Batches one after the other, with a dispatcher; a caller of the single door goes on beside them."""
    beside: list[float] = []
    store: list[float] = []
    stopping = threading.Event()

    def look() -> None:
        while not stopping.is_set():
            beside.extend(_calls(system, 1, 1))
            began = time.monotonic()
            client.get(f"{PREFIX}nothing")
            store.append(time.monotonic() - began)

    witness = threading.Thread(target=look)
    answered = published = 0.0
    with _dispatcher(system):
        witness.start()
        for _ in range(options.batches):
            began = time.monotonic()
            _post(system, options.size, 1)
            answered += time.monotonic() - began
            wait_until(lambda: client.zcard(DUE) < options.connections, 60, lambda: _tail(system))
            published += time.monotonic() - began
        stopping.set()
        witness.join()
    tasks = options.batches * options.size
    return {
        "batch door, tasks/s": tasks / answered,
        "batch until in the broker, tasks/s": tasks / published,
        "single call beside, p50 ms": statistics.median(beside) * 1000,
        "single call beside, worst ms": max(beside) * 1000,
        "GET of the store beside, worst ms": max(store) * 1000,
    }


def _due(system: System, client: redis.Redis, options: argparse.Namespace) -> Figures:
    """What a dispatcher finds due, at once, is published."""
    _post(system, options.size, options.batches, delay=1.5)
    wait_until(lambda: client.zcount(DUE, "-inf", time.time() * 1000) >= options.size * options.batches, 60, "due")
    with _dispatcher(system):
        wait_until(lambda: client.zcard(DUE) < options.size * options.batches, 30, "the dispatcher to begin")
        first, began = client.zcard(DUE), time.monotonic()
        wait_until(lambda: client.zcard(DUE) == 0, 120, lambda: f"{client.zcard(DUE)} are due")
    return {"dispatcher, tasks/s": first / (time.monotonic() - began)}


def _wait_for_none_due(system: System, client: redis.Redis) -> None:
    with _dispatcher(system):
        wait_until(lambda: client.zcard(DUE) == 0, 120, lambda: f"{client.zcard(DUE)} are due")


@contextmanager
def _dispatcher(system: System) -> Iterator[None]:
    """A dispatcher without a worker: it ends with its standard input."""
    command = [sys.executable, "-m", "async_tasks.engine.dispatcher"]
    with (
        (system.folder / "dispatcher.log").open("ab") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=system.env) as process,
    ):
        yield
        assert process.stdin
        process.stdin.close()


def _tail(system: System) -> str:
    return (system.folder / "dispatcher.log").read_text()[-3000:]


def _post(system: System, size: int, times: int, **more: float) -> None:
    entry = {"name": "reverse_text", "args": {"text": "hello"}, **more}
    connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=120)
    for _ in range(times):
        _call(connection, "/api/v1/batches", json.dumps([entry] * size))


def _calls(system: System, count: int, connections: int) -> list[float]:
    """Seconds of single submissions, over so many connections at a time."""
    seconds: list[float] = []

    def submit() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=60)
        for _ in range(count // connections):
            began = time.monotonic()
            _call(connection, "/api/v1/tasks/reverse_text", ONE)
            seconds.append(time.monotonic() - began)

    clients = [threading.Thread(target=submit) for _ in range(connections)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return seconds


def _call(connection: http.client.HTTPConnection, path: str, body: str) -> None:
    connection.request("POST", path, body, HEADERS)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 202, f"{path}: {answer.status} {text[:500]!r}"  # noqa: PLR2004


def _room(folder: Path, name: str) -> Path:
    room = folder / name
    room.mkdir()
    return room


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="batches", description=__doc__)
    parser.add_argument("--source", action="append", help="a checkout to measure; again for another (this one)")
    parser.add_argument("--profile", choices=("embedded", "rabbitmq"), default="embedded")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=5000, help="entries of a batch")
    parser.add_argument("--batches", type=int, default=2, help="one after the other")
    parser.add_argument("--singles", type=int, default=1000, help="single submissions")
    parser.add_argument("--connections", type=int, default=8, help="of the single door")
    options = parser.parse_args()
    options.source = options.source or ["."]
    return options


if __name__ == "__main__":
    sys.exit(main())
