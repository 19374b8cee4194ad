"""RabbitMQ goes away and comes back: while tasks run, wait or are submitted, and with its memory lost.

With the embedded default the broker is the store: see ``test_store_away``.
"""

from __future__ import annotations

from collections import Counter

import pytest
from kombu import Connection

from async_tasks import queries
from async_tasks.ledger import State
from async_tasks.settings import QUEUE
from async_tasks.submission import submit
from tests.support import door
from tests.support.waiting import wait_until

#: Seconds of a lease: what runs longer while the broker is away must have been renewed.
LEASE = 2

pytestmark = pytest.mark.parametrize("profile", ["rabbitmq"], indirect=True)


@pytest.fixture
def system(running_system):
    """A web process and a worker that runs two tasks at a time."""
    system = running_system(
        modules=("tests.support.tasks",),
        env={"ASYNC_TASKS_LEASE": str(LEASE), "ASYNC_TASKS_CONCURRENCY": "2", "ASYNC_TASKS_QUEUES": "other"},
    )
    system.start()
    return system


@pytest.fixture
def broker(profile, app, system):
    """The broker, which serves again when the test ends, for the tests that follow.

    Each queue has had a message: RabbitMQ 3.10 finds no leader any more for one that was only just declared when it
    was killed.
    """
    for name in ("echo", "elsewhere"):
        record = submit(app, name, {"value": 1} if name == "echo" else {})
        assert queries.wait(app, record.id, 20).state is State.SUCCESS
    yield profile.rabbit
    profile.rabbit.ensure()


def lines(path):
    return Counter(path.read_text().splitlines()) if path.exists() else Counter()


def events(record):
    return [entry["event"] for entry in record.timeline]


def vhost(profile):
    return profile.broker_url.rpartition("/")[2]


def test_a_broker_that_is_killed_mid_task_and_with_delayed_tasks_loses_none(app, system, broker, tmp_path):
    path = tmp_path / "effects"
    arguments = {"path": str(path)}
    running = submit(app, "append", {**arguments, "line": "long", "seconds": 3 * LEASE})
    wait_until(lambda: lines(path)["start long"], 20, "the start")
    waiting = [submit(app, "append", {**arguments, "line": f"waiting {n}", "seconds": 0.02}) for n in range(20)]
    delayed = [submit(app, "append", {**arguments, "line": f"delayed {n}"}, delay=1 + n / 10) for n in range(20)]
    broker.kill()
    wait_until(lambda: lines(path)["end long"], 30, "the end of what ran")
    broker.start()
    for record in (running, *waiting, *delayed):
        assert queries.wait(app, record.id, 60).state is State.SUCCESS
    assert lines(path)["start long"] == 1, "it ran twice though its worker lived"
    ends = {line for line in lines(path) if line.startswith("end ")}
    assert ends == {
        "end long",
        *(f"end waiting {n}" for n in range(20)),
        *(f"end delayed {n}" for n in range(20)),
    }
    assert system.processes["worker"].alive


def test_the_api_accepts_while_the_broker_is_away_and_all_of_it_runs_afterwards(app, system, broker):
    broker.kill()
    ids = [door.assert_accepted(door.submit(system, "add", {"a": n, "b": 1})) for n in range(5)]
    delayed = door.assert_accepted(door.submit(system, "add", {"a": 5, "b": 1}, "delay=1"), "SCHEDULED")
    for task_id in ids:
        record = door.read(system, task_id).json()
        assert record["state"] == "PENDING"
        assert "publish deferred" in [entry["event"] for entry in record["timeline"]], "nobody is told why it waits"
    # What may not start any more is ended in time without a broker.
    expiring = door.assert_accepted(door.submit(system, "add", {"a": 1, "b": 1}, "expires=0.5"))
    assert queries.wait(app, expiring, 20).state is State.REVOKED
    cancelled = door.assert_accepted(door.submit(system, "add", {"a": 1, "b": 1}))
    assert door.ask(system, "DELETE", f"tasks/{cancelled}").status_code == 200
    broker.start()
    for n, task_id in enumerate([*ids, delayed]):
        ended = queries.wait(app, task_id, 60)
        assert (ended.state, ended.result, ended.attempts) == (State.SUCCESS, n + 1, 1)
    assert queries.get(app, cancelled).state is State.REVOKED


def purge(profile):
    with Connection(profile.broker_url) as connection:
        assert connection.default_channel.queue_purge(QUEUE), "nothing was lost"


def delete_queue(profile):
    with Connection(profile.broker_url) as connection:
        connection.default_channel.queue_delete(QUEUE)


def forget_all(profile):
    profile.rabbit.delete_vhost(vhost(profile))
    profile.rabbit.add_vhost(vhost(profile))


def test_what_the_broker_has_lost_is_published_again(app, system, broker, profile, tmp_path):
    for lose in (purge, delete_queue, forget_all):
        path = tmp_path / lose.__name__
        arguments = {"path": str(path), "seconds": 3}
        running = [submit(app, "append", {**arguments, "line": f"running {n}"}) for n in range(2)]
        wait_until(lambda path=path: lines(path).total() == 2, 20, "both to start")
        waiting = [submit(app, "add", {"a": n, "b": 1}) for n in range(10)]
        lose(profile)
        for n, record in enumerate(waiting):
            ended = queries.wait(app, record.id, 60)
            assert (ended.state, ended.result, ended.attempts) == (State.SUCCESS, n + 1, 1), lose
        assert "published again" in events(queries.get(app, waiting[0].id)), lose
        for record in running:
            assert queries.wait(app, record.id, 60).state is State.SUCCESS, lose
        assert max(lines(path).values()) == 1, f"{lose}: what ran was run twice"
        # The queue is there again for what comes.
        later = door.assert_accepted(door.submit(system, "add", {"a": 1, "b": 1}))
        assert queries.wait(app, later, 20).state is State.SUCCESS
    worker = system.processes["worker"]
    assert worker.alive
    assert worker.output.count(" ready.") <= 1 + 2, "it connected again without need"
