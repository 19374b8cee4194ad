"""Batches through the API: arrays and lines, what is refused and how the entry at fault is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from async_tasks.engine import App
from async_tasks.submission import MAX_BATCH
from async_tasks.web import create_app
from async_tasks.web.batches import FACTOR, NDJSON
from tests.support.system import System
from tests.support.waiting import wait_until
from tests.support.web import assert_problem

BATCHES = "/api/v1/batches"
TASKS = "/api/v1/tasks"
LIMIT = 2048


def add(a: int, b: int = 1, **options: Any) -> dict[str, Any]:
    """An entry."""
    return {"name": "add", "args": {"a": a, "b": b}, **options}


def send(client: FlaskClient, entries: list[Any], *, lines: bool, **headers: str) -> TestResponse:
    """Submit a batch either way."""
    given = [(name.replace("_", "-"), value) for name, value in headers.items()]
    if not lines:
        return client.post(BATCHES, json=entries, headers=given)
    body = "".join(f"{json.dumps(entry)}\n" for entry in entries)
    return client.post(BATCHES, data=body, content_type=NDJSON, headers=given)


def is_empty(client: FlaskClient) -> bool:
    """Whether nothing has been stored."""
    return bool(client.get(TASKS).json["tasks"] == [])


@pytest.fixture
def client(app: App) -> FlaskClient:
    """A program that calls the API, on both profiles."""
    return create_app(engine=app).test_client()


@pytest.fixture
def alone(make: Callable[..., Flask]) -> FlaskClient:
    """The same where broker and profile take no part."""
    return make(max_payload_bytes=LIMIT).test_client()


@pytest.mark.parametrize("lines", [False, True], ids=["array", "lines"])
def test_a_batch_is_accepted_and_runs(client: FlaskClient, workers: System, lines: bool) -> None:
    answer = send(client, [add(n) for n in range(20)], lines=lines)

    assert answer.status_code == 202
    batch_id, ids = answer.json["batch_id"], answer.json["ids"]
    assert list(answer.json) == ["batch_id", "ids"]
    assert len(set(ids)) == 20
    assert answer.headers["Location"] == f"/api/v1/batches/{batch_id}"

    def ended() -> list[dict[str, Any]] | None:
        records = client.get(f"{TASKS}?batch_id={batch_id}&state=SUCCESS").json["tasks"]
        return records if len(records) == 20 else None

    records = {record["id"]: record for record in wait_until(ended, 30)}
    assert [records[task_id]["result"] for task_id in ids] == [n + 1 for n in range(20)]
    assert {record["batch_id"] for record in records.values()} == {batch_id}
    other = client.post(f"{TASKS}/add", json={"a": 1, "b": 1}).json["id"]
    assert other not in [record["id"] for record in client.get(f"{TASKS}?batch_id={batch_id}").json["tasks"]]


def test_entries_have_options_of_their_own(alone: FlaskClient) -> None:
    entries = [
        add(1, delay=600),
        add(2, eta="2030-01-31T12:00:00+01:00"),
        add(3, expires=60.5, priority=9, delay=1.5),
        {"name": "elsewhere", "expires": "2030-01-31T12:00:00Z"},
    ]
    ids = send(alone, entries, lines=False).json["ids"]
    delayed, timed, urgent, other = [alone.get(f"{TASKS}/{task_id}").json for task_id in ids]

    assert (delayed["state"], delayed["args"]) == ("SCHEDULED", {"a": 1, "b": 1})
    assert timed["due_at"] == "2030-01-31T11:00:00.000Z"
    assert urgent["priority"] == 9
    assert urgent["expires_at"] > urgent["due_at"]
    assert (other["name"], other["args"], other["expires_at"]) == ("elsewhere", {}, "2030-01-31T12:00:00.000Z")


@pytest.mark.parametrize(
    ("entry", "field", "words"),
    [
        (add(1) | {"args": {"a": 1}}, "args.b", "is required"),
        (add(1) | {"args": {"a": "1", "b": 2}}, "args.a", "valid integer"),
        (add(1) | {"args": [1, 2]}, "args", "JSON object"),
        (add(1) | {"args": None}, "args", "JSON object"),
        ({"args": {}}, "name", "is required"),
        ({"name": 5}, "name", "a string"),
        ({"name": "ad"}, "name", "Did you mean 'add'"),
        (add(1, dely=5), "dely", "the members are name, args, delay"),
        (add(1, delay="5"), "delay", "number of seconds"),
        (add(1, delay=True), "delay", "number of seconds"),
        (add(1, delay=None), "delay", "number of seconds"),
        (add(1, delay=-1), "delay", "between 0"),
        (add(1, delay=1, eta="2030-01-31T12:00:00Z"), "delay", "not both"),
        (add(1, eta=5), "eta", "a string"),
        (add(1, eta="tomorrow"), "eta", "2027-01-31T12:00:00Z"),
        (add(1, expires="soon"), "expires", "2027-01-31T12:00:00Z"),
        (add(1, expires=0), "expires", "more than 0"),
        (add(1, priority=1.5), "priority", "whole number"),
        (add(1, priority=10), "priority", "between 0"),
        ("add", "", "JSON object"),
        (None, "", "JSON object"),
    ],
)
@pytest.mark.parametrize("lines", [False, True], ids=["array", "lines"])
def test_one_wrong_entry_refuses_the_batch_and_is_named(
    alone: FlaskClient, entry: Any, field: str, words: str, lines: bool
) -> None:
    answer = send(alone, [add(1), entry, add(2)], lines=lines)

    problem = assert_problem(answer, 422, "invalid-batch")
    (error,) = problem["errors"]
    assert (error["index"], error["field"]) == (1, field)
    assert words in error["message"]
    assert error.get("line") == (2 if lines else None)
    assert is_empty(alone)


def test_every_wrong_entry_is_named(alone: FlaskClient) -> None:
    entries = [add(1), {"name": "add", "args": {}}, add(2, dely=1)]
    named = [(error["index"], error["field"]) for error in send(alone, entries, lines=False).json["errors"]]
    assert named == [(2, "dely")]  # the form of entries is looked at first
    named = [(error["index"], error["field"]) for error in send(alone, entries[:2], lines=False).json["errors"]]
    assert named == [(1, "args.a"), (1, "args.b")]
    assert len(send(alone, [{}] * 200, lines=False).json["errors"]) == 100


def test_lines_are_counted_as_an_editor_does(alone: FlaskClient) -> None:
    body = f'\n{json.dumps(add(1))}\r\n   \n{{"name": "nothing"}}'
    problem = assert_problem(alone.post(BATCHES, data=body, content_type=NDJSON), 422, "invalid-batch")
    assert [(error["index"], error["line"]) for error in problem["errors"]] == [(1, 4)]

    body = f'{json.dumps(add(1))}\n{{"name": "add",\n'
    problem = assert_problem(alone.post(BATCHES, data=body, content_type=NDJSON), 400, "invalid-json")
    assert problem["detail"].startswith("Line 2 is not JSON")


def test_a_line_may_hold_what_other_readers_take_for_its_end(alone: FlaskClient) -> None:
    body = json.dumps({"name": "echo", "args": {"value": "a\u2028b\x85c"}}, ensure_ascii=False)
    ids = alone.post(BATCHES, data=body.encode(), content_type=f"{NDJSON}; charset=utf-8").json["ids"]
    assert alone.get(f"{TASKS}/{ids[0]}").json["args"] == {"value": "a\u2028b\x85c"}


@pytest.mark.parametrize(
    ("body", "kind", "status", "slug"),
    [
        ("[]", "application/json", 422, "invalid-batch"),
        ("", NDJSON, 422, "invalid-batch"),
        ("", "application/json", 400, "invalid-json"),
        ("{}", "application/json", 400, "invalid-json"),
        ("[", "application/json", 400, "invalid-json"),
        ("[]", "text/plain", 415, "unsupported-media-type"),
        ("[]", None, 415, "unsupported-media-type"),
    ],
)
def test_what_is_no_batch_is_refused(alone: FlaskClient, body: str, kind: str | None, status: int, slug: str) -> None:
    assert_problem(alone.post(BATCHES, data=body, content_type=kind), status, slug)


def test_a_batch_has_no_query(alone: FlaskClient) -> None:
    assert_problem(alone.post(f"{BATCHES}?delay=5", json=[add(1)]), 422, "invalid-option")


@pytest.mark.parametrize("lines", [False, True], ids=["array", "lines"])
def test_a_batch_is_bounded(make: Callable[..., Flask], lines: bool) -> None:
    client = make().test_client()
    too_many = send(client, [{"name": "elsewhere"}] * (MAX_BATCH + 1), lines=lines)
    assert "1 to 10,000" in assert_problem(too_many, 422, "invalid-batch")["errors"][0]["message"]
    assert is_empty(client)
    most = send(client, [{"name": "elsewhere", "delay": 600}] * MAX_BATCH, lines=lines)
    assert (most.status_code, len(set(most.json["ids"]))) == (202, MAX_BATCH)


def test_a_batch_may_be_larger_than_the_arguments_of_one_task(alone: FlaskClient) -> None:
    def batch(entries: int, size: int) -> bytes:
        return json.dumps([{"name": "echo", "args": {"value": "x" * size}, "delay": 600}] * entries).encode()

    taken = batch(FACTOR, LIMIT - 100)
    assert LIMIT < len(taken) <= LIMIT * FACTOR
    assert alone.post(BATCHES, data=taken, content_type="application/json").status_code == 202

    refused = assert_problem(
        alone.post(BATCHES, data=batch(FACTOR + 2, LIMIT - 100), content_type="application/json"),
        413,
        "payload-too-large",
    )
    assert f"{LIMIT * FACTOR:,}" in refused["detail"]
    problem = assert_problem(
        alone.post(BATCHES, data=batch(2, LIMIT + 1), content_type="application/json"), 422, "invalid-batch"
    )
    assert [(error["index"], error["field"]) for error in problem["errors"]] == [(0, "args"), (1, "args")]


def test_a_batch_with_a_key_is_one_batch(client: FlaskClient) -> None:
    entries = [add(n, delay=600) for n in range(3)]
    first = send(client, entries, lines=False, Idempotency_Key="k")
    again = send(client, entries, lines=True, Idempotency_Key="k")

    assert (again.status_code, again.json) == (202, first.json)
    assert len(client.get(TASKS).json["tasks"]) == 3
    for other in (entries[:2], [*entries, add(9)], [add(7, delay=600), *entries[1:]]):
        assert_problem(send(client, other, lines=False, Idempotency_Key="k"), 422, "idempotency-conflict")
    assert len(client.get(TASKS).json["tasks"]) == 3


def test_the_same_batch_at_once_is_one_batch(app: App) -> None:
    web = create_app(engine=app)

    def submit(_number: int) -> str:
        entries = [add(n, delay=600) for n in range(5)]
        return str(send(web.test_client(), entries, lines=False, Idempotency_Key="k").json)

    with ThreadPoolExecutor(6) as pool:
        answers = set(pool.map(submit, range(12)))
    assert len(answers) == 1
    assert len(web.test_client().get(TASKS).json["tasks"]) == 5


def test_nesting_is_bounded_as_for_one_task(alone: FlaskClient) -> None:
    for depth, status in ((63, 202), (64, 400)):
        deep = '{"value": ' + "[" * depth + "]" * depth + "}"
        one = alone.post(f"{TASKS}/echo", data=deep, content_type="application/json")
        many = alone.post(BATCHES, data=f'[{{"name": "echo", "args": {deep}}}]', content_type="application/json")
        assert (one.status_code, many.status_code) == (status, status)
