"""The ledger over real stores: moves, claims, what is due, history and changes."""

from __future__ import annotations

import itertools

import pytest

from async_tasks.errors import AlreadyFinished, StoreUnavailable, UnknownRecord
from async_tasks.ledger import MOVES, Draft, Ledger, State, StoreConnection, fingerprint
from async_tasks.ledger.connection import PREFIX, TIMELINE_CAP
from tests.support.moves import ENVELOPE, QUEUE, claim, keys_of, submit
from tests.support.waiting import wait_until

#: The indexes of every submission of these tests.
INDEXED = {"idx:name:reverse_text", f"idx:queue:{QUEUE}"}
REVOKED = fingerprint("celery.exceptions.TaskRevokedError", "reverse_text")


def take(ledger, *, worker_lease=0.0, max_losses=5):
    return ledger.take_due(limit=100, lease=60, worker_lease=worker_lease, max_losses=max_losses)


def events(ledger, task_id="a"):
    return [entry["event"] for entry in ledger.get(task_id).timeline]


def test_a_submission_runs_and_succeeds(ledger):
    submitted = submit(ledger)
    assert submitted.publish_now
    assert submitted.record.state == State.PENDING
    ledger.published([("a", ENVELOPE)])
    assert keys_of(ledger) == {*INDEXED, "idx:state:PENDING", f"waiting:{QUEUE}"}

    started = claim(ledger)
    assert (started.verdict, started.record.state, started.record.attempts) == ("run", State.STARTED, 1)
    assert "leases" in keys_of(ledger)
    assert f"waiting:{QUEUE}" not in keys_of(ledger)

    assert ledger.finish("a", State.SUCCESS, token="t1", result='"olleh"') == "done"
    record = ledger.get("a")
    assert (record.state, record.result, record.args) == (State.SUCCESS, "olleh", {"text": "hello"})
    assert record.submitted_at <= record.started_at <= record.finished_at
    assert events(ledger) == ["submitted", "started", "succeeded"]
    assert keys_of(ledger) == {*INDEXED, "idx:state:SUCCESS", "idx:worker:celery@here", "finished"}
    assert not ledger.client.exists(f"{PREFIX}msg:a")


def test_the_same_submission_again_changes_nothing(ledger):
    submit(ledger)
    assert submit(ledger).outcome == "again"
    assert submit(ledger).publish_now
    claim(ledger)
    assert submit(ledger).outcome == "known"
    assert not submit(ledger).publish_now
    assert ledger.get("a").state == State.STARTED
    assert events(ledger) == ["submitted", "started"]


def test_only_one_of_two_claims_runs(ledger):
    submit(ledger)
    assert claim(ledger, token="t1").verdict == "run"
    assert claim(ledger, token="t2", owner="w2").verdict == "held"
    # The same claim again, after a lost answer, is the same claim.
    assert claim(ledger, token="t1").verdict == "run"
    assert ledger.get("a").attempts == 1


def test_an_old_copy_of_a_message_is_known_as_such(ledger):
    submit(ledger)
    claim(ledger)
    assert submit(ledger, kind="retry", token="t1", message_key="k2", delay=0).record.state == State.RETRY
    assert claim(ledger, message_key="k1", token="t2").verdict == "stale"
    assert claim(ledger, message_key="k2", token="t2").verdict == "run"


def test_a_claim_of_what_nobody_recorded_is_unknown(ledger):
    assert claim(ledger, "nobody", message_key="").verdict == "unknown"
    ledger.adopt(Draft(id="nobody", name="x", queue=QUEUE), ENVELOPE)
    assert claim(ledger, "nobody", message_key="").verdict == "run"
    assert events(ledger, "nobody") == ["adopted", "started"]


def test_a_run_out_lease_lets_another_worker_take_over_and_the_first_loses(ledger):
    submit(ledger)
    claim(ledger, lease=0.05)
    wait_until(lambda: claim(ledger, token="t2", owner="w2").verdict == "run", 2)
    assert ledger.finish("a", State.SUCCESS, token="t1", result='"late"') == "refused"
    assert ledger.progress("a", "t1", {"done": 1, "total": 2, "message": None}) == "lost"
    assert ledger.finish("a", State.SUCCESS, token="t2", result='"mine"') == "done"
    assert ledger.get("a").result == "mine"
    assert events(ledger) == ["submitted", "started", "lease run out", "started", "succeeded"]


def test_a_renewed_lease_does_not_run_out(ledger):
    submit(ledger)
    claim(ledger, lease=0.2)
    assert ledger.renew("w1", 60, ["a", "unknown"]) == []
    assert ledger.renew("somebody else", 60, ["a"]) == []
    score = ledger.client.zscore(f"{PREFIX}leases", "a")
    assert score - ledger.now() > 50_000


def test_the_dispatcher_takes_over_what_lost_its_worker(ledger):
    submit(ledger, "b")
    claim(ledger, "b", lease=0.01)
    wait_until(lambda: ledger.now() > ledger.client.zscore(f"{PREFIX}leases", "b"), 2)
    assert take(ledger).envelopes == {"b": ENVELOPE}
    assert ledger.get("b").state == State.PENDING


def test_nobody_is_taken_for_dead_when_nobody_has_looked_for_a_while(ledger):
    submit(ledger, "b")
    claim(ledger, "b", lease=0.01)
    wait_until(lambda: ledger.now() > ledger.client.zscore(f"{PREFIX}leases", "b"), 2)
    due = take(ledger, worker_lease=0.5)
    assert due.envelopes == {}
    assert 0.3 < due.next_in <= 0.5, "or a dispatcher looks again and again meanwhile"
    assert claim(ledger, "b", token="t2").verdict == "held"
    taken = wait_until(lambda: take(ledger, worker_lease=0.5).envelopes, 5)
    assert taken == {"b": ENVELOPE}


def test_too_many_losses_end_in_failure_with_the_reason(ledger):
    submit(ledger)
    for n in range(1, 4):
        claim(ledger, token=f"t{n}")
        state = ledger.hand_back("a", "w1", "its process died", 3)
        assert state == (State.FAILURE if n == 3 else State.PENDING)
    record = ledger.get("a")
    assert record.error["message"] == "worker lost 3 times"
    assert record.exception["exc_type"] == "WorkerLostError"


def test_a_worker_started_again_gives_back_what_its_predecessor_ran(ledger):
    submit(ledger)
    submit(ledger, "b")
    claim(ledger, owner="old")
    claim(ledger, "b", owner="new")
    assert ledger.succeed_worker("celery@here", "new", 5) == 1
    assert (ledger.get("a").state, ledger.get("b").state) == (State.PENDING, State.STARTED)
    assert set(take(ledger).envelopes) == {"a"}


def test_a_delay_waits_and_then_is_due_once(ledger):
    assert submit(ledger, delay=0.15).record.state == State.SCHEDULED
    first = take(ledger)
    assert first.envelopes == {}
    assert 0 < first.next_in <= 0.15
    wait_until(lambda: take(ledger).envelopes == {"a": ENVELOPE}, 2)
    # Who took it has it for the publish lease.
    assert take(ledger).envelopes == {}
    assert ledger.get("a").state == State.PENDING
    ledger.published([("a", ENVELOPE)])
    assert ledger.client.zcard(f"{PREFIX}due") == 0


def test_what_was_never_confirmed_comes_due(ledger):
    submit(ledger, grace=0.05)
    wait_until(lambda: take(ledger).envelopes == {"a": ENVELOPE}, 2)


def test_a_confirm_after_the_start_leaves_the_claim_alone(ledger):
    submit(ledger)
    claim(ledger)
    ledger.published([("a", ENVELOPE)])
    assert "leases" in keys_of(ledger)
    assert f"waiting:{QUEUE}" not in keys_of(ledger)


def test_a_confirm_after_a_retry_leaves_the_new_message_due(ledger):
    """A dispatcher that is slow to note its confirm must not take the next message for published."""
    submit(ledger)
    claim(ledger)
    submit(ledger, kind="retry", token="t1", message_key="k2", delay=0)
    ledger.published([("a", ENVELOPE)])
    assert "due" in keys_of(ledger)
    assert set(take(ledger).envelopes) == {"a"}


def test_what_vanished_from_an_empty_queue_is_published_again(ledger):
    submit(ledger)
    ledger.published([("a", ENVELOPE)])
    assert not ledger.waits_longer_than(QUEUE, 5)
    wait_until(lambda: ledger.waits_longer_than(QUEUE, 0.05), 2)
    assert ledger.republish_vanished(QUEUE, older_than=0.05, limit=10) == 1
    assert take(ledger).envelopes == {"a": ENVELOPE}
    assert "published again" in events(ledger)


@pytest.mark.parametrize("where", ["waiting", "scheduled"])
def test_what_expires_is_revoked_with_the_reason_although_no_worker_is_there(ledger, where):
    submit(ledger, expires_in=0.05, delay=60 if where == "scheduled" else None)
    wait_until(lambda: take(ledger) and ledger.get("a").state == State.REVOKED, 2)
    assert ledger.get("a").error["message"] == "expired"
    assert keys_of(ledger) == {*INDEXED, "idx:state:REVOKED", f"idx:failure:{REVOKED}", "finished"}


def test_an_expired_message_is_not_claimed(ledger):
    submit(ledger, expires_in=0.03)
    wait_until(lambda: ledger.now() > ledger.get("a").expires_at, 2)
    assert claim(ledger).verdict == "expired"
    assert claim(ledger).verdict == "finished"


def test_cancelling_a_waiting_task_revokes_it_and_those_that_waited_for_it(ledger):
    submit(ledger, followers=[Draft(id="b", name="next", queue=QUEUE)])
    assert ledger.get("b").state == State.PENDING
    assert ledger.cancel("a").state == State.REVOKED
    assert ledger.get("b").state == State.REVOKED
    assert claim(ledger).verdict == "finished"
    with pytest.raises(AlreadyFinished):
        ledger.cancel("a")
    with pytest.raises(UnknownRecord):
        ledger.cancel("nobody")


def test_cancelling_a_running_task_asks_its_worker(ledger):
    submit(ledger)
    claim(ledger)
    record = ledger.cancel("a")
    assert (record.state, record.cancel_requested) == (State.STARTED, True)
    assert ledger.renew("w1", 60, ["a"]) == ["a"]
    assert ledger.progress("a", "t1", {"done": 1, "total": 2, "message": None}) == "cancel"
    assert ledger.finish("a", State.REVOKED, owner="w1") == "done"
    assert events(ledger) == ["submitted", "started", "cancel requested", "cancelled"]


def test_a_cancelled_task_whose_worker_dies_is_revoked_not_run_again(ledger):
    submit(ledger)
    claim(ledger)
    ledger.cancel("a")
    assert ledger.hand_back("a", "w1", "its process died", 5) == State.REVOKED


def test_a_member_of_a_canvas_gets_its_message_when_it_is_sent(ledger):
    submit(ledger, followers=[Draft(id="b", name="next", queue=QUEUE)])
    sent = submit(ledger, "b", name="next", message_key="k1")
    assert (sent.outcome, sent.publish_now) == ("recorded", True)
    assert claim(ledger, "b", message_key="k1").verdict == "run"
    assert events(ledger, "b") == ["submitted", "sent", "started"]


def test_no_final_state_is_ever_left(ledger):
    for n, state in enumerate((State.SUCCESS, State.FAILURE, State.REVOKED)):
        task_id = f"t{n}"
        submit(ledger, task_id)
        claim(ledger, task_id)
        assert ledger.finish(task_id, state, token="t1", result="1") == "done"
        assert ledger.finish(task_id, state, token="t1", result="1") == "again"
        for other in set(State) - {state}:
            assert ledger.finish(task_id, other, token="t1") == "refused"
            assert ledger.finish(task_id, other) == "refused"
        assert claim(ledger, task_id).verdict == "finished"
        assert ledger.get(task_id).state == state


def test_the_table_of_moves_is_what_the_scripts_obey(ledger):
    """Every state that can be reached here is tried against every end that finish can write."""
    reach = {
        State.SCHEDULED: lambda i: submit(ledger, i, delay=60),
        State.PENDING: lambda i: submit(ledger, i),
        State.STARTED: lambda i: (submit(ledger, i), claim(ledger, i)),
        State.RETRY: lambda i: (
            submit(ledger, i),
            claim(ledger, i),
            submit(ledger, i, kind="retry", token="t1", message_key="k2", delay=60),
        ),
    }
    for n, (source, target) in enumerate(itertools.product(reach, (State.FAILURE, State.REVOKED))):
        task_id = f"m{n}"
        reach[source](task_id)
        assert ledger.get(task_id).state == source
        token = "t1" if source == State.STARTED else ""
        answer = ledger.finish(task_id, target, token=token)
        assert (answer == "done") == (target in MOVES[source]), (source, target)


def test_the_timeline_keeps_its_beginning_and_its_end(ledger):
    submit(ledger)
    for n in range(TIMELINE_CAP + 30):
        ledger.note("a", f"event {n}")
    timeline = events(ledger)
    assert len(timeline) == TIMELINE_CAP
    assert timeline[0] == "submitted"
    assert timeline[-1] == f"event {TIMELINE_CAP + 29}"
    assert timeline.count("elided") == 1
    elided = next(entry for entry in ledger.get("a").timeline if entry["event"] == "elided")
    assert elided["detail"] == f"{TIMELINE_CAP + 31 - (TIMELINE_CAP - 1)} events left out"


def test_changes_come_in_order_and_can_be_resumed(ledger):
    submit(ledger)
    place = ledger.latest_change()
    claim(ledger)
    ledger.finish("a", State.SUCCESS, token="t1", result="1")
    seen = ledger.changes(place, block=0, count=10)
    assert [(change.id, change.state, change.event) for change in seen] == [
        ("a", State.STARTED, "started"),
        ("a", State.SUCCESS, "succeeded"),
    ]
    assert ledger.changes(seen[0].cursor, block=0, count=10) == seen[1:]
    assert ledger.changes(seen[-1].cursor, block=0.05, count=10) == []
    assert ledger.oldest_change() == place


def test_trimming_removes_a_record_with_all_of_its_index_entries(ledger):
    submit(ledger)
    claim(ledger)
    ledger.finish("a", State.SUCCESS, token="t1", result="1")
    submit(ledger, "unfinished")
    assert ledger.trim(older_than=60) == 0
    assert ledger.trim(older_than=0) == 1
    assert ledger.get("a") is None
    assert keys_of(ledger) == set()
    assert ledger.get("unfinished") is not None
    # A late redelivery must not run it again, nor may a late result bring it back.
    assert claim(ledger).verdict == "gone"
    assert ledger.finish("a", State.FAILURE) == "refused"


def test_a_store_that_is_away_is_said_so_in_bounded_time():
    gone = Ledger(StoreConnection("redis://127.0.0.1:1/0", timeout=0.3, patience=0.3))
    with pytest.raises(StoreUnavailable):
        gone.get("a")
    gone.connection.close()


def test_ids_are_any_printable_text(ledger):
    task_id = "mäh/..%2F 漢字 '\" {}"
    submit(ledger, task_id)
    assert claim(ledger, task_id).verdict == "run"
    assert ledger.get(task_id).public()["links"]["self"].startswith("/api/v1/tasks/m%C3%A4h%2F")
