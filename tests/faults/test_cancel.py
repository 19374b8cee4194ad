"""Cancelling what runs: softly, then hard; and tasks that end by Celery's own exceptions."""

from __future__ import annotations

import pytest

from async_tasks import queries
from async_tasks.ledger import State
from async_tasks.submission import cancel, submit
from tests.support.waiting import wait_until


def started(app, task_id):
    wait_until(lambda: queries.get(app, task_id).state is State.STARTED, 20, "the start")


@pytest.fixture
def impatient(running_system):
    system = running_system(modules=("tests.support.tasks",), env={"ASYNC_TASKS_CANCEL_GRACE": "2"})
    system.start("worker")
    return system


@pytest.mark.parametrize("manner", ["cleans", "ignores"])
def test_a_running_task_is_asked_before_it_is_ended(app, impatient, tmp_path, manner):
    path = tmp_path / "effects"
    record = submit(app, "stubborn", {"path": str(path), "seconds": 60, "manner": manner})
    started(app, record.id)
    wait_until(path.exists, 10, "the first line")
    cancel(app, record.id)
    ended = queries.wait(app, record.id, 20)
    assert ended.state is State.REVOKED
    assert [entry["event"] for entry in ended.timeline][-2:] == ["cancel requested", "cancelled"]
    lines = path.read_text().splitlines()
    assert lines == (["goes on", "asked to stop"] if manner == "cleans" else ["goes on", "asked to stop", "goes on"])
    # The process, or the one in its place, goes on.
    assert queries.wait(app, submit(app, "add", {"a": 1, "b": 2}).id, 20).result == 3


def test_a_task_that_reports_progress_stops_at_its_next_report(app, workers):
    record = submit(app, "steps", {"count": 10_000, "pause": 0.01})
    started(app, record.id)
    cancel(app, record.id)
    ended = queries.wait(app, record.id, 20)
    assert ended.state is State.REVOKED
    assert ended.progress["done"] < 10_000


@pytest.mark.parametrize(
    ("how", "state", "runs"), [("ignore", State.REVOKED, 1), ("reject", State.FAILURE, 1), ("again", State.SUCCESS, 2)]
)
def test_a_task_that_bows_out_has_an_end(app, workers, tmp_path, how, state, runs):
    path = tmp_path / "effects"
    record = submit(app, "bow_out", {"how": how, "path": str(path)})
    ended = queries.wait(app, record.id, 20)
    assert ended.state is state
    assert path.read_text().splitlines() == ["run"] * runs
