"""Expiry, clocks that disagree, and delays that outlast everything: the store's clock decides."""

from __future__ import annotations

import dataclasses
import os
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest
from kombu import Connection

from async_tasks import queries
from async_tasks.engine.recording import Provenance
from async_tasks.ledger import State
from async_tasks.ledger.connection import PREFIX
from async_tasks.submission import cancel, submit
from tests.support.clocks import shifted
from tests.support.waiting import wait_until

MODULES = ("tests.support.tasks", "tests.support.process_tasks")
HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def profile(profile, valkey_server):
    """Valkey is the store of both: Debian's Redis does not start with another clock."""
    profile = dataclasses.replace(profile, store=valkey_server)
    yield profile
    # The next test is to find it at the machine's time.
    valkey_server.kill()
    valkey_server.process.env = None


def in_the_broker(app, profile):
    """Messages that wait, and those that workers hold."""
    if profile.name == "rabbitmq":
        return profile.rabbit.depths(profile.broker_url.rpartition("/")[2])["celery_see"]
    return app.ledger.client.llen("celery_see") + app.ledger.client.hlen("unacked")


def assert_expired(record):
    assert record.state is State.REVOKED, record.timeline
    assert "expired" in record.error["message"]
    assert (record.timeline[-1]["event"], record.attempts) == ("expired", 0)


def test_what_expired_before_its_worker_came_never_starts_and_says_why(app, running_system, tmp_path):
    path = tmp_path / "effects"
    arguments = {"path": str(path), "line": "late"}
    waiting = [submit(app, "append", arguments, expires=0.3).id for _ in range(5)]
    not_due = submit(app, "append", arguments, delay=HOUR, expires=0.3).id
    after = submit(app, "append", {"path": str(path), "line": "in time"}, expires=HOUR).id
    end = max(queries.get(app, each).submitted_at for each in (*waiting, not_due)) + 300
    wait_until(lambda: app.ledger.now() > end)
    running_system(modules=MODULES).start("worker")
    assert queries.wait(app, after, 30).state is State.SUCCESS
    for each in (*waiting, not_due):
        assert_expired(queries.wait(app, each, 30))
    assert path.read_text().splitlines() == ["start in time", "end in time"]


@pytest.mark.parametrize("profile", ["rabbitmq"], indirect=True)
def test_what_the_broker_let_expire_is_revoked_with_that_reason(app, workers, profile):
    # By an operator's policy, or by a sender of his own: ours leaves expiry to the ledger.
    assert queries.wait(app, submit(app, "add", {"a": 1, "b": 2}).id, 30).result == 3
    workers.processes["worker"].kill()
    sending = app.sending("add", {"a": 1, "b": 2}, provenance=Provenance())
    record = app.ledger.submit(sending, grace=HOUR).record
    with Connection(profile.broker_url) as connection, connection.channel() as channel:
        message = sending.envelope
        connection.Producer(channel).publish(
            message.body,
            exchange=message.exchange,
            routing_key=message.routing_key,
            headers=dict(message.headers),
            expiration=0.2,
            **message.properties,
        )
    app.ledger.published([(record.id, sending.envelope)])
    wait_until(lambda: in_the_broker(app, profile) == 0, 30, "the broker to set it aside")
    # As long ago as what has vanished: it is in no queue that workers know, and yet somewhere.
    app.ledger.client.zincrby(f"{PREFIX}waiting:celery_see", -HOUR * 1000, record.id)
    workers.start("worker")
    ended = queries.wait(app, record.id, 30)
    assert_expired(ended)
    assert ended.error["message"] == "expired in its queue"


@pytest.mark.parametrize("web_ahead", [HOUR, -HOUR], ids=["web ahead", "web behind"])
def test_clocks_that_are_an_hour_out_change_nothing(app, running_system, tmp_path, web_ahead):
    # Two hours between them, and the store in the middle.
    web = running_system(modules=MODULES, env=shifted(web_ahead))
    worker = running_system(modules=MODULES, env={**shifted(-web_ahead), "ASYNC_TASKS_LEASE": "1"})
    web.launch("web")
    worker.start("worker")
    web.wait_ready("web")

    def ask(name, arguments, **options):
        answer = httpx.post(f"{web.url}/api/v1/tasks/{name}", json=arguments, params=options, timeout=30)
        assert answer.status_code == 202, answer.text
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        return answer.json()["id"]

    def moment(seconds):
        return (datetime.fromtimestamp(app.ledger.now() / 1000, UTC) + timedelta(seconds=seconds)).isoformat()

    held = tmp_path / "held"
    add = {"a": 1, "b": 2}
    long = ask("hold", {"path": str(held)})
    delayed = [ask("add", add, delay=2), ask("add", add, eta=moment(2))]
    in_time = [ask("add", add, expires=60), ask("add", add, expires=moment(60)), ask("retry_by_hand", {"countdown": 1})]
    too_late = [ask("add", add, delay=60, expires=1), ask("add", add, delay=60, expires=moment(1))]

    for task_id in (*delayed, *in_time):
        ended = queries.wait(app, task_id, 30)
        assert ended.state is State.SUCCESS, ended
        assert abs(ended.finished_at - app.ledger.now()) < 60_000
    for task_id in delayed:
        ended = queries.get(app, task_id)
        assert ended.started_at >= ended.due_at
        assert ended.started_at - ended.submitted_at > 1_500
    retried = queries.get(app, in_time[-1])
    starts = [entry["at"] for entry in retried.timeline if entry["event"] == "started"]
    assert len(starts) == 3
    assert all(second - first >= 1_000 for first, second in pairwise(starts))
    for task_id in too_late:
        assert_expired(queries.wait(app, task_id, 30))
    # Several leases long, and its worker has renewed every one.
    assert queries.get(app, long).state is State.STARTED
    held.with_name("held.go").touch()
    assert (queries.wait(app, long, 30).attempts, len(held.read_text().splitlines())) == (1, 1)


def test_a_day_s_delay_survives_the_end_of_everything_and_waits_in_no_worker(app, running_system, profile, tmp_path):
    path = tmp_path / "effects"
    system = running_system(modules=MODULES)
    system.start("worker")
    worker = system.processes["worker"]
    tasks = {f"{n}": submit(app, "append", {"path": str(path), "line": f"{n}"}, delay=DAY).id for n in range(20)}
    cancelled = submit(app, "append", {"path": str(path), "line": "cancelled"}, delay=DAY).id
    cancel(app, cancelled)
    app.close_connections()

    def restart(seconds):
        worker.kill()
        profile.store.kill()
        if profile.broker is not profile.store:
            # In order: RabbitMQ may lose a quorum queue that was declared a second before it is killed.
            profile.broker.restart()
        profile.store.process.env = {**os.environ, **shifted(seconds)}
        profile.store.start()
        system.start("worker")

    restart(DAY - HOUR)
    # A task that is due shows that the system works, and that those have been left alone.
    assert queries.wait(app, submit(app, "add", {"a": 1, "b": 2}, delay=1).id, 30).result == 3
    records = app.ledger.get_many(list(tasks.values()))
    assert {record.state for record in records.values()} == {State.SCHEDULED}
    wait_until(lambda: in_the_broker(app, profile) == 0, 30, "the acknowledgement of that one")
    assert app.ledger.client.zcard(f"{PREFIX}due") == len(tasks)

    restart(DAY)
    for task_id in tasks.values():
        ended = queries.wait(app, task_id, 60)
        assert (ended.state, ended.attempts) == (State.SUCCESS, 1)
        assert ended.started_at - ended.submitted_at >= DAY * 1000
    assert sorted(path.read_text().splitlines()) == sorted(f"{word} {n}" for n in tasks for word in ("start", "end"))
    assert queries.get(app, cancelled).state is State.REVOKED
