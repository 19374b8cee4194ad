"""What is counted at the moves of records, over real stores: how many, how long, how they failed, and for how long it is kept."""

from __future__ import annotations

import itertools
import math

import pytest

from async_tasks.ledger import Draft, Envelope, Ledger, Sending, State, StoreConnection
from async_tasks.ledger.connection import GROUPS, MEASURED_FOR, PREFIX
from async_tasks.ledger.measured import MINUTE
from async_tasks.ledger.message import dumps, pack
from async_tasks.measures import PARTS, Totals
from tests.support.waiting import wait_until

ENVELOPE = Envelope(
    exchange="q", routing_key="q", body=b"x", headers={"id": "a", "async_tasks_key": "k"}, properties={}
)
TRACEBACK = (
    'Traceback (most recent call last):\n  File "/a/b.py", line 3, in outer\n    f()\n  File "/a/c.py", line 4, in f\n'
)


@pytest.fixture(params=["valkey_server", "redis_server"])
def ledger(request):
    server = request.getfixturevalue(request.param)
    ledger = Ledger(StoreConnection(server.url, timeout=10, patience=10))
    ledger.client.flushall()
    yield ledger
    ledger.connection.close()


def submit(ledger, task_id, name="work", **options):
    draft = Draft(id=task_id, name=name, queue="q", args={}, message_key="k")
    return ledger.submit(Sending(draft=draft, envelope=ENVELOPE, **options), grace=5)


def claim(ledger, task_id):
    found = ledger.claim(task_id, "k", owner="w", token="t", worker="celery@here", lease=60, max_losses=1)
    assert found.verdict == "run"


def error(fingerprint="f1", message="no luck", traceback=TRACEBACK):
    return {"type": "builtins.ValueError", "message": message, "traceback": traceback, "fingerprint": fingerprint}


def fail(ledger, task_id, **options):
    submit(ledger, task_id)
    claim(ledger, task_id)
    assert ledger.finish(task_id, State.FAILURE, token="t", error=error(**options), exception={}) == "done"


def now_of(ledger, name="work"):
    """What was counted of a task, whatever minute it is by now."""
    counts: dict[str, int] = {}
    for bucket in ledger.measured.read(1, 10, ()).buckets:
        for what, count in bucket.counts.get(name, {}).items():
            counts[what] = counts.get(what, 0) + count
    return Totals(counts)


def most_waiting(ledger, queue):
    return max(bucket.counts.get(queue, {}).get("d", 0) for bucket in ledger.measured.read(1, 3, ()).buckets)


def open_minutes(ledger):
    return [key for key in ledger.client.scan_iter(f"{PREFIX}measured:*") if ledger.client.type(key) == b"hash"]


def shift(ledger, minutes):
    """Let what was counted so far have been so many minutes ago."""
    for key in sorted(open_minutes(ledger)):
        ledger.client.rename(key, f"{PREFIX}measured:{int(key.rpartition(b':')[2]) - minutes}")
    ledger.client.delete(f"{PREFIX}measured:rolled")


def pause(ledger, ms):
    began = ledger.now()
    wait_until(lambda: ledger.now() >= began + ms, 20)


def test_every_move_is_counted_once(ledger):
    for task_id in "abcdef":
        submit(ledger, task_id)
    submit(ledger, "a")  # the same again is none
    submit(ledger, "later", delay=60)
    submit(ledger, "other", name="else")
    for task_id in "abcd":
        claim(ledger, task_id)
    claim(ledger, "a")  # the answer was lost
    ledger.finish("a", State.SUCCESS, token="t", result="1")
    ledger.finish("a", State.SUCCESS, token="t", result="1")
    ledger.finish("b", State.FAILURE, token="t", error=error(), exception={})
    submit(ledger, "c", kind="retry", token="t", delay=60)
    ledger.hand_back("d", "w", "its process died", 1)
    ledger.cancel("e")
    ledger.cancel("later")

    found = now_of(ledger)
    assert (found.submitted, found.started, found.retried) == (7, 4, 1)
    assert (found.succeeded, found.failed, found.revoked) == (1, 2, 2)
    assert found.failure_rate == pytest.approx(2 / 3)
    assert now_of(ledger, "else").submitted == 1
    reading = ledger.measured.read(1, 1, ("q",))
    # Nothing has been put into its queue: f and the other are due, and so is c again.
    assert (reading.running, reading.due, reading.waiting) == (0, 3, {"q": 0})


def test_percentiles_of_waiting_and_run_times_are_those_of_the_records(ledger):
    ids = [f"task-{n}" for n in range(40)]
    for n, task_id in enumerate(ids):
        submit(ledger, task_id)
        if n % 20 == 19:
            pause(ledger, 60)
    for n, task_id in enumerate(ids):
        claim(ledger, task_id)
        if n % 20 == 19:
            pause(ledger, 40)
    for task_id in ids:
        ledger.finish(task_id, State.SUCCESS, token="t", result="1")

    records = ledger.get_many(ids).values()
    waits = sorted(record.started_at - record.submitted_at for record in records)
    runs = sorted(record.finished_at - record.started_at for record in records)
    found = now_of(ledger)
    assert waits[0] >= 60
    for name, part in PARTS.items():
        rank = math.ceil(part * len(ids)) - 1
        assert found.wait[name] == pytest.approx(waits[rank], rel=0.1)
        assert found.run[name] == pytest.approx(runs[rank], rel=0.1)


def test_the_time_until_it_is_due_is_no_waiting_time(ledger):
    submit(ledger, "a", delay=0.3)
    wait_until(lambda: ledger.take_due(limit=9, lease=60, worker_lease=60, max_losses=5).envelopes, 5)
    claim(ledger, "a")
    record = ledger.get("a")
    waited = record.started_at - record.due_at
    assert now_of(ledger).wait["p50"] == pytest.approx(waited, rel=0.1)
    assert record.started_at - record.submitted_at >= waited + 300


def test_a_minute_that_is_over_is_added_to_every_length_once(ledger):
    submit(ledger, "a")
    shift(ledger, 1)
    submit(ledger, "b")
    for minutes in (60, 1, 10, 60):
        buckets = ledger.measured.read(minutes, 3, ()).buckets
        assert sum(bucket.counts.get("work", {}).get("n", 0) for bucket in buckets) == 2, minutes
        assert all(bucket.at % (minutes * MINUTE) == 0 for bucket in buckets)
        assert [b.at - a.at for a, b in itertools.pairwise(buckets)] == [minutes * MINUTE] * 2
    assert len(open_minutes(ledger)) <= 1


def test_what_nobody_packed_for_days_is_not_lost(ledger):
    submit(ledger, "a")
    shift(ledger, 3 * 24 * 60)
    buckets = ledger.measured.read(60, 168, ()).buckets
    assert [bucket.counts["work"]["n"] for bucket in buckets if bucket.counts] == [1]


def test_a_clock_that_was_ahead_stops_nothing(ledger):
    submit(ledger, "a")
    shift(ledger, 1)
    ledger.client.set(f"{PREFIX}measured:rolled", ledger.now() // MINUTE + 1000)
    assert now_of(ledger).submitted == 1


def test_all_that_is_measured_expires_by_itself(ledger):
    fail(ledger, "a")
    ledger.measured.sample(("q",), every=0.001, forget_after=60)
    shift(ledger, 1)
    submit(ledger, "b")
    ledger.measured.read(1, 1, ())
    keys = [key for key in ledger.client.scan_iter(f"{PREFIX}measured:*") if not key.endswith(b":rolled")]
    assert len(keys) >= 4
    for key in keys:
        assert 0 <= ledger.client.ttl(key) <= MEASURED_FOR or key.endswith(b":sampled"), key


def test_names_beyond_a_bound_are_one(ledger):
    drafts = [Draft(id=str(n), name=f"name-{n}", queue="q", args={}, message_key="k") for n in range(520)]
    ledger.submit_many([Sending(draft=draft, envelope=ENVELOPE) for draft in drafts])
    shift(ledger, 1)
    names: dict[str, int] = {}
    for bucket in ledger.measured.read(60, 2, ()).buckets:
        for name, counts in bucket.counts.items():
            names[name] = names.get(name, 0) + counts["n"]
    assert len(names) <= 502
    assert names["(others)"] >= 18
    assert sum(names.values()) == 520


def test_queues_are_looked_at_by_one_of_all_dispatchers_and_the_most_counts(ledger):
    for task_id in "ab":
        submit(ledger, task_id)
        ledger.published([(task_id, ENVELOPE)])
    for _ in range(2):
        ledger.measured.sample(("q", "empty"), every=60, forget_after=60)
        assert most_waiting(ledger, "q") == 2
        submit(ledger, "c")  # one more: who looks a second time within a minute does not see it
        ledger.published([("c", ENVELOPE)])
    ledger.client.delete(f"{PREFIX}measured:sampled")
    for task_id in "ab":
        ledger.cancel(task_id)
    ledger.measured.sample(("q", "empty"), every=60, forget_after=60)
    assert (most_waiting(ledger, "q"), most_waiting(ledger, "empty")) == (2, 0)
    assert ledger.measured.read(1, 1, ("q", "empty")).waiting == {"q": 1, "empty": 0}


def test_failures_alike_are_a_group_with_what_is_known_of_the_newest(ledger):
    fail(ledger, "a", message="first")
    first = ledger.get("a").finished_at
    fail(ledger, "b", message="ü" * 600)
    fail(ledger, "c", fingerprint="f2", traceback=None)

    newest, group = ledger.measured.groups()
    assert (newest.fingerprint, newest.where, newest.example) == ("f2", "", "c")
    assert (group.fingerprint, group.type, group.name) == ("f1", "builtins.ValueError", "work")
    assert (group.where, group.example, group.first) == ("/a/c.py:4 in f", "b", first)
    assert group.last == ledger.get("b").finished_at
    assert group.message == "ü" * 500
    assert now_of(ledger).failed == 3


def test_what_arose_in_no_code_is_told_apart_by_its_task(ledger):
    for task_id, name in (("a", "one"), ("b", "one"), ("c", "two")):
        submit(ledger, task_id, name=name)
        claim(ledger, task_id)
        ledger.hand_back(task_id, "w", "its process died", 1)
    submit(ledger, "d", name="one")
    ledger.bury("d", "k", State.FAILURE, "the broker gave up")

    groups = ledger.measured.groups()
    assert [(group.type.rpartition(".")[2], group.name) for group in groups] == [
        ("DeadLettered", "one"),
        ("WorkerLostError", "two"),
        ("WorkerLostError", "one"),
    ]
    assert ledger.get("a").error["fingerprint"] == ledger.get("b").error["fingerprint"] == groups[2].fingerprint


def test_an_error_that_cannot_be_read_ends_the_record_all_the_same(ledger):
    submit(ledger, "a")
    claim(ledger, "a")
    assert ledger.finish("a", State.FAILURE, token="t", error={"fingerprint": None}, exception={}) == "done"
    assert ledger.measured.groups() == []
    assert now_of(ledger).failed == 1


def test_the_oldest_groups_go_and_those_that_are_seen_no_more(ledger):
    # Ids that were never sent are ended at once.
    ends = [{"v": 1, "name": "work", "queue": "q", "error": dumps(error(f"f{n}"))} for n in range(GROUPS + 2)]
    calls = [(f"task-{n}", State.FAILURE, "", "", pack(end), "", 0) for n, end in enumerate(ends)]
    ledger.connection.scripts("finish", calls)
    kept = {group.fingerprint for group in ledger.measured.groups()}
    assert len(kept) == GROUPS
    assert kept.isdisjoint({"f0", "f1"})
    assert not ledger.client.exists(f"{PREFIX}failure:f0")
    # What is packed has forgotten them, too.
    shift(ledger, 1)
    counts = {what for bucket in ledger.measured.read(1, 9, ()).buckets for what in bucket.counts.get("work", {})}
    assert sum(what.startswith("e") for what in counts) == GROUPS

    ledger.measured.sample((), every=0.001, forget_after=3600)
    assert len(ledger.measured.groups()) == GROUPS
    wait_until(lambda: ledger.measured.sample((), every=0.001, forget_after=0) or not ledger.measured.groups(), 5)
    assert not list(ledger.client.scan_iter(f"{PREFIX}failure:*"))
