"""Dispatchers, several at a time: nothing is published twice, nothing is missed, and a dead one is nobody's loss."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from async_tasks.engine import topology
from async_tasks.ledger import State
from async_tasks.ledger.connection import PREFIX
from async_tasks.submission import Entry, submit_batch
from tests.support.proxy import Proxy
from tests.support.records import how_many
from tests.support.waiting import wait_until

MODULES = ("tests.support.tasks",)
COUNT = 300
WORDS = ("start", "end")
#: Seconds within which another dispatcher has what a dead one had taken, with the settings' defaults.
TAKE_OVER = 5


class Dispatchers:
    """Dispatchers without workers: what they publish stays in the queue. Each ends with its standard input."""

    def __init__(self, system):
        self.system = system
        self.processes = []

    def start(self, count=1, **variables):
        """Start so many side by side."""
        logs = [self._launch(variables) for _ in range(count)]
        for log in logs:
            wait_until(lambda log=log: b"dispatcher started" in log.read_bytes(), 30, log.read_text)
        return self.processes[-count:]

    def _launch(self, variables):
        log = self.system.folder / f"dispatcher-{len(self.processes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "async_tasks.engine.dispatcher"],
                env={**self.system.env, **variables},
                cwd=self.system.folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return log

    def end(self):
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def dispatchers(running_system):
    dispatchers = Dispatchers(running_system(modules=MODULES))
    yield dispatchers
    dispatchers.end()


def entries(path, **options):
    return [Entry("append", {"path": str(path), "line": str(n)}, **options) for n in range(COUNT)]


def count_due(app):
    return app.ledger.client.zcard(f"{PREFIX}due")


def count_published(app):
    return app.ledger.client.zcard(f"{PREFIX}waiting:celery_see")


def all_published(app):
    """Whether all are in the broker, and none is to be published any more."""
    return count_published(app) == COUNT and count_due(app) == 0


def messages(app):
    """How many messages of each id are in the queue, which is empty then."""
    ids = Counter()
    with app.connection_for_read() as connection:
        queue = topology.queues(app.settings)[0].bind(connection.default_channel)
        while (message := queue.get(no_ack=True)) is not None:
            ids[message.headers["id"]] += 1
    return ids


def test_what_comes_due_at_once_is_published_once_by_three(app, dispatchers, tmp_path):
    dispatchers.start(3)
    moment = datetime.fromtimestamp(app.ledger.now() / 1000 + 2, UTC)
    ids = submit_batch(app, entries(tmp_path / "effects", eta=moment)).ids
    wait_until(lambda: all_published(app), 60, lambda: f"{count_published(app)} published, {count_due(app)} due")
    assert messages(app) == Counter(ids)
    for record in app.ledger.get_many(ids).values():
        assert [entry["event"] for entry in record.timeline] == ["submitted", "due"]
        assert record.timeline[-1]["at"] >= record.due_at


def test_what_a_dead_dispatcher_had_taken_is_another_s_within_five_seconds(app, dispatchers, profile, tmp_path):
    with Proxy(profile.broker.port) as broker:
        broker.pause()
        url = profile.broker_url.replace(f":{profile.broker.port}", f":{broker.port}")
        (doomed,) = dispatchers.start(ASYNC_TASKS_BROKER_URL=url)
        ids = submit_batch(app, entries(tmp_path / "effects", delay=0.5)).ids
        # It has taken them, and waits for a broker that says nothing.
        wait_until(lambda: how_many(app, State.PENDING), 30, "a dispatcher that takes what is due")
        doomed.kill()
        now = app.ledger.now()
    ((_, taken_until),) = app.ledger.client.zrange(f"{PREFIX}due", -1, -1, withscores=True)
    assert 0 < taken_until - now < TAKE_OVER * 1000
    assert count_published(app) == 0
    dispatchers.start()
    wait_until(lambda: all_published(app), 60, lambda: f"{count_published(app)} published, {count_due(app)} due")
    assert messages(app) == Counter(ids)


def test_two_go_on_when_the_third_is_killed_in_the_middle(app, dispatchers, tmp_path):
    path = tmp_path / "effects"
    doomed, *_ = dispatchers.start(3)
    spread = [replace(entry, delay=1 + n / 100) for n, entry in enumerate(entries(path))]
    ids = submit_batch(app, spread).ids
    wait_until(lambda: count_published(app) > COUNT // 4, 60, "the first to be published")
    doomed.kill()
    assert count_published(app) < COUNT, "the kill came too late to show anything"
    wait_until(lambda: all_published(app), 60, lambda: f"{count_published(app)} published, {count_due(app)} due")
    # What the dead one had published and not noted is there twice, and runs once.
    dispatchers.system.start("worker")
    wait_until(lambda: how_many(app, State.SUCCESS) == COUNT, 60, "all to run")
    wait_until(lambda: app.publisher.depths(["celery_see"])["celery_see"] == 0, 30, "copies to be looked at")
    assert {record.attempts for record in app.ledger.get_many(ids).values()} == {1}
    assert Counter(path.read_text().splitlines()) == Counter(f"{word} {n}" for n in range(COUNT) for word in WORDS)
