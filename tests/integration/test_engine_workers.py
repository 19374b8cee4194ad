"""What is refused, and what becomes of tasks when workers end, are killed, or are not there."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime

import psutil
import pytest

from async_tasks import queries, submission
from async_tasks.errors import (
    AlreadyFinished,
    InvalidArguments,
    InvalidOption,
    PayloadTooLarge,
    UnknownTask,
)
from async_tasks.ledger import State
from tests.support.records import events, finished, reach
from tests.support.waiting import wait_until


def test_what_cannot_be_accepted_is_refused_and_stores_nothing(app):
    with pytest.raises(UnknownTask) as unknown:
        submission.submit(app, "ad", {})
    assert "add" in unknown.value.near
    with pytest.raises(InvalidArguments) as invalid:
        submission.submit(app, "add", {"a": "x", "c": 1})
    assert {problem["field"] for problem in invalid.value.problems} == {"a", "b", "c"}
    with pytest.raises(PayloadTooLarge):
        submission.submit(app, "echo", {"value": "x" * (1 << 20)})
    with pytest.raises(InvalidOption):
        submission.submit(app, "add", {"a": 1, "b": 2}, delay=-1)
    with pytest.raises(InvalidOption):
        submission.submit(app, "add", {"a": 1, "b": 2}, delay=1, eta=datetime.now(UTC))
    assert queries.page(app).tasks == []


@pytest.mark.parametrize("cursor", ["x", "W0luZmluaXR5LCAiYSJd", "WzEsMiwzXQ", "W1tbW1tbW1tbW1tb" * 200, "ł"])
def test_a_cursor_of_ones_own_making_is_refused(app, cursor):
    with pytest.raises(InvalidOption):
        queries.page(app, cursor=cursor)


def test_a_cancelled_waiting_task_never_starts_though_no_worker_was_there(app, running_system, tmp_path):
    path = tmp_path / "effects"
    record = submission.submit(app, "append", {"path": str(path), "line": "x"})
    assert submission.cancel(app, record.id).state == State.REVOKED
    system = running_system(modules=("tests.support.tasks",))
    system.start("worker")
    finished(app, submission.submit(app, "append", {"path": str(path), "line": "after"}))
    assert path.read_text().splitlines() == ["start after", "end after"]
    with pytest.raises(AlreadyFinished):
        submission.cancel(app, record.id)


def test_a_message_that_vanished_from_the_broker_is_published_again(app, workers, profile):
    workers.processes["worker"].stop(20)
    record = submission.submit(app, "add", {"a": 1, "b": 2})
    with app.connection_for_write() as connection:
        connection.channel().queue_purge("celery_see")
    workers.start("worker")
    done = finished(app, record, timeout=30)
    assert done.state == State.SUCCESS
    assert "published again" in events(done)


def test_a_worker_killed_at_once_loses_nothing_and_a_long_task_is_not_run_twice(app, workers, tmp_path):
    path = tmp_path / "effects"
    long = submission.submit(app, "append", {"path": str(path), "line": "long", "seconds": 6})
    reach(app, long.id, State.STARTED)
    worker = psutil.Process(workers.processes["worker"].pid)
    family = [worker, *worker.children(recursive=True)]
    worker.kill()
    worker.wait(10)
    for process in family[1:]:
        if process.is_running():
            os.kill(process.pid, signal.SIGKILL)
    workers.start("worker")
    done = finished(app, long, timeout=40)
    assert (done.state, done.attempts) == (State.SUCCESS, 2)
    assert path.read_text().splitlines() == ["start long", "start long", "end long"]


def test_a_living_worker_takes_over_from_a_killed_one_within_ten_seconds(app, running_system, tmp_path):
    system = running_system(modules=("tests.support.tasks",))
    for name in ("one", "two"):
        system.launch("worker", name=name)
    for name in ("one", "two"):
        system.wait_ready(name)
    path = tmp_path / "effects"
    record = submission.submit(app, "append", {"path": str(path), "line": "x", "seconds": 3})
    holder = reach(app, record.id, State.STARTED).worker.partition("@")[0]
    os.kill(system.processes[holder].pid, signal.SIGKILL)
    killed_at = app.ledger.now()
    again = wait_until(lambda: (r := app.ledger.get(record.id)).attempts == 2 and r, 20)
    assert again.started_at - killed_at < 10_000
    assert again.worker.partition("@")[0] != holder
    assert finished(app, record).state == State.SUCCESS
    print(f"taken over after {(again.started_at - killed_at) / 1000:.1f} s")


def test_a_worker_asked_to_end_finishes_short_tasks_and_gives_long_ones_back(app, running_system, tmp_path):
    system = running_system(modules=("tests.support.tasks",), env={"ASYNC_TASKS_SHUTDOWN_GRACE": "1.5"})
    system.start("worker")
    path = tmp_path / "effects"
    long = submission.submit(app, "append", {"path": str(path), "line": "long", "seconds": 6})
    short = submission.submit(app, "append", {"path": str(path), "line": "short", "seconds": 0.5})
    reach(app, long.id, State.STARTED)
    wait_until(lambda: app.ledger.get(short.id).attempts == 1, 10)
    system.processes["worker"].stop(20)
    assert app.ledger.get(short.id).state == State.SUCCESS
    assert app.ledger.get(long.id).state in (State.PENDING, State.STARTED)
    system.start("worker")
    done = finished(app, long, 40)
    assert (done.state, done.attempts) == (State.SUCCESS, 2)
    assert path.read_text().splitlines().count("end long") == 1
    assert "handed back" in events(done), "it counts as a loss, of which there are only so many"
