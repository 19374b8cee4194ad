"""The store goes away and comes back: before, during and after tasks, and while nothing happens."""

from __future__ import annotations

import pytest

from async_tasks import queries
from async_tasks.errors import StoreUnavailable
from async_tasks.ledger import State
from async_tasks.submission import submit
from tests.support.waiting import wait_until


@pytest.fixture
def store(profile):
    """The store, which runs again when the test ends, for the tests that follow."""
    yield profile.store
    if not profile.store.process.alive:
        profile.store.start()


def test_an_idle_worker_outlives_the_store(app, workers, store):
    for n in range(4):
        store.kill()
        store.start()
        record = submit(app, "add", {"a": n, "b": 1})
        assert queries.wait(app, record.id, 40).result == n + 1
    assert workers.processes["worker"].alive
    assert workers.processes["worker"].output.count("celery@") < 100


def test_a_task_that_ran_meanwhile_keeps_its_result(app, workers, store, tmp_path):
    path = tmp_path / "effects"
    record = submit(app, "append", {"path": str(path), "line": "x", "seconds": 2})
    wait_until(lambda: path.exists() and "start" in path.read_text(), 20, "the start")
    store.kill()
    with pytest.raises(StoreUnavailable):
        queries.get(app, record.id)
    wait_until(lambda: "end" in path.read_text(), 20, "the end of the task")
    store.start()
    ended = queries.wait(app, record.id, 40)
    assert ended.state is State.SUCCESS
    assert workers.processes["worker"].alive
