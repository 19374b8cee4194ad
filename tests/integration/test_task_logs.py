"""What a task logs is kept beside its record, within bounds, live, and never to its harm."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from async_tasks import queries, submission
from async_tasks.engine import App
from async_tasks.errors import UnknownRecord
from async_tasks.ledger import LOG_LINES, NewLine
from async_tasks.ledger.loglines import LOG_BYTES
from async_tasks.ledger.record import State
from tests.support.system import System
from tests.support.waiting import wait_until
from tests.support.web import assert_problem

WAIT = 30


def test_whatever_a_task_says_is_in_its_log(app: App, workers: System) -> None:
    cursor = queries.latest_change(app)
    task_id = submission.submit(app, "talk", {"lines": 2}).id
    record = queries.wait(app, task_id, WAIT)
    assert record.state is State.SUCCESS
    # The lines are there before the end is.
    log = queries.log(app, task_id)
    said = [(line.level, line.logger, line.text.partition("\n")[0]) for line in log.lines]
    assert said == [
        ("info", "tests.talk", "line of 2"),
        ("warning", "tests.talk", "structured number=2 what='line'"),
        ("info", "print", "printed line"),
        ("error", "tests.thread", "from a thread"),
        ("error", "tests.talk", "caught"),
        ("info", "tests.talk", "line 0"),
        ("info", "tests.talk", "line 1"),
    ]
    assert log.lines[4].text.endswith("invalid literal for int() with base 10: 'told in full'")
    assert log.left_out == 0
    assert all(record.started_at <= line.at <= record.finished_at for line in log.lines if record.started_at)
    # All of a moment in one call, which those who watch are told of.
    logged = [change for change in queries.changes(app, cursor, block=0) if change.event == "logged"]
    assert [change.id for change in logged] == [task_id]
    # They are still lines of the worker's own log, with the task's id.
    output = workers.processes["worker"].output
    assert "printed line" in output
    assert f"task_id={task_id}" in output.replace("\x1b[0m", "") or f'"task_id": "{task_id}"' in output

    silent = submission.submit(app, "add", {"a": 1, "b": 2}).id
    queries.wait(app, silent, WAIT)
    assert queries.log(app, silent).lines == []
    with pytest.raises(UnknownRecord):
        queries.log(app, "nobody")

    # A chatty task keeps its last lines, in few calls.
    cursor = queries.latest_change(app)
    chatty = submission.submit(app, "talk", {"lines": 1000, "pause": 0.001}).id
    queries.wait(app, chatty, WAIT)
    log = queries.log(app, chatty)
    assert len(log.lines) == LOG_LINES
    assert log.lines[-1].text == "line 999"
    assert log.left_out == 1005 - LOG_LINES
    assert len([change for change in queries.changes(app, cursor, block=0) if change.event == "logged"]) < 20

    # And live: before the end.
    running = submission.submit(app, "talk", {"lines": 100, "pause": 0.1}).id
    wait_until(lambda: len(queries.log(app, running).lines) > 8, WAIT)
    assert queries.get(app, running).state is State.STARTED
    submission.cancel(app, running)
    queries.wait(app, running, WAIT)
    app.ledger.forget(running)
    with pytest.raises(UnknownRecord):
        queries.log(app, running)
    assert app.ledger.client.keys(f"*log:{running}*") == []


def started(app: App, **options: object) -> str:
    """A record in the state STARTED."""
    record = submission.submit(app, "add", {"a": 1, "b": 2})
    claim = app.ledger.claim(
        record.id, record.message_key, owner="worker", token="token", worker="worker@host", lease=30, max_losses=5
    )
    assert claim.verdict == "run"
    return record.id


def lines(first: int, last: int, text: str = "x") -> list[NewLine]:
    """Lines of those numbers."""
    return [NewLine(number, 5, "info", "logger", f"{text}{number}") for number in range(first, last + 1)]


def test_the_ledger_keeps_each_line_once_and_no_more_than_it_may(make: Callable[..., Flask]) -> None:
    flask = make()
    app: App = flask.extensions["async_tasks"]
    task_id = started(app)
    app.ledger.log(task_id, 1, lines(1, 3))
    app.ledger.log(task_id, 1, lines(2, 4))  # an answer was lost, and it comes again
    app.ledger.log(task_id, 1, lines(7, 8))  # what its worker had no room for
    app.ledger.log(task_id, 2, lines(1, 1))
    log = queries.log(app, task_id)
    assert [(line.attempt, line.text) for line in log.lines] == [
        (1, "x1"), (1, "x2"), (1, "x3"), (1, "x4"), (1, "x7"), (1, "x8"), (2, "x1"),
    ]  # fmt: skip
    assert log.left_out == 2
    app.ledger.log(task_id, 2, lines(2, 101, "y" * 1000))
    log = queries.log(app, task_id)
    size = sum(len(line.text) for line in log.lines)
    assert LOG_BYTES - 3000 < size < LOG_BYTES
    assert log.lines[-1].text.endswith("y101")
    assert log.left_out == 109 - len(log.lines)
    app.ledger.log("nobody", 1, lines(1, 1))
    assert app.ledger.client.exists("at:1:log:nobody") == 0

    client = flask.test_client()
    answer = client.get(f"/api/v1/tasks/{task_id}/logs")
    assert answer.json
    assert answer.json["left_out"] == log.left_out
    assert answer.json["lines"][-1] == {
        "at": answer.json["lines"][-1]["at"],
        "level": "info",
        "logger": "logger",
        "message": log.lines[-1].text,
        "attempt": 2,
    }
    again = client.get(f"/api/v1/tasks/{task_id}/logs", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert_problem(client.get("/api/v1/tasks/nobody/logs"), 404, "unknown-record")
    assert_problem(client.get(f"/api/v1/tasks/{task_id}/logs?lines=5"), 422, "invalid-option")
