"""Workers as they are seen, and queues that are paused and purged, with two real workers on both profiles."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from async_tasks import submission
from async_tasks.ledger import State
from async_tasks.ledger.connection import PREFIX
from tests.support.waiting import wait_until

MODULES = ("tests.support.tasks",)
QUEUE = "celery_see"


@pytest.fixture
def two_workers(running_system):
    """Two workers, each with two processes."""
    system = running_system(modules=MODULES, env={"ASYNC_TASKS_QUEUES": "other"})
    for name in ("one", "two"):
        system.launch("worker", "--concurrency", "2", name=name)
    for name in ("one", "two"):
        system.wait_ready(name)
    return system


def named(app):
    return {worker.name.partition("@")[0]: worker for worker in app.ledger.workers.all()}


def command(system, *arguments):
    words = [sys.executable, "-m", "async_tasks", *arguments]
    return subprocess.run(words, env=system.env, cwd=system.folder, capture_output=True, text=True, check=True).stdout


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def waiting(app):
    found = app.ledger.controls.waiting([QUEUE])[QUEUE]
    return found.sent + found.held


def consumers(system, queue):
    """How often a worker said that it stopped, and began again, to consume the queue."""
    logs = [system.processes[name].output for name in ("one", "two")]
    return [(log.count('"event": "queue paused"'), log.count('"event": "queue goes on"')) for log in logs]


def test_workers_say_what_they_are_and_queues_pause_and_are_purged(app, two_workers, tmp_path):
    workers = wait_until(lambda: (found := named(app)).keys() == {"one", "two"} and found, 10, "both workers")
    sign = workers["one"].sign
    assert (sign.pool, sign.size, sign.queues) == ("prefork", 2, (QUEUE, "other"))
    assert sign.memory > 10_000_000
    assert not workers["one"].lost

    # Paused while a task runs, and one hundred come: the one goes on, none of the others starts.
    path = tmp_path / "ran"
    running = submission.submit(app, "append", {"path": str(path), "line": "first", "seconds": 4})
    wait_until(lambda: lines(path), 20, "the first to run")
    assert app.ledger.controls.pause(QUEUE, "somebody")
    assert not app.ledger.controls.pause(QUEUE, "somebody else")
    held = [submission.submit(app, "append", {"path": str(path), "line": str(n)}).id for n in range(100)]
    assert app.ledger.get(held[0]).timeline[0]["detail"] == "its queue is paused"
    wait_until(lambda: consumers(two_workers, QUEUE) == [(1, 0), (1, 0)], 10, "both to stop")
    assert submission.submit(app, "add", {"a": 1, "b": 2}).state == State.PENDING
    wait_until(lambda: app.ledger.get(running.id).finished, 20, "the first to end")
    wait_until(lambda: waiting(app) == 101, 10, lambda: str(app.ledger.controls.waiting([QUEUE])))
    assert lines(path) == ["start first", "end first"]
    assert app.ledger.controls.paused()[QUEUE].by == "somebody"

    # A worker that starts now does not begin to consume, and one that is killed comes back as paused.
    two_workers.processes["two"].kill()
    two_workers.processes["two"].start()
    two_workers.wait_ready("two", 60)
    assert '"event": "queue paused"' in two_workers.processes["two"].output
    assert lines(path) == ["start first", "end first"]

    assert app.ledger.controls.resume(QUEUE)
    wait_until(
        lambda: all(app.ledger.get(each).finished for each in held),
        60,
        lambda: str(app.ledger.controls.waiting([QUEUE])),
    )
    records = app.ledger.get_many(held).values()
    assert {(record.state, record.attempts) for record in records} == {(State.SUCCESS, 1)}
    assert len(lines(path)) == 202
    assert waiting(app) == 0

    # What waits is purged, what comes afterwards is not.
    app.ledger.controls.pause(QUEUE, None)
    ids = [submission.submit(app, "append", {"path": str(path), "line": "purged"}).id for _ in range(30)]
    later = submission.submit(app, "add", {"a": 1, "b": 2}, delay=0.5)
    count, more = app.ledger.controls.purge(QUEUE, "somebody")
    assert (count, more) == (30, False)
    after = submission.submit(app, "append", {"path": str(path), "line": "after"})
    record = app.ledger.get(ids[0])
    assert record.state == State.REVOKED
    assert record.timeline[-1]["event"] == "purged"
    assert record.timeline[-1]["detail"] == f"purged from queue {QUEUE} by somebody"
    app.ledger.controls.resume(QUEUE)
    wait_until(lambda: app.ledger.get(after.id).finished and app.ledger.get(later.id).finished, 30, "the others")
    assert "start purged" not in lines(path)

    # The same from a terminal.
    told = command(two_workers, "queues", "--pause", "other", "--json")
    assert {queue["name"]: queue["paused"] is not None for queue in json.loads(told)} == {QUEUE: False, "other": True}
    assert "one@" in command(two_workers, "workers")

    # A killed worker is shown as lost, one that ends in order is gone.
    os.kill(two_workers.processes["one"].pid, signal.SIGTERM)
    wait_until(lambda: named(app).keys() == {"two"}, 20, "the first to be gone")
    two_workers.processes["two"].kill()
    app.ledger.client.zincrby(f"{PREFIX}workers", -20_000, named(app)["two"].name)  # as if that were some time ago
    assert named(app)["two"].state == "lost"
