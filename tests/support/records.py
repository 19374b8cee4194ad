"""What tests ask of a task's record."""

from __future__ import annotations

from async_tasks import queries
from async_tasks.engine import App
from async_tasks.ledger import Record, State
from tests.support.waiting import wait_until


def finished(app: App, record: Record, timeout: float = 20) -> Record:
    """The record when the task has finished; fails if that takes longer (seconds)."""
    done = queries.wait(app, record.id, timeout)
    assert done.finished, done
    return done


def how_many(app: App, state: State | None = None) -> int:
    """Records in that state, or all."""
    return queries.count(app, state=state).number


def events(record: Record) -> list[str]:
    """The names of what happened to it."""
    return [entry["event"] for entry in record.timeline]


def reach(app: App, task_id: str, state: State, timeout: float = 20) -> Record:
    """The record when the task is in that state; fails if that takes longer (seconds)."""

    def found() -> Record | None:
        record = app.ledger.get(task_id)
        return record if record is not None and record.state == state else None

    reached = wait_until(found, timeout, lambda: f"{state}: {app.ledger.get(task_id)}")
    assert reached is not None
    return reached
