"""The store goes away and comes back: before, during and after tasks, and while nothing happens."""

from __future__ import annotations

import pytest

from async_tasks import queries
from async_tasks.errors import StoreUnavailable
from async_tasks.ledger import State
from async_tasks.settings import QUEUE
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


@pytest.mark.parametrize("profile", ["embedded"], indirect=True)
def test_what_the_store_has_lost_of_a_queue_is_published_again(app, workers, store, tmp_path):
    path = tmp_path / "effects"
    # As many as the worker runs at a time.
    running = [submit(app, "append", {"path": str(path), "line": str(n), "seconds": 3}) for n in range(4)]
    wait_until(lambda: path.exists() and path.read_text().count("start") == len(running), 20, "all to start")
    waiting = [submit(app, "add", {"a": n, "b": 1}) for n in range(10)]
    with store.client() as client:
        # One list for each priority.
        assert client.delete(*client.keys(f"{QUEUE}*")), "nothing was lost"
    for n, record in enumerate(waiting):
        ended = queries.wait(app, record.id, 60)
        assert (ended.state, ended.result, ended.attempts) == (State.SUCCESS, n + 1, 1)
    assert "published again" in [entry["event"] for entry in queries.get(app, waiting[-1].id).timeline]
    for record in running:
        assert queries.wait(app, record.id, 60).attempts == 1
    assert path.read_text().count("start") == len(running)
