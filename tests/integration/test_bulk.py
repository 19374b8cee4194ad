"""Bulk actions over a real store: what matched is done, once, at the rate; what cannot be done is told.

That they outlive their dispatchers is shown in tests/faults/test_bulk.py.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgpack
import pytest

from async_tasks import queries
from async_tasks.engine import App
from async_tasks.engine import bulk as engine_bulk
from async_tasks.engine.bulk import Bulk
from async_tasks.errors import InvalidOption, UnknownAction
from async_tasks.ledger.actions import Action, Kind
from async_tasks.ledger.connection import PREFIX
from async_tasks.ledger.filters import Filter
from async_tasks.ledger.record import Record, State
from async_tasks.submission import Entry, bulk, cancel, submit, submit_batch
from tests.support.profiles import Profile
from tests.support.waiting import wait_until


@pytest.fixture
def profile(store_profile: Profile) -> Profile:
    """The broker has no part in it: one profile is enough."""
    return store_profile


def begun(app: App, kind: Kind, **options: Any) -> Action:
    """A bulk action, begun with what its preview says."""
    chosen = options.pop("chosen", {})
    ids = options.get("ids", ())
    seen = queries.preview(app, kind, chosen, ids)
    return bulk.start(
        app, kind, Filter(**chosen), matched=seen.matched.number, eligible=seen.eligible.number, **options
    )


def carry_out(app: App, action: Action) -> Action:
    """Be the dispatcher until the action has ended."""
    carrier = Bulk(app)
    wait_until(lambda: carrier.step() is None or queries.action(app, action.id).state != "running", 30, "its end")
    return queries.action(app, action.id)


def waiting(app: App, count: int, **options: Any) -> list[str]:
    """Tasks that wait for an hour; their ids."""
    entries = [Entry("add", {"a": n, "b": 1}, delay=3600, **options) for n in range(count)]
    return submit_batch(app, entries).ids


def revoked(app: App, count: int) -> list[str]:
    """Tasks that can be run again; their ids."""
    ids = waiting(app, count)
    app.ledger.cancel_many(ids, "cancelled")
    return ids


def records(app: App, **filters: Any) -> list[Record]:
    """All records that match."""
    return queries.page(app, limit=1000, **filters).tasks


def test_what_matches_is_cancelled_and_the_rest_left_alone(app: App) -> None:
    meant = waiting(app, 30)
    other = submit(app, "echo", {"value": "needle"}, delay=3600).id
    done = revoked(app, 3)
    action = begun(app, "cancel", chosen={"name": "add"}, requested_by="somebody", rate=1000)
    later = waiting(app, 2)
    assert (action.matched, action.eligible, action.state) == (33, 30, "running")

    action = carry_out(app, action)

    assert (action.state, action.done, dict(action.skipped), dict(action.failed)) == (
        "finished",
        30,
        {engine_bulk.FINISHED: 3},
        {},
    )
    assert action.finished_at
    found = app.ledger.get_many([*meant, other, *done, *later])
    assert {found[each].state for each in meant} == {State.REVOKED}
    assert {found[each].state for each in [other, *later]} == {State.SCHEDULED}
    assert found[meant[0]].timeline[-1]["detail"] == f"cancelled by bulk action {action.id}"
    assert found[done[0]].timeline[-1]["detail"] == "cancelled"


def test_what_matches_by_every_condition_at_once(app: App) -> None:
    chosen = waiting(app, 2)
    batch = records(app)[0].batch_id
    cancel(app, chosen[0])
    waiting(app, 2)
    since = records(app)[-1].submitted_at
    filters = {
        "state": State.SCHEDULED,
        "name": "add",
        "queue": "celery_see",
        "batch_id": batch,
        "since": since,
        "q": '"b": 1',
    }
    action = carry_out(app, begun(app, "cancel", chosen=filters))
    assert (action.matched, action.eligible, action.done) == (1, 1, 1)
    assert app.ledger.get_many(chosen)[chosen[1]].state is State.REVOKED
    nothing = {"worker": "nobody", "fingerprint": "none", "submitted_by": "nobody"}
    assert carry_out(app, begun(app, "cancel", chosen=nothing)).treated == 0


def test_tasks_are_run_again_once_and_what_does_not_fit_is_refused(app: App) -> None:
    ids = revoked(app, 20)
    running = waiting(app, 2)
    _make_unfit(app, ids[0], "add", '{"a":"many","b":1}')
    _make_unfit(app, ids[1], "no_such_task", '{"a":1,"b":1}')
    action = begun(app, "replay", requested_by="somebody", rate=1000)
    assert (action.matched, action.eligible) == (22, 20)

    action = carry_out(app, action)

    assert (action.done, dict(action.skipped)) == (18, {engine_bulk.UNFINISHED: 2})
    assert dict(action.failed) == {engine_bulk.MISFIT: 1, engine_bulk.UNKNOWN: 1}
    told = {each["id"]: each["reason"] for each in queries.not_done(app, action.id)}
    assert told.keys() == set(ids[:2])
    assert "do not fit task 'add': a: " in told[ids[0]]
    assert "'no_such_task'" in told[ids[1]]
    again = records(app, submitted_by="somebody")
    assert Counter(record.replay_of for record in again) == Counter(ids[2:])
    assert {record.args["a"] for record in again} == set(range(2, 20))
    assert all(record.timeline[-1]["event"] == "replayed" for record in app.ledger.get_many(ids[2:]).values())
    assert {record.state for record in app.ledger.get_many(running).values()} == {State.SCHEDULED}


def _make_unfit(app: App, task_id: str, name: str, args: str) -> None:
    """As if the task had been declared otherwise when it was submitted."""
    key = f"{PREFIX}task:{task_id}"
    document = msgpack.unpackb(app.ledger.client.get(key))
    app.ledger.client.set(key, msgpack.packb({**document, "name": name, "args": args}))


def test_what_finishes_after_it_was_asked_for_is_not_meant(app: App) -> None:
    first, second = waiting(app, 2)
    cancel(app, first)
    action = begun(app, "replay", chosen={"state": State.REVOKED})
    wait_until(lambda: app.ledger.now() > action.asked_at, 5, "the next millisecond")
    cancel(app, second)
    action = carry_out(app, action)
    assert (action.matched, action.done, action.treated) == (1, 1, 1)


def test_named_ones_are_meant_alone(app: App) -> None:
    ids = waiting(app, 5)
    cancel(app, ids[0])
    action = begun(app, "cancel", ids=[*ids[:3], ids[1], "unknown"])
    assert (action.matched, action.eligible, action.ids) == (3, 2, 4)
    action = carry_out(app, action)
    assert action.done == 2
    assert dict(action.skipped) == {engine_bulk.FINISHED: 1, engine_bulk.GONE: 1}
    assert [record.state for record in map(app.ledger.get, ids[3:]) if record] == [State.SCHEDULED] * 2


def test_a_step_that_was_not_counted_is_done_again_and_counted_once(app: App) -> None:
    ids = revoked(app, 12)
    _dies_midway(app, begun(app, "replay", rate=20))
    assert Counter(record.replay_of for record in records(app) if record.replay_of) == Counter(ids)
    _dies_midway(app, begun(app, "cancel", rate=20))
    assert not records(app, state=State.PENDING)


def _dies_midway(app: App, action: Action) -> None:
    carrier = _Dies(app)
    with pytest.raises(_Died):
        carrier.step()
    for action_id in app.ledger.client.zrange(f"{PREFIX}actions:open", 0, -1):
        app.ledger.client.zadd(f"{PREFIX}actions:open", {action_id: 0})  # as if the lease had run out
    ended = carry_out(app, action)
    assert (ended.done, dict(ended.failed)) == (12, {})
    # What the dead one would say if it came back is not heard.
    assert carrier.actions.settle(carrier.taken, carrier.outcomes, pause=0) is False
    assert queries.action(app, action.id) == ended


class _Died(Exception):
    """As a process that is killed."""


class _Dies(Bulk):
    """Dies when all of a step is done, before it is counted."""

    taken: Action
    outcomes: list[Any]

    def _do(self, action: Action, ids: Any) -> list[Any]:
        self.taken, self.outcomes = action, super()._do(action, ids)
        raise _Died


def test_it_is_stopped(app: App) -> None:
    waiting(app, 10)
    action = begun(app, "cancel", rate=5)
    carrier = Bulk(app)
    carrier.step()
    stopped = bulk.stop(app, action.id, requested_by="somebody")
    assert (stopped.state, stopped.done, stopped.stopped_by) == ("stopped", 1, "somebody")
    assert carrier.step() is None
    assert len(records(app, state=State.SCHEDULED)) == 9
    assert bulk.stop(app, action.id).stopped_by == "somebody"
    with pytest.raises(UnknownAction):
        bulk.stop(app, "unknown")


def test_the_rate_holds(app: App) -> None:
    waiting(app, 30)
    action = begun(app, "cancel", rate=20)
    action = carry_out(app, action)
    assert action.finished_at
    # Steps of four: the first at once, and the last ends when the next would begin.
    assert 1000 * 26 / 20 <= action.finished_at - action.asked_at < 10_000
    assert action.done == 30


def test_two_actions_go_on_side_by_side(app: App) -> None:
    waiting(app, 4)
    submit_batch(app, [Entry("echo", {"value": n}, delay=3600) for n in range(4)])
    one = begun(app, "cancel", chosen={"name": "add"}, rate=5)
    two = begun(app, "cancel", chosen={"name": "echo"}, rate=5)
    carrier = Bulk(app)
    carrier.step()
    carrier.step()
    assert [queries.action(app, each.id).done for each in (one, two)] == [1, 1]
    assert [each.id for each in queries.actions(app)] == [two.id, one.id]


@pytest.mark.parametrize(
    ("options", "named"),
    [({"rate": 0}, "rate"), ({"rate": 5000}, "rate"), ({"ids": ["x"] * 1001}, "ids"), ({"kind": "remove"}, "action")],
)
def test_what_cannot_be_asked_for(app: App, options: dict[str, Any], named: str) -> None:
    given = {"kind": "cancel", "chosen": Filter(), "matched": 0, "eligible": 0, **options}
    with pytest.raises(InvalidOption) as caught:
        bulk.start(app, **given)
    assert caught.value.option == named
    assert queries.actions(app) == []


def test_old_ones_are_forgotten_but_not_those_that_are_carried_out(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("async_tasks.ledger.actions.KEPT", 2)
    waiting(app, 3)
    first = begun(app, "cancel")
    second = begun(app, "cancel")
    bulk.stop(app, second.id)
    third, fourth = begun(app, "cancel"), begun(app, "cancel")
    assert [each.id for each in queries.actions(app)] == [fourth.id, third.id, first.id]
    with pytest.raises(UnknownAction):
        queries.action(app, second.id)
    assert {key.decode().split(":")[3] for key in app.ledger.client.keys(f"{PREFIX}action:*")} == {
        first.id,
        third.id,
        fourth.id,
    }
