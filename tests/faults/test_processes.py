"""Processes that run tasks end: by a signal, by the task itself, together or one alone."""

from __future__ import annotations

import os
import signal
from collections import Counter

import psutil

from async_tasks import queries
from async_tasks.ledger import State
from async_tasks.submission import submit
from tests.support.process_tasks import KILLS, RAISES, end_by, hold
from tests.support.waiting import wait_until

MODULES = ("tests.support.tasks", "tests.support.process_tasks")


def events(record):
    return [entry["event"] for entry in record.timeline]


class Held:
    """A task that runs until it is let go, and the processes that have run it."""

    def __init__(self, app, path):
        self.app = app
        self.path = path
        self.id = submit(app, hold.name, {"path": str(path)}).id

    @property
    def record(self):
        return queries.get(self.app, self.id)

    @property
    def pids(self):
        return [int(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def wait_for_run(self, number):
        """The id of the process of that run, the first being 1."""
        words = f"run {number} of a task"
        return wait_until(lambda: len(self.pids) >= number and self.pids, 60, lambda: f"{words}: {self.record}")[-1]

    def let_go(self):
        self.path.with_name(f"{self.path.name}.go").touch()
        return queries.wait(self.app, self.id, 60)


def still_runs(app):
    return queries.wait(app, submit(app, "add", {"a": 1, "b": 2}).id, 60).result == 3


def test_a_killed_pool_process_costs_its_own_task_one_run_and_its_neighbours_nothing(app, running_system, tmp_path):
    system = running_system(modules=MODULES)
    system.start("worker")
    struck, neighbour = Held(app, tmp_path / "struck"), Held(app, tmp_path / "neighbour")
    pid, other = struck.wait_for_run(1), neighbour.wait_for_run(1)
    os.kill(pid, signal.SIGKILL)
    assert struck.wait_for_run(2) not in (pid, other)
    done, beside = struck.let_go(), neighbour.let_go()
    assert (done.state, done.attempts) == (State.SUCCESS, 2)
    assert events(done) == ["submitted", "started", "worker lost", "started", "succeeded"]
    assert (beside.state, beside.attempts, beside.result) == (State.SUCCESS, 1, other)
    assert system.processes["worker"].alive


def test_a_task_that_loses_its_process_too_often_is_a_failure_with_the_reason(app, running_system, tmp_path):
    system = running_system(modules=MODULES, env={"ASYNC_TASKS_MAX_LOSSES": "3"})
    system.start("worker")
    held = Held(app, tmp_path / "held")
    for number in (1, 2, 3):
        os.kill(held.wait_for_run(number), signal.SIGKILL)
    ended = queries.wait(app, held.id, 60)
    assert (ended.state, ended.error["message"], ended.attempts) == (State.FAILURE, "worker lost 3 times", 3)
    assert still_runs(app)
    assert len(held.pids) == 3
    assert system.processes["worker"].alive


def test_what_a_killed_worker_ran_runs_again_and_nothing_of_the_worker_is_left(app, running_system, tmp_path):
    system = running_system(modules=MODULES, env={"ASYNC_TASKS_LEASE": "1"})
    for name in ("one", "two"):
        # Room for all of them in the one that is left.
        system.launch("worker", "--concurrency", "3", name=name)
    for name in ("one", "two"):
        system.wait_ready(name)
    tasks = [Held(app, tmp_path / f"held-{n}") for n in range(3)]
    for task in tasks:
        task.wait_for_run(1)
    name = tasks[0].record.worker.partition("@")[0]
    worker = psutil.Process(system.processes[name].pid)
    family = worker.children(recursive=True)
    struck = {task.id for task in tasks if task.record.worker.partition("@")[0] == name}
    # Alone: its pool processes and its dispatcher have to notice by themselves.
    os.kill(worker.pid, signal.SIGKILL)
    for task in tasks:
        task.wait_for_run(2 if task.id in struck else 1)
        done = task.let_go()
        assert (done.state, done.attempts) == (State.SUCCESS, 2 if task.id in struck else 1)
        assert len(task.pids) == done.attempts
    psutil.wait_procs(family, timeout=30)
    assert not [process for process in family if process.is_running()]


def test_a_long_task_on_a_living_worker_starts_once(app, running_system, tmp_path):
    system = running_system(modules=MODULES, env={"ASYNC_TASKS_LEASE": "1"})
    system.start("worker")
    held = Held(app, tmp_path / "held")
    held.wait_for_run(1)
    started = held.record.started_at
    # Several leases, and more than a message may be out of sight.
    wait_until(lambda: app.ledger.now() - started > 7_000, 30)
    done = held.let_go()
    assert (done.state, done.attempts, len(held.pids)) == (State.SUCCESS, 1, 1)
    assert events(done) == ["submitted", "started", "succeeded"]


def test_a_task_that_would_end_the_worker_ends_itself_alone(app, running_system, tmp_path):
    system = running_system(modules=MODULES, env={"ASYNC_TASKS_MAX_LOSSES": "2"})
    system.start("worker")
    effects = tmp_path / "effects"
    records = {how: submit(app, end_by.name, {"how": how, "path": str(effects)}).id for how in RAISES | KILLS}
    for how, task_id in records.items():
        ended = queries.wait(app, task_id, 60)
        assert (how, ended.state, ended.attempts) == (how, State.FAILURE, 2 if how in KILLS else 1)
        assert (how, ended.error["message"] == "worker lost 2 times") == (how, how in KILLS)
    assert Counter(effects.read_text().splitlines()) == Counter([*RAISES, *KILLS, *KILLS])
    assert still_runs(app)
    worker = system.processes["worker"]
    assert worker.alive
    assert worker.output.count(" ready.") == 1, "it started again"
