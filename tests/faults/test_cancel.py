"""Cancelling what runs: softly, then hard; and tasks that end by Celery's own exceptions."""

from __future__ import annotations

import pytest
from celery import chord, group

from async_tasks import queries
from async_tasks.ledger import State
from async_tasks.submission import cancel, submit
from tests.support.tasks import append, echo, steps
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


def test_a_group_is_cancelled_though_no_worker_is_there(app, running_system, tmp_path):
    result = group(append.s(str(tmp_path / "effects"), str(n)) for n in range(5)).apply_async()
    result.revoke()
    for part in result.results:
        assert queries.get(app, part.id).state is State.REVOKED
    running_system(modules=("tests.support.tasks",)).start("worker")
    assert queries.wait(app, submit(app, "add", {"a": 1, "b": 2}).id, 20).result == 3
    assert not (tmp_path / "effects").exists()


def test_the_parts_of_a_cancelled_chord_are_cancelled(app, running_system, tmp_path):
    path = str(tmp_path / "effects")
    result = chord([append.s(path, str(n)) for n in range(5)], echo.s()).apply_async()
    assert cancel(app, result.id).state is State.REVOKED
    assert {queries.get(app, part.id).state for part in result.parent.results} == {State.REVOKED}
    running_system(modules=("tests.support.tasks",)).start("worker")
    assert queries.wait(app, submit(app, "add", {"a": 1, "b": 2}).id, 20).result == 3
    assert not (tmp_path / "effects").exists()


def test_a_result_that_is_revoked_stops_only_if_it_is_to_be_terminated(app, workers):
    result = steps.delay(10_000, 0.01)
    started(app, result.id)
    result.revoke()
    assert not queries.get(app, result.id).cancel_requested
    result.revoke(terminate=True)
    assert queries.wait(app, result.id, 20).state is State.REVOKED
