"""A worker that is asked to stop: short tasks finish, long ones go to another, and it ends in bounded time."""

from __future__ import annotations

import signal
import time

import pytest

from async_tasks import queries
from async_tasks.ledger import State
from async_tasks.ops.processes import marked
from async_tasks.submission import Entry, submit, submit_batch
from tests.integration.conftest import MODULES
from tests.support.waiting import wait_until

GRACE = 60.0


@pytest.fixture
def patient(running_system):
    """A system whose worker gives its tasks more time than a test waits."""
    system = running_system(modules=MODULES, env={"ASYNC_TASKS_SHUTDOWN_GRACE": str(GRACE)})
    system.start("worker")
    return system


@pytest.fixture
def hasty(running_system):
    """A system whose worker gives its tasks no time."""
    system = running_system(modules=MODULES, env={"ASYNC_TASKS_SHUTDOWN_GRACE": "0"})
    system.start("worker")
    return system


def long_task(app, path):
    record = submit(app, "append", {"path": str(path), "line": "long", "seconds": 40})
    wait_until(lambda: queries.get(app, record.id).state is State.STARTED, 20, "the start")
    return record


def test_asked_twice_it_hands_its_tasks_back_at_once(app, patient, tmp_path):
    record = long_task(app, tmp_path / "effects")
    worker = patient.processes["worker"]

    worker.signal(signal.SIGTERM)
    wait_until(lambda: '"stopping"' in worker.output, 10, worker.tail)
    worker.signal(signal.SIGTERM)

    assert worker.wait(30) == 0
    back = queries.get(app, record.id)
    assert back.state is State.PENDING
    assert [entry["event"] for entry in back.timeline][-1] == "handed back"


def test_a_task_may_be_handed_back_more_often_than_it_may_be_lost(app, profile, running_system, tmp_path):
    env = {"ASYNC_TASKS_SHUTDOWN_GRACE": "0", "ASYNC_TASKS_MAX_LOSSES": "1"}
    system = running_system(modules=MODULES, env=env)
    path = tmp_path / "effects"
    record = submit(app, "append", {"path": str(path), "line": "long", "seconds": 3})
    for attempt in (1, 2):
        system.start("worker")
        wait_until(
            lambda attempt=attempt: queries.get(app, record.id).attempts == attempt,
            20,
            lambda: str(queries.get(app, record.id)),
        )
        system.processes["worker"].stop(30)

    system.start("worker")

    assert queries.wait(app, record.id, 40).state is State.SUCCESS
    assert path.read_text().splitlines().count("end long") == 1


def test_a_signal_to_the_whole_group_stops_no_task(app, patient, tmp_path):
    path = tmp_path / "effects"
    record = submit(app, "append", {"path": str(path), "line": "short", "seconds": 1.5})
    wait_until(lambda: queries.get(app, record.id).state is State.STARTED, 20, "the start")

    for process in marked(patient.folder):
        process.send_signal(signal.SIGTERM)

    assert patient.processes["worker"].wait(30) == 0
    ended = queries.get(app, record.id)
    assert (ended.state, ended.attempts) == (State.SUCCESS, 1)


def test_it_ends_though_the_broker_says_nothing(app, profile, hasty, tmp_path):
    record = long_task(app, tmp_path / "effects")
    worker = hasty.processes["worker"]
    profile.broker.pause()
    try:
        worker.signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    finally:
        profile.broker.resume()

    hasty.start("worker")

    wait_until(lambda: queries.get(app, record.id).attempts == 2, 40, lambda: str(queries.get(app, record.id)))


def test_it_ends_though_the_broker_is_away(profile, patient):
    worker = patient.processes["worker"]
    profile.broker.kill()
    try:
        wait_until(lambda: "Trying again" in worker.output or "Retrying" in worker.output, 30, worker.tail)
        asked = time.monotonic()
        worker.signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        assert time.monotonic() - asked < GRACE
    finally:
        profile.broker.start()


def test_a_rolling_restart_under_load_loses_and_fails_nothing(app, running_system, tmp_path):
    system = running_system(modules=MODULES, env={"ASYNC_TASKS_SHUTDOWN_GRACE": "1"})
    names = ("first", "second")
    for name in names:
        system.launch("worker", name=name)
    for name in names:
        system.wait_ready(name)
    path = tmp_path / "effects"
    entries = [
        Entry("append", {"path": str(path), "line": str(n), "seconds": 4 if n % 20 == 0 else 0.05}) for n in range(120)
    ]

    batch = submit_batch(app, entries)
    for name in names:
        wait_until(lambda: path.exists() and path.read_text().count("start") > 5, 30, system.tails)
        system.processes[name].stop(30)
        system.launch("worker", name=name)
        system.wait_ready(name)

    for number, task_id in enumerate(batch.ids):
        ended = queries.wait(app, task_id, 60)
        assert (number, ended.state) == (number, State.SUCCESS)
        assert "worker lost" not in [entry["event"] for entry in ended.timeline]
    ends = path.read_text().splitlines()
    assert all(ends.count(f"end {number}") == 1 for number in range(len(entries)))
