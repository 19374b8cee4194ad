"""A process that was asked to stop a cancelled task goes on, and what it runs afterwards is as safe as before."""

from __future__ import annotations

import os
import signal

from async_tasks import queries
from async_tasks.engine.worker import SOFT_STOP
from async_tasks.ledger import State
from async_tasks.submission import cancel, submit
from tests.support.process_tasks import hold
from tests.support.waiting import wait_until

MODULES = ("tests.support.tasks", "tests.support.process_tasks")


def test_what_a_process_runs_after_a_cancelled_task_is_run_again_when_it_is_killed(app, running_system, tmp_path):
    system = running_system(modules=MODULES, env={"ASYNC_TASKS_CONCURRENCY": "1"})
    system.start("worker")
    stopped = submit(app, "stubborn", {"path": str(tmp_path / "stopped"), "seconds": 60, "manner": "cleans"}).id
    wait_until((tmp_path / "stopped").exists, 30, "the start of what is cancelled")
    cancel(app, stopped)
    assert queries.wait(app, stopped, 30).state is State.REVOKED

    path = tmp_path / "held"
    held = submit(app, hold.name, {"path": str(path)}).id
    wait_until(path.exists, 30, "the first run")
    os.kill(int(path.read_text()), signal.SIGKILL)
    wait_until(lambda: len(path.read_text().splitlines()) > 1, 30, lambda: f"the second run: {queries.get(app, held)}")
    path.with_name("held.go").touch()
    assert queries.wait(app, held, 30).state is State.SUCCESS


def test_a_task_that_is_cancelled_while_its_result_is_stored_is_revoked(profile, app, running_system, tmp_path):
    # With long leases the worker looks seldom: it is the test that asks the process to stop, at that very moment.
    system = running_system(modules=MODULES, env={"ASYNC_TASKS_CONCURRENCY": "1", "ASYNC_TASKS_LEASE": "40"})
    system.start("worker")
    path = tmp_path / "held"
    held = submit(app, hold.name, {"path": str(path)}).id
    wait_until(path.exists, 30, "its start")
    cancel(app, held)
    profile.store.kill()
    try:
        path.with_name("held.go").touch()
        wait_until(path.with_name("held.over").exists, 30, "the end of its function")
        os.kill(int(path.read_text()), SOFT_STOP)
    finally:
        profile.store.start()
    ended = queries.wait(app, held, 30)
    assert (ended.state, ended.attempts) == (State.REVOKED, 1), ended.error
    assert ended.timeline[-1]["event"] == "cancelled"
