"""RabbitMQ has no room on its disk left: it takes no messages, and its publishers wait without a word."""

from __future__ import annotations

from collections import Counter

import pytest

from async_tasks import queries
from async_tasks.ledger import State
from tests.support import door
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parametrize("profile", ["rabbitmq"], indirect=True)

#: More than any disk has; and what the tests' server is started with.
NONE_LEFT, ENOUGH = '"1000000GB"', '"50MB"'


@pytest.fixture
def disk(profile):
    """Sets how much room RabbitMQ wants; enough again when the test ends, for the tests that follow."""

    def want(limit):
        profile.rabbit.evaluate(f"rabbit_disk_monitor:set_disk_free_limit({limit})")
        alarmed = "true" if limit == NONE_LEFT else "false"
        wait_until(
            lambda: profile.rabbit.evaluate("rabbit_alarm:get_alarms() =/= []") == alarmed,
            20,
            "the alarm to be raised or cleared",
        )

    yield want
    want(ENOUGH)


def lines(path):
    return Counter(path.read_text().splitlines()) if path.exists() else Counter()


def test_the_api_accepts_the_workers_drain_and_each_task_runs_once(app, running_system, disk, tmp_path):
    system = running_system(modules=("tests.support.tasks",), env={"ASYNC_TASKS_CONCURRENCY": "2"})
    system.start()
    path = tmp_path / "effects"

    def append(line, seconds=0.0, query=""):
        return door.submit(system, "append", {"path": str(path), "line": line, "seconds": seconds}, query)

    ids = [door.assert_accepted(append(f"before {n}", 0.5)) for n in range(8)]
    wait_until(lambda: lines(path), 20, "the first start")
    disk(NONE_LEFT)
    for n in range(3):
        answer = append(f"during {n}")
        ids.append(door.assert_accepted(answer))
        assert door.read(system, ids[-1]).json()["state"] == "PENDING"
    ids.append(door.assert_accepted(append("delayed", query="delay=0.5"), "SCHEDULED"))
    # What the broker has already is run: consumers go on.
    for task_id in ids[:8]:
        assert queries.wait(app, task_id, 40).state is State.SUCCESS
    assert "publish deferred" in [entry["event"] for entry in queries.get(app, ids[8]).timeline]
    disk(ENOUGH)
    for task_id in ids:
        ended = queries.wait(app, task_id, 40)
        assert (ended.state, ended.attempts) == (State.SUCCESS, 1)
    assert set(lines(path).values()) == {1}
    assert lines(path).total() == 2 * len(ids)
    assert system.processes["worker"].alive
    # And the worker takes what comes now.
    assert queries.wait(app, door.assert_accepted(append("after")), 20).state is State.SUCCESS
