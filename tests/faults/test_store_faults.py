"""The store is away, full or silent: nothing is acknowledged that has not run, and the API says so in time."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from async_tasks import queries
from async_tasks.ledger import State
from async_tasks.submission import submit
from tests.support import door
from tests.support.waiting import wait_until


@pytest.fixture
def system(running_system):
    """A web process and a worker that runs four tasks at a time."""
    system = running_system(
        modules=("tests.support.tasks",), env={"ASYNC_TASKS_LEASE": "2", "ASYNC_TASKS_CONCURRENCY": "4"}
    )
    system.start()
    return system


@pytest.fixture
def store(profile, system):
    """The store, which serves again when the test ends, for the tests that follow."""
    yield profile.store
    profile.store.ensure()


def lines(path):
    return Counter(path.read_text().splitlines()) if path.exists() else Counter()


def assert_api_says_so(system, task_id):
    """Submitting, reading, listing and cancelling: each is answered within the bound, and none with a falsehood."""
    door.assert_unavailable(door.submit(system, "add", {"a": 1, "b": 2}), "store-unavailable")
    door.assert_unavailable(door.read(system, task_id), "store-unavailable")
    door.assert_unavailable(door.ask(system, "GET", "tasks"), "store-unavailable")
    door.assert_unavailable(door.ask(system, "DELETE", f"tasks/{task_id}"), "store-unavailable")


class Work:
    """What runs, waits and is due later while the store has its fault."""

    def __init__(self, app, path, seconds):
        self.app, self.path = app, path
        self.running = [self.append(f"running {n}", seconds) for n in range(2)]
        wait_until(lambda: lines(path).total() >= 2, 30, "both to start")
        self.waiting = [self.append(f"waiting {n}") for n in range(5)]
        self.delayed = [self.append(f"delayed {n}", delay=1) for n in range(5)]

    def append(self, line, seconds=0.0, **options):
        return submit(self.app, "append", {"path": str(self.path), "line": line, "seconds": seconds}, **options)

    def wait_for_ends(self):
        """Until what ran has had its effect, of which nobody can be told."""
        wait_until(lambda: {"end running 0", "end running 1"} <= lines(self.path).keys(), 30, "what ran to end")

    def check(self):
        """All of it has been done, once each."""
        records = [*self.running, *self.waiting, *self.delayed]
        for record in records:
            ended = queries.wait(self.app, record.id, 60)
            assert ended.state is State.SUCCESS, ended
        assert lines(self.path) == {
            f"{which} {record.args['line']}": 1 for record in records for which in ("start", "end")
        }


def test_a_store_that_is_silent_is_told_from_one_that_knows_nothing(app, system, store, tmp_path):
    work = Work(app, tmp_path / "effects", 3)
    store.pause()
    assert_api_says_so(system, work.running[0].id)
    work.wait_for_ends()
    store.resume()
    work.check()
    assert system.processes["worker"].alive


def test_a_full_store_loses_nothing(app, system, store, tmp_path):
    work = Work(app, tmp_path / "effects", 4)
    with store.client() as client:
        client.config_set("maxmemory", 1)
        door.assert_unavailable(door.submit(system, "add", {"a": 1, "b": 2}), "store-unavailable")
        # It can still be read.
        assert door.read(system, work.running[0].id).status_code == 200
        work.wait_for_ends()
        client.config_set("maxmemory", 0)
    work.check()
    assert system.processes["worker"].alive
    later = door.assert_accepted(door.submit(system, "add", {"a": 1, "b": 2}))
    assert queries.wait(app, later, 30).result == 3


@pytest.mark.parametrize(("profile", "seconds"), [("embedded", 40), ("rabbitmq", 10)], indirect=["profile"])
def test_a_store_that_is_away_before_during_and_after_tasks_loses_nothing(app, system, store, tmp_path, seconds):
    worker = system.processes["worker"]
    work = Work(app, tmp_path / "effects", 3)
    # These reach the worker when the store has gone.
    worker.pause()
    work.waiting += [work.append(f"before {n}") for n in range(2)]
    store.kill()
    worker.resume()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert_api_says_so(system, work.running[0].id)
    work.wait_for_ends()
    store.start()
    work.check()
    assert worker.alive
    later = door.assert_accepted(door.submit(system, "add", {"a": 1, "b": 2}))
    assert queries.wait(app, later, 30).result == 3
