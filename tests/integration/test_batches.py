"""What is known of a batch: published with it, counted by its moves, in its order, cancelled and removed with it."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from async_tasks import queries
from async_tasks.engine.many import PUBLISHED, RECORDED
from async_tasks.errors import UnknownBatch
from async_tasks.ledger import State
from async_tasks.ledger.connection import PREFIX
from async_tasks.submission import Entry, cancel, cancel_batch, submit, submit_batch
from async_tasks.web import create_app
from tests.support.waiting import wait_until
from tests.support.web import assert_problem

BATCHES = "/api/v1/batches"


def states(app, batch_id):
    found, _ = queries.batch(app, batch_id)
    return {str(state): count for state, count in found.states.items() if count}


def rows(app, batch_id):
    return [row for part in queries.batch_rows(app, batch_id) for row in part]


def test_a_batch_is_in_the_broker_when_it_is_answered(app):
    app.broker_ready(10)
    entries = [Entry("add", {"a": n, "b": 1}) for n in range(2 * RECORDED + 50)]
    batch = submit_batch(app, [*entries, Entry("add", {"a": 1, "b": 1}, delay=3600)])

    # No dispatcher runs here. What a broker of its own has confirmed, the ledger is told of a moment later.
    client = app.ledger.client
    wait_until(lambda: client.zrange(f"{PREFIX}due", 0, -1) == [batch.ids[-1].encode()], 30, "all but one to be out")
    assert app.publisher.depths(["celery_see"])["celery_see"] == len(entries)
    assert client.zcard(f"{PREFIX}waiting:celery_see") == len(entries)
    assert [row.id for row in rows(app, batch.batch_id)] == batch.ids
    assert states(app, batch.batch_id) == {"PENDING": len(entries), "SCHEDULED": 1}


@pytest.mark.parametrize("profile", ["rabbitmq"], indirect=True)
def test_a_broker_that_is_silent_is_waited_for_once(app, profile):
    app.broker_ready(10)
    submit(app, "add", {"a": 1, "b": 1})
    profile.rabbit.pause()
    try:
        batch = submit_batch(app, [Entry("add", {"a": n, "b": 1}) for n in range(PUBLISHED + 3 * RECORDED)])
    finally:
        profile.rabbit.resume()
    # The dispatcher has what was not confirmed, and what was not even tried after that.
    tried = [
        any(entry["event"] == "publish deferred" for entry in row.record.timeline) for row in rows(app, batch.batch_id)
    ]
    assert 0 < tried.index(False) <= PUBLISHED + RECORDED
    assert not any(tried[tried.index(False) :])
    assert states(app, batch.batch_id) == {"PENDING": PUBLISHED + 3 * RECORDED}


def test_the_same_batch_at_once_keeps_its_order(app):
    entries = [Entry("echo", {"value": n}, delay=600) for n in range(RECORDED + 20)]
    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(lambda _: submit_batch(app, entries, idempotency_key="k"), range(4)))
    assert len({(batch.batch_id, *batch.ids) for batch in batches}) == 1
    found = rows(app, batches[0].batch_id)
    assert [row.id for row in found] == batches[0].ids
    assert [row.record.args["value"] for row in found] == [*range(RECORDED + 20)]
    batch, _ = queries.batch(app, batches[0].batch_id)
    assert (batch.total, batch.written, batch.recorded, batch.finished) == (RECORDED + 20,) * 3 + (False,)


def test_counts_follow_the_records(app, workers):
    fine, wrong = Entry("add", {"a": 1, "b": 1}), Entry("fail", {"text": "no"})
    entries = [
        fine,
        wrong,
        fine,
        Entry("add", {"a": 1, "b": 1}, delay=3600),
        Entry("flaky", {"path": "x", "failures": 0}),
    ]
    batch = submit_batch(app, entries, submitted_by="me", file="rows.csv")
    wait_until(
        lambda: states(app, batch.batch_id) == {"SUCCESS": 3, "FAILURE": 1, "SCHEDULED": 1}, 60, "the batch to run"
    )
    found, now = queries.batch(app, batch.batch_id)
    assert (found.names, found.file, found.submitted_by) == (("add", "fail", "flaky"), "rows.csv", "me")
    assert (found.total, found.done, found.unfinished, found.finished) == (5, 4, 1, False)
    assert found.first_failure == batch.ids[1]
    assert found.submitted_at <= found.started_at <= found.finished_at <= now
    assert found.rate(now) > 0
    assert found.expected_at(now) > now

    # What runs is asked to stop, what waits never starts, what is another's is left alone.
    cancel_batch(app, batch.batch_id)
    assert states(app, batch.batch_id) == {"SUCCESS": 3, "FAILURE": 1, "REVOKED": 1}
    found, now = queries.batch(app, batch.batch_id)
    assert (found.finished, found.expected_at(now)) == (True, None)

    for task_id in batch.ids[:3]:
        app.ledger.forget(task_id)
    found, _ = queries.batch(app, batch.batch_id)
    assert (found.removed, found.done, found.finished) == (3, 5, True)
    assert [row.record is None for row in rows(app, batch.batch_id)] == [True, True, True, False, False]
    for task_id in batch.ids[3:]:
        app.ledger.forget(task_id)
    with pytest.raises(UnknownBatch):
        queries.batch(app, batch.batch_id)
    assert not [*app.ledger.client.scan_iter(f"{PREFIX}*{batch.batch_id}*")]
    assert queries.batches(app).batches == []


def test_a_unique_task_that_is_there_stands_for_another_entry(app, tmp_path):
    entries = [Entry("refresh", {"path": str(tmp_path / "x")})] * 3
    first = submit(app, "refresh", {"path": str(tmp_path / "x")}, delay=600)
    batch = submit_batch(app, entries)
    assert batch.ids == [first.id] * 3
    found, _ = queries.batch(app, batch.batch_id)
    assert (found.recorded, found.elsewhere, found.finished) == (0, 3, True)
    # It is no task of the batch.
    assert cancel_batch(app, batch.batch_id) == 0
    assert queries.get(app, first.id).state is State.SCHEDULED
    # Nothing would remove it: it has no record of its own.
    assert app.ledger.client.ttl(f"{PREFIX}batch:{batch.batch_id}") > 0


@pytest.fixture
def client(make):
    return make().test_client()


def batch_of(client, size, **options):
    entry = {"name": "echo", "args": {"value": "=1"}, "delay": 600}
    return client.post(BATCHES, json=[entry | options] * size).json


def test_batches_through_the_api(client):
    made = [batch_of(client, size) for size in (1, 2, 3)]
    page = client.get(f"{BATCHES}?limit=2").json
    assert [batch["id"] for batch in page["batches"]] == [made[2]["batch_id"], made[1]["batch_id"]]
    rest = client.get(f"{BATCHES}?limit=2&cursor={page['next_cursor']}").json
    assert ([batch["id"] for batch in rest["batches"]], rest["next_cursor"]) == ([made[0]["batch_id"]], None)

    link = f"{BATCHES}/{made[1]['batch_id']}"
    found = client.get(link).json
    assert found == page["batches"][1]
    assert found["progress"] == {"done": 0, "total": 2, "message": None}
    assert found["states"]["SCHEDULED"] == 2
    assert client.get(f"{found['links']['tasks']}&state=SCHEDULED").json["tasks"][0]["id"] in made[1]["ids"]

    ended = client.delete(link)
    assert (ended.status_code, ended.json["finished"], ended.json["states"]["REVOKED"]) == (200, True, 2)
    assert client.delete(link).status_code == 200
    for path, method in ((BATCHES, "GET"), (link, "GET"), (link, "DELETE"), (f"{link}/results", "GET")):
        assert_problem(client.open(f"{path}?x=1", method=method), 422, "invalid-option")
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/results")):
        assert_problem(client.open(f"{BATCHES}/nothing{path}", method=method), 404, "unknown-batch")
    assert_problem(client.get(f"{BATCHES}?limit=0"), 422, "invalid-option")
    assert_problem(client.get(f"{BATCHES}?cursor=x"), 422, "invalid-option")
    assert_problem(client.get(f"{link}/results?format=xlsx"), 422, "invalid-option")


def test_results_are_files_in_the_order_of_the_batch(client):
    made = batch_of(client, 500)
    link = f"{BATCHES}/{made['batch_id']}/results"
    lines = client.get(link)
    assert (lines.mimetype, lines.headers["X-Batch-Finished"]) == ("application/x-ndjson", "false")
    assert lines.headers["Content-Disposition"] == f"attachment; filename=batch-{made['batch_id']}.ndjson"
    found = [json.loads(line) for line in lines.text.splitlines()]
    assert [(line["index"], line["id"]) for line in found] == list(enumerate(made["ids"]))

    client.delete(f"{BATCHES}/{made['batch_id']}")
    table = client.get(f"{link}?format=csv")
    assert (table.mimetype, table.headers["X-Batch-Finished"]) == ("text/csv", "true")
    cells = list(csv.DictReader(io.StringIO(table.data.decode("utf-8-sig"), newline="")))
    assert [row["id"] for row in cells] == made["ids"]
    assert cells[0] | {"error.message": ""} == {
        "index": "0", "id": made["ids"][0], "state": "REVOKED", "args.value": "'=1",
        "error.type": "celery.exceptions.TaskRevokedError", "error.message": "",
    }  # fmt: skip


def test_large_results_are_read_a_few_at_a_time(app):
    batch = submit_batch(app, [Entry("echo", {"value": "x" * 100_000}, delay=600)] * 60)
    parts = [len(part) for part in queries.batch_rows(app, batch.batch_id)]
    assert sum(parts) == 60
    assert max(parts) <= 25


def test_a_batch_that_broke_off_says_so(app):
    entries = [Entry("echo", {"value": n}, delay=600) for n in range(3 * RECORDED)]
    store, calls = app.ledger.batches.submit, []

    def break_off(*args, **more):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return store(*args, **more)

    app.ledger.batches.submit = break_off
    with pytest.raises(KeyboardInterrupt):
        submit_batch(app, entries, idempotency_key="k")
    app.ledger.batches.submit = store
    ((found,), _) = (queries.batches(app).batches, None)
    assert (found.total, found.written, found.finished) == (3 * RECORDED, 1 + RECORDED, False)
    page = create_app(engine=app).test_client().get(f"/batches/{found.id}").text
    assert "not accepted yet" in page

    batch = submit_batch(app, entries, idempotency_key="k")
    assert batch.batch_id == found.id
    assert [row.record.args["value"] for row in rows(app, found.id)] == [*range(3 * RECORDED)]
    cancel(app, batch.ids[0])
