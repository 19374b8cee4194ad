"""What operators command, in the ledger alone: what is held, where, and what lets it go."""

from __future__ import annotations

import pytest

from async_tasks.ledger import Draft, Envelope, Ledger, Sending, Sign, State, StoreConnection
from async_tasks.ledger.connection import PREFIX
from tests.support.waiting import wait_until

QUEUE = "celery_see"
NAME = "narrow"
#: Where an unfinished record can be; it is in exactly one of them.
PLACES = ("due", f"waiting:{QUEUE}", f"held:{QUEUE}", "leases")


@pytest.fixture(params=["valkey_server", "redis_server"])
def ledger(request):
    server = request.getfixturevalue(request.param)
    ledger = Ledger(StoreConnection(server.url, timeout=5, patience=5))
    ledger.client.flushall()
    yield ledger
    ledger.connection.close()


def envelope(task_id):
    headers = {"id": task_id, "async_tasks_key": f"k-{task_id}"}
    return Envelope(exchange=QUEUE, routing_key=QUEUE, body=b"[[],{},{}]", headers=headers, properties={})


def submit(ledger, *ids, name=NAME, **options):
    """Submit these, and let the broker have them."""
    sendings = [
        Sending(
            draft=Draft(id=task_id, name=name, queue=QUEUE, message_key=f"k-{task_id}"),
            envelope=envelope(task_id),
            **options,
        )
        for task_id in ids
    ]
    ledger.submit_many(sendings)
    if not options:
        ledger.published([(task_id, envelope(task_id)) for task_id in ids])


def claim(ledger, task_id):
    return ledger.claim(
        task_id,
        f"k-{task_id}",
        owner="w",
        token=f"t-{task_id}",
        worker="celery@here",
        lease=60,
        max_losses=5,
    ).verdict


def finish(ledger, task_id):
    assert ledger.finish(task_id, State.SUCCESS, token=f"t-{task_id}", result="1") == "done"


def place(ledger, task_id):
    found = [name for name in PLACES if ledger.client.zscore(f"{PREFIX}{name}", task_id) is not None]
    assert len(found) == 1, found
    return found[0].partition(":")[0]


def do_errands(ledger):
    """As a dispatcher does; seconds until the next."""
    while True:
        next_in, due = ledger.controls.errands(20)
        if not due:
            return next_in
        for kind, name in due:
            {
                "limit": ledger.controls.let_go,
                "resume": ledger.controls.let_queue_go,
                "purge": ledger.controls.go_on_purging,
            }[kind](name)


def publish_due(ledger):
    """As a dispatcher does; the ids, in order."""
    taken = ledger.take_due(limit=1000, lease=60, worker_lease=0, max_losses=5).envelopes
    ledger.published(list(taken.items()))
    return list(taken)


def events(ledger, task_id):
    return [entry["event"] for entry in ledger.get(task_id).timeline]


def test_what_was_taken_from_a_paused_queue_is_held_until_it_goes_on(ledger):
    submit(ledger, "a", "b", "c")
    assert claim(ledger, "a") == "run"
    assert ledger.controls.pause(QUEUE, "me")
    assert claim(ledger, "b") == "paused"
    # Delivered once more, confirmed late, missed by a dispatcher: held it stays, told once.
    assert claim(ledger, "b") == "paused"
    ledger.published([("b", envelope("b"))])
    assert ledger.republish_vanished(QUEUE, older_than=-1, limit=10) == 1  # c, of an empty queue
    assert place(ledger, "b") == "held"
    assert events(ledger, "b") == ["submitted", "held"]
    assert ledger.get("b").attempts == 0
    assert ledger.controls.waiting([QUEUE])[QUEUE].held == 1
    finish(ledger, "a")

    assert publish_due(ledger) == ["c"]
    assert claim(ledger, "c") == "paused"
    assert do_errands(ledger) is None
    assert ledger.controls.resume(QUEUE)
    assert not ledger.controls.resume(QUEUE)
    do_errands(ledger)
    assert publish_due(ledger) == ["b", "c"]
    assert [claim(ledger, each) for each in ("b", "c")] == ["run", "run"]
    assert place(ledger, "b") == "leases"


def test_a_queue_that_is_paused_again_lets_nothing_go(ledger):
    submit(ledger, "a")
    ledger.controls.pause(QUEUE, None)
    assert claim(ledger, "a") == "paused"
    ledger.controls.resume(QUEUE)
    ledger.controls.pause(QUEUE, None)
    do_errands(ledger)
    assert place(ledger, "a") == "held"
    ledger.cancel("a")
    assert ledger.controls.waiting([QUEUE])[QUEUE].held == 0
    ledger.controls.resume(QUEUE)
    do_errands(ledger)
    assert ledger.get("a").state is State.REVOKED


def test_slots_are_given_back_however_a_task_ends_and_in_order(ledger):
    ledger.controls.limit("declared", {NAME: {"concurrency": 2}})
    ids = [f"t{number}" for number in range(7)]
    submit(ledger, *ids)
    assert [claim(ledger, each) for each in ids] == ["run", "run"] + ["limited"] * 5
    assert events(ledger, "t2") == ["submitted", "limited"]
    # Nothing to do but a look now and then.
    assert do_errands(ledger) > 0.5
    assert publish_due(ledger) == []

    finish(ledger, "t0")
    do_errands(ledger)
    assert publish_due(ledger) == ["t2"]
    # On its way it counts: nobody else is let go for the same slot.
    ledger.controls.let_go(NAME)
    assert publish_due(ledger) == []
    assert claim(ledger, "t2") == "run"
    # A worker that was killed: its lease runs out, and with it goes the slot.
    ledger.client.zadd(f"{PREFIX}leases", {"t1": 0})
    assert publish_due(ledger) == ["t1"]
    do_errands(ledger)
    assert publish_due(ledger) == ["t3"]
    # The one that lost its worker comes first by chance, and the other waits on in its place.
    assert claim(ledger, "t1") == "run"
    assert claim(ledger, "t3") == "limited"
    assert events(ledger, "t3") == ["submitted", "limited"]
    ledger.cancel("t4")
    finish(ledger, "t1")
    ledger.release("t2", "w", "its worker was asked to stop")
    do_errands(ledger)
    assert publish_due(ledger) == ["t2", "t3", "t5"]
    assert [claim(ledger, each) for each in ("t3", "t5", "t2")] == ["run", "run", "limited"]
    finish(ledger, "t3")
    finish(ledger, "t5")
    do_errands(ledger)
    assert publish_due(ledger) == ["t2", "t6"]
    assert [claim(ledger, each) for each in ("t2", "t6")] == ["run", "run"]
    assert ledger.controls.limits()[NAME].running == 2
    assert {ledger.get(each).attempts for each in ("t3", "t5", "t6")} == {1}


def test_a_rate_spaces_starts(ledger):
    ledger.controls.limit("declared", {NAME: {"rate_limit": "20/m", "every": 3000}})
    submit(ledger, "a", "b", "c")
    assert [claim(ledger, each) for each in ("a", "b", "c")] == ["run", "limited", "limited"]
    assert 2.5 < do_errands(ledger) <= 3
    assert ledger.get("b").timeline[-1]["detail"] == "at most 20/m"
    ledger.client.set(f"{PREFIX}next:{NAME}", 0)
    ledger.client.zadd(f"{PREFIX}errands", {f"limit:{NAME}": 0})  # as if three seconds had passed
    do_errands(ledger)
    assert publish_due(ledger) == ["b"]
    assert claim(ledger, "b") == "run"
    assert do_errands(ledger) > 0.5
    assert claim(ledger, "c") == "limited"


def test_a_limit_that_is_set_takes_the_place_of_what_is_declared(ledger):
    submit(ledger, "a", "b", "c", "d")
    assert claim(ledger, "a") == "run"
    ledger.controls.limit("declared", {NAME: {"concurrency": 5}})
    ledger.controls.limit("set", {NAME: {"concurrency": 1, "at": 1}})
    # What runs already takes up a slot.
    assert [claim(ledger, each) for each in ("b", "c", "d")] == ["limited"] * 3
    ledger.controls.limit("set", {NAME: {"concurrency": 2, "at": 1}})
    do_errands(ledger)
    assert publish_due(ledger) == ["b"]
    ledger.controls.limit("set", {NAME: {"at": 1}})  # none at all
    do_errands(ledger)
    assert publish_due(ledger) == ["c", "d"]
    assert [claim(ledger, each) for each in ("b", "c", "d")] == ["run"] * 3
    ledger.controls.limit("set", {NAME: None})
    assert ledger.controls.limits()[NAME].holds == {"concurrency": 5}
    assert ledger.controls.limits()[NAME].running == 4


def test_thousands_that_wait_for_a_limit_cost_nothing_but_a_look(ledger):
    ledger.controls.limit("declared", {NAME: {"concurrency": 1}})
    ids = [f"t{number:05}" for number in range(3000)]
    submit(ledger, *ids)
    calls = [(each, f"k-{each}", "w", f"t-{each}", "celery@here", 60_000, 5) for each in ids]
    ledger.connection.scripts("claim", calls)
    assert ledger.controls.limits()[NAME].waiting == 2999
    before = ledger.client.info("commandstats")
    ledger.controls.let_go(NAME)
    assert do_errands(ledger) > 0.5
    after = ledger.client.info("commandstats")
    touched = {name: calls["calls"] - before.get(name, {"calls": 0})["calls"] for name, calls in after.items()}
    assert touched.get("cmdstat_get", 0) < 5, touched


def test_a_purge_revokes_what_waits_at_that_moment_and_nothing_else(ledger):
    ids = [f"t{number:04}" for number in range(1200)]
    submit(ledger, *ids)
    submit(ledger, "later", delay=3600)
    submit(ledger, "elsewhere", name="other")
    assert claim(ledger, "t0000") == "run"
    ledger.controls.limit("set", {NAME: {"concurrency": 1, "at": 1}})
    assert claim(ledger, "t0001") == "limited"
    count, more = ledger.controls.purge(QUEUE, "me")
    assert (count, more) == (500, True)
    submit(ledger, "after")
    wait_until(
        lambda: do_errands(ledger) is None or not ledger.client.hexists(f"{PREFIX}controls", f"purge:{QUEUE}"), 10
    )
    states = {task_id: record.state for task_id, record in ledger.get_many([*ids, "later", "after"]).items()}
    assert states.pop("t0000") is State.STARTED
    assert (states.pop("later"), states.pop("after")) == (State.SCHEDULED, State.PENDING)
    assert set(states.values()) == {State.REVOKED}
    assert events(ledger, "t0001") == ["submitted", "limited", "purged"]
    assert ledger.get("t0001").timeline[-1]["detail"] == f"purged from queue {QUEUE} by me"
    assert claim(ledger, "t0002") == "finished"
    assert ledger.controls.waiting([QUEUE])[QUEUE].held == 0


def test_a_worker_is_known_by_its_heartbeat_and_forgotten_when_it_leaves(ledger):
    sign = Sign(
        host="here", pid=1, version="1", pool="prefork", size=4, queues=(QUEUE,), memory=None, taken=0, done=0,
        dispatcher=True, stopping=False,
    )  # fmt: skip
    ledger.controls.pause(QUEUE, None)
    assert ledger.workers.beat("celery@here", "first", 5, sign) == {QUEUE}
    (worker,) = ledger.workers.all()
    assert (worker.sign, worker.state, worker.since) == (sign, "idle", worker.heard_at - 5000)
    ledger.workers.beat("celery@here", "second", 0, sign)
    ledger.workers.leave("celery@here", "first")  # late: another has its name by now
    assert len(ledger.workers.all()) == 1
    ledger.client.zincrby(f"{PREFIX}workers", -16_000, "celery@here")
    assert ledger.workers.all()[0].state == "lost"
    ledger.workers.leave("celery@here", "second")
    assert ledger.workers.all() == []
