"""RabbitMQ's consumer timeout: it closes the channel of a worker that has not acknowledged a message in time."""

from __future__ import annotations

from collections import Counter

import pytest

from async_tasks import queries
from async_tasks.ledger import State
from async_tasks.submission import submit
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parametrize("profile", ["rabbitmq"], indirect=True)

#: Seconds after which the broker closes the channel; it looks once in so long. Half an hour by default.
TIMEOUT = 1


@pytest.fixture
def impatient(profile):
    """The broker with a short timeout; its own again when the test ends."""
    rabbit = profile.rabbit
    usual = {
        name: rabbit.evaluate(f"application:get_env(rabbit, {name}, undefined)")
        for name in ("consumer_timeout", "channel_tick_interval")
    }
    rabbit.evaluate(f"application:set_env(rabbit, consumer_timeout, {TIMEOUT * 1000})")
    rabbit.evaluate(f"application:set_env(rabbit, channel_tick_interval, {TIMEOUT * 1000})")
    yield rabbit
    for name, value in usual.items():
        rabbit.evaluate(f"application:set_env(rabbit, {name}, {value})")


def lines(path):
    return Counter(path.read_text().splitlines()) if path.exists() else Counter()


def test_a_task_longer_than_the_timeout_runs_once_and_its_worker_lives(app, impatient, running_system, tmp_path):
    system = running_system(
        modules=("tests.support.tasks",), env={"ASYNC_TASKS_LEASE": "2", "ASYNC_TASKS_CONCURRENCY": "2"}
    )
    system.start("worker")
    worker = system.processes["worker"]
    path = tmp_path / "effects"
    long = submit(app, "append", {"path": str(path), "line": "long", "seconds": 6})
    wait_until(lambda: "PRECONDITION_FAILED" in worker.output, 20, worker.tail)
    short = [submit(app, "append", {"path": str(path), "line": f"{n}"}) for n in range(10)]
    for record in (*short, long):
        ended = queries.wait(app, record.id, 40)
        assert (ended.state, ended.attempts) == (State.SUCCESS, 1)
    assert set(lines(path).values()) == {1}, "something was run twice"
    assert worker.alive
    assert queries.wait(app, submit(app, "add", {"a": 1, "b": 2}).id, 20).result == 3
