"""What a task costs when nothing goes wrong: the door, a backlog's way through a worker, and submit to result.

    python -m benchmarks.happy_path --source . --source /another/checkout --profile rabbitmq --rounds 3

Each round measures every checkout once, one after the other, on fresh servers of its own. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import psutil
import redis
from tests.support.profiles import Profile
from tests.support.servers import RabbitServer, Server, StoreServer, rabbitmq_program, redis_program, valkey_program
from tests.support.system import System
from tests.support.waiting import wait_until

from async_tasks.ledger.connection import PREFIX

BODY: Final = json.dumps({"text": "hello"})
HEADERS: Final = {"Content-Type": "application/json"}
DONE: Final = f"{PREFIX}finished"
#: The part of a backlog that is through before measuring begins: a worker and its dispatcher start meanwhile.
WARM_UP: Final = 0.25
#: Seconds within which a backlog must be through.
PATIENCE: Final = 300.0
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
    first = seen[options.source[0]]
    print(f"\n{options.profile}, medians (least to most) of {options.rounds} rounds, and the ratio to the first")
    for name in first:
        for source in options.source:
            values = seen[source][name]
            middle = statistics.median(values)
            ratio = middle / statistics.median(first[name]) if statistics.median(first[name]) else float("nan")
            print(f"{name:28} {middle:10.4g} ({min(values):.4g} to {max(values):.4g})  x{ratio:.2f}  {source}")
    return 0


def _measure(source: Path, options: argparse.Namespace) -> Figures:
    with tempfile.TemporaryDirectory(prefix="async-tasks-happy-") as name, ExitStack() as ends:
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
        figures = _door(system, options)
        with store.client() as client:
            figures |= _drain(system, client, options)
        return figures | _latency(system, options)


def _door(system: System, options: argparse.Namespace) -> Figures:
    """Submissions a second over so many connections, while no worker runs: they make the backlog."""
    per_client = options.tasks // options.connections
    seconds: list[float] = []

    def submit() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=30)
        for _ in range(per_client):
            began = time.monotonic()
            _call(connection, "/api/v1/tasks/reverse_text", 202)
            seconds.append(time.monotonic() - began)

    clients = [threading.Thread(target=submit) for _ in range(options.connections)]
    began = time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    took = time.monotonic() - began
    assert len(seconds) == per_client * options.connections, "a submission failed"
    return {"door /s": len(seconds) / took, "door p99 ms": _percentile(seconds, 99) * 1000}


def _drain(system: System, client: redis.Redis, options: argparse.Namespace) -> Figures:
    """Tasks a second through one worker, and what each costs in CPU."""
    total = options.tasks // options.connections * options.connections

    def done() -> int:
        count = client.zcard(DONE)
        assert isinstance(count, int)
        return count

    system.launch("worker", f"--concurrency={options.concurrency}")
    wait_until(
        lambda: done() > total * WARM_UP, 60, lambda: f"the first {WARM_UP:.0%} to be through:\n{system.tails()}"
    )
    worker = psutil.Process(system.processes["worker"].pid)
    before, first, began = _cpu(worker), done(), time.monotonic()
    wait_until(lambda: done() >= total, PATIENCE, lambda: f"{done()} of {total}")
    took, after, count = time.monotonic() - began, _cpu(worker), total - first
    costs = {f"{part} CPU ms": (after[part] - before[part]) / count * 1000 for part in ("main", "pool", "dispatcher")}
    return {"drain /s": count / took, **costs}


def _cpu(worker: psutil.Process) -> dict[str, float]:
    spent = {"main": _seconds(worker), "pool": 0.0, "dispatcher": 0.0}
    for child in worker.children():
        spent["dispatcher" if "dispatcher" in " ".join(child.cmdline()) else "pool"] += _seconds(child)
    return spent


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _latency(system: System, options: argparse.Namespace) -> Figures:
    """Submit to result over one connection, one at a time."""
    connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=30)
    seconds = []
    for _ in range(options.calls):
        began = time.monotonic()
        _call(connection, "/api/v1/tasks/reverse_text?wait=10", 200)
        seconds.append(time.monotonic() - began)
    return {"result p50 ms": statistics.median(seconds) * 1000, "result p99 ms": _percentile(seconds, 99) * 1000}


def _call(connection: http.client.HTTPConnection, path: str, status: int) -> None:
    connection.request("POST", path, BODY, HEADERS)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == status, f"{path}: {answer.status} {body!r}"


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def _room(folder: Path, name: str) -> Path:
    room = folder / name
    room.mkdir()
    return room


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="happy_path", description=__doc__)
    parser.add_argument("--source", action="append", help="a checkout to measure; again for another (this one)")
    parser.add_argument("--profile", choices=("embedded", "rabbitmq"), default="embedded")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=4000, help="of the backlog")
    parser.add_argument("--calls", type=int, default=300, help="of submit to result")
    parser.add_argument("--connections", type=int, default=8, help="of the door")
    parser.add_argument("--concurrency", type=int, default=4, help="of the worker")
    options = parser.parse_args()
    options.source = options.source or ["."]
    return options


if __name__ == "__main__":
    sys.exit(main())
