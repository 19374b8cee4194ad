"""Messages that are delivered more than once: one effect and one attempt, whenever and wherever they come."""

from __future__ import annotations

import pytest

from async_tasks import queries
from async_tasks.engine.recording import Provenance
from async_tasks.ledger import Envelope, State
from async_tasks.ledger.connection import PREFIX
from async_tasks.submission import submit
from tests.support.process_tasks import hold
from tests.support.waiting import wait_until

MODULES = ("tests.support.tasks", "tests.support.process_tasks")


@pytest.fixture
def pair(running_system):
    """Two workers, whose leases are short."""
    system = running_system(modules=MODULES, env={"ASYNC_TASKS_LEASE": "1"})
    for name in ("one", "two"):
        system.launch("worker", "--concurrency", "2", name=name)
    for name in ("one", "two"):
        system.wait_ready(name)
    return system


def events(record):
    return [entry["event"] for entry in record.timeline]


def message_of(app, task_id):
    return Envelope.unpack(app.ledger.client.get(f"{PREFIX}msg:{task_id}"))


def deliver(app, task_id, message, times):
    """So many copies, and wait until workers have seen all of them."""
    assert app.publisher.publish_many([(task_id, message)] * times) == [None] * times
    wait_until(lambda: app.publisher.depths(["celery_see"])["celery_see"] == 0, 30, "the copies to be taken")
    # What was taken before them has been looked at when these have run: a worker takes in order.
    for each in [submit(app, "slowly", {"value": n, "seconds": 0.1}) for n in range(6)]:
        assert queries.wait(app, each.id, 30).state is State.SUCCESS


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def test_ten_copies_at_once_on_two_workers_are_one_run(app, pair, tmp_path):
    path = tmp_path / "held"
    sending = app.sending(hold.name, {"path": str(path)}, provenance=Provenance())
    task_id = sending.draft.id
    app.ledger.submit(sending, grace=3600)
    deliver(app, task_id, sending.envelope, 10)
    # Longer than its lease, which is renewed.
    started = queries.get(app, task_id).started_at
    wait_until(lambda: app.ledger.now() - started > 1_500)
    deliver(app, task_id, sending.envelope, 5)
    assert queries.get(app, task_id).state is State.STARTED
    (tmp_path / "held.go").touch()
    ended = queries.wait(app, task_id, 30)
    deliver(app, task_id, sending.envelope, 5)
    assert queries.get(app, task_id) == ended
    assert (ended.state, ended.attempts, events(ended)) == (State.SUCCESS, 1, ["submitted", "started", "succeeded"])
    # Not even when nothing is known of it any more but that it has been.
    app.ledger.forget(task_id)
    deliver(app, task_id, sending.envelope, 5)
    assert app.ledger.get(task_id) is None
    assert len(lines(path)) == 1


def test_a_copy_takes_over_when_the_lease_of_a_silent_worker_has_run_out(app, pair, tmp_path):
    path = tmp_path / "held"
    task_id = submit(app, hold.name, {"path": str(path)}).id
    first = wait_until(lambda: lines(path), 30)[0]
    message = message_of(app, task_id)
    holder = queries.get(app, task_id).worker
    silent = pair.processes[holder.partition("@")[0]]
    silent.pause()
    try:
        # Not waited for: the broker may hand some to the silent one.
        app.publisher.publish_many([(task_id, message)] * 3)
        second = wait_until(lambda: lines(path)[1:], 30, "a run on the other worker")[0]
        assert queries.get(app, task_id).worker != holder
    finally:
        silent.resume()
    # Both end; only the one that holds the claim is believed.
    (tmp_path / "held.go").touch()
    ended = queries.wait(app, task_id, 30)
    assert (ended.state, ended.result, ended.attempts) == (State.SUCCESS, int(second), 2)
    assert events(ended)[-3:] == ["lease run out", "started", "succeeded"]
    wait_until(lambda: "result not stored" in silent.output, 30, silent.tail)
    assert queries.get(app, task_id) == ended
    assert lines(path) == [first, second]


def test_copies_of_a_task_that_retries_neither_hasten_nor_repeat_it(app, pair):
    sending = app.sending("retry_by_hand", {"countdown": 2}, provenance=Provenance())
    task_id = sending.draft.id
    app.ledger.submit(sending, grace=3600)
    messages = [sending.envelope]
    app.publisher.publish(task_id, sending.envelope)
    for retry in (1, 2):
        wait_until(
            lambda retry=retry: (record := queries.get(app, task_id)).retries == retry and record.state is State.RETRY,
            30,
            lambda: str(queries.get(app, task_id)),
        )
        upcoming = message_of(app, task_id)
        for message in messages:
            deliver(app, task_id, message, 3)
        messages.append(upcoming)
    queries.wait(app, task_id, 30)
    for message in messages:
        deliver(app, task_id, message, 3)
    assert len({message.key for message in messages}) == 3
    ended = queries.get(app, task_id)
    assert (ended.state, ended.attempts) == (State.SUCCESS, 3)
    assert events(ended) == ["submitted", *["started", "retry", "due"] * 2, "started", "succeeded"]
    retried, due = ([entry["at"] for entry in ended.timeline if entry["event"] == event] for event in ("retry", "due"))
    assert all(at - since >= 2_000 for since, at in zip(retried, due, strict=True))
