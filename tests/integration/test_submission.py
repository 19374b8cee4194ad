"""Idempotency keys, batches, replays, and the indexes of who submitted what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from async_tasks import queries
from async_tasks.errors import (
    IdempotencyConflict,
    InvalidArguments,
    InvalidBatch,
    NotFinished,
    UnknownRecord,
)
from async_tasks.ledger import State
from async_tasks.submission import Entry, cancel, replay, submit, submit_batch
from tests.support.moves import everything
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def empty(app):
    app.ledger.client.flushall()


def messages(app):
    """How many records there are."""
    return queries.count(app).number


def test_the_same_key_with_the_same_is_the_first_task(app):
    first = submit(app, "echo", {"value": {"b": 1, "a": [1]}}, idempotency_key="k")
    again = submit(app, "echo", {"value": {"a": [1], "b": 1}}, idempotency_key="k")
    assert again.id == first.id
    assert messages(app) == 1
    # The answer is the record as it is now.
    cancel(app, first.id)
    assert submit(app, "echo", {"value": {"b": 1, "a": [1]}}, idempotency_key="k").state is State.REVOKED


@pytest.mark.parametrize(
    "other",
    [
        {"arguments": {"a": 1, "b": 3}},
        {"delay": 5},
        {"expires": 60},
        {"eta": datetime(2030, 1, 1, tzinfo=UTC)},
        {"name": "append", "arguments": {"path": "/dev/null", "line": "x"}},
    ],
)
def test_the_same_key_with_something_else_is_refused(app, other):
    same = {"name": "add", "arguments": {"a": 1, "b": 2}}
    first = submit(app, **same, idempotency_key="k")
    with pytest.raises(IdempotencyConflict, match=first.id):
        submit(app, **(same | other), idempotency_key="k")
    assert messages(app) == 1
    assert submit(app, **(same | other), idempotency_key="other").id != first.id


def test_many_at_once_with_one_key_are_one_task(app):
    app.ledger.ping()
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda n: submit(app, "add", {"a": 1, "b": 2}, idempotency_key=f"k{n % 2}"), range(40)))
    assert len({record.id for record in records}) == 2
    assert messages(app) == 2


def test_a_key_lives_as_long_as_its_record(app):
    first = submit(app, "add", {"a": 1, "b": 2}, idempotency_key="k", submitted_by="me")
    cancel(app, first.id)
    app.ledger.forget(first.id)
    second = submit(app, "add", {"a": 5, "b": 5}, idempotency_key="k", submitted_by="me")
    assert second.id != first.id
    cancel(app, second.id)
    app.ledger.forget(second.id)
    # Nothing is left but what tells late messages apart, what readers of changes may still ask for, and a number.
    assert everything(app.ledger).keys() == {f"gone:{first.id}", f"gone:{second.id}", "changes", "numbers"}


def test_records_are_found_by_who_submitted_them_and_by_batch(app):
    mine = [submit(app, "add", {"a": n, "b": 0}, submitted_by="me").id for n in range(3)]
    submit(app, "add", {"a": 9, "b": 9}, submitted_by="you")
    batch = submit_batch(app, [Entry("add", {"a": 1, "b": 1}), Entry("echo", {"value": 1})], submitted_by="me")
    found = [record.id for record in queries.page(app, submitted_by="me").tasks]
    assert found == [*reversed(batch.ids), *reversed(mine)]
    assert [r.id for r in queries.page(app, batch_id=batch.batch_id).tasks] == [*reversed(batch.ids)]
    assert [r.id for r in queries.page(app, submitted_by="me", name="echo").tasks] == [batch.ids[1]]
    assert {change.submitted_by for change in queries.changes(app, "0-0", block=0)} == {"me", "you"}


def test_a_batch_is_all_or_nothing(app):
    with pytest.raises(InvalidBatch) as caught:
        submit_batch(
            app,
            [
                Entry("add", {"a": 1, "b": 2}),
                Entry("add", {"a": "x"}),
                Entry("addd", {}),
                Entry("add", {"a": 1, "b": 2}, delay=-1),
            ],
        )
    assert [(p["index"], p["field"]) for p in caught.value.problems] == [
        (1, "args.a"),
        (1, "args.b"),
        (2, "name"),
        (3, "delay"),
    ]
    assert messages(app) == 0
    for size in (0, 10_001):
        with pytest.raises(InvalidBatch, match="1 to 10,000"):
            submit_batch(app, [Entry("add", {"a": 1, "b": 2})] * size)


def test_a_batch_runs_in_full(app, workers):
    entries = [Entry("add", {"a": n, "b": 1}) for n in range(1200)]
    batch = submit_batch(app, [*entries, Entry("add", {"a": 1, "b": 1}, delay=3600)])
    *now, later = batch.ids
    assert now == sorted(now)
    wait_until(lambda: all(r.finished for r in queries.get_many(app, now).values()), 60, lambda: "the batch to run")
    records = queries.get_many(app, now)
    assert [records[task_id].result for task_id in now] == [n + 1 for n in range(1200)]
    assert {record.batch_id for record in records.values()} == {batch.batch_id}
    assert queries.get(app, later).state is State.SCHEDULED


def test_a_batch_that_was_recorded_in_part_is_completed_under_its_key(app):
    entries = [Entry("echo", {"value": n}) for n in range(5)]
    batch = submit_batch(app, entries, idempotency_key="k")
    # As if the store had gone away in the middle.
    for task_id in batch.ids[3:]:
        cancel(app, task_id)
        app.ledger.forget(task_id)
    again = submit_batch(app, entries, idempotency_key="k")
    assert again.batch_id == batch.batch_id
    assert again.ids[:3] == batch.ids[:3]
    assert len(queries.page(app, batch_id=batch.batch_id).tasks) == 5
    # Another batch under this key leaves no trace, though it is longer.
    with pytest.raises(IdempotencyConflict):
        submit_batch(app, [*entries, Entry("echo", {"value": "more"})], idempotency_key="k")
    assert messages(app) == 5


def test_a_replay_and_its_original_name_each_other(app, workers):
    first = submit(app, "add", {"a": 1, "b": 2})
    queries.wait(app, first.id, 20)
    second = replay(app, first.id, submitted_by="me")
    assert second.id != first.id
    assert (second.replay_of, second.args, second.submitted_by) == (first.id, {"a": 1, "b": 2}, "me")
    assert queries.wait(app, second.id, 20).result == 3
    assert queries.get(app, first.id).timeline[-1] | {"at": 0} == {"at": 0, "event": "replayed", "detail": second.id}
    edited = replay(app, first.id, {"a": 5, "b": 6})
    assert queries.wait(app, edited.id, 20).result == 11
    with pytest.raises(InvalidArguments):
        replay(app, first.id, {"a": 5})


def test_only_what_has_finished_is_replayed(app):
    waiting = submit(app, "add", {"a": 1, "b": 2}, delay=60)
    with pytest.raises(NotFinished, match="SCHEDULED"):
        replay(app, waiting.id)
    with pytest.raises(UnknownRecord):
        replay(app, "nobody")


def test_strictly_types_are_those_of_the_schema(app):
    assert submit(app, "add", {"a": "1", "b": 2}).args == {"a": 1, "b": 2}
    for wrong in ("1", True, 1.5, None):
        with pytest.raises(InvalidArguments) as caught:
            submit(app, "add", {"a": wrong, "b": 2}, strict=True)
        assert [problem["field"] for problem in caught.value.problems] == ["a"]
    with pytest.raises(InvalidArguments) as caught:
        submit(app, "add", {"a": "1", "c": 2}, strict=True)
    assert sorted(problem["field"] for problem in caught.value.problems) == ["a", "b", "c"]
