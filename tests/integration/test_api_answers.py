"""What answers say besides the record: ETag, Location, Retry-After, Allow, and the record of the first of two requests."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from async_tasks.engine import App
from async_tasks.web import create_app
from tests.support.system import System
from tests.support.waiting import wait_until
from tests.support.web import assert_problem

API = "/api/v1"
ADD = f"{API}/tasks/add"


@pytest.fixture
def client(app: App) -> FlaskClient:
    """A program that calls the API, on both profiles."""
    return create_app(engine=app).test_client()


@pytest.fixture
def alone(make: Callable[..., Flask]) -> FlaskClient:
    """The same where broker and profile take no part."""
    return make().test_client()


def keyed(key: str) -> dict[str, str]:
    """The header."""
    return {"Idempotency-Key": key}


def ids(client: FlaskClient) -> list[str]:
    """Every task that there is."""
    return [task["id"] for task in client.get(f"{API}/tasks?limit=200").json["tasks"]]


def test_a_repeated_request_is_answered_with_the_first_task(client: FlaskClient) -> None:
    first = client.post(f"{ADD}?delay=600", json={"a": 1, "b": 2}, headers=keyed("k-1"))
    again = client.post(f"{ADD}?delay=600", json={"a": 1, "b": 2}, headers=keyed("k-1"))

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json == first.json
    assert again.headers["Location"] == first.headers["Location"]
    assert ids(client) == [first.json["id"]]
    other = client.post(f"{ADD}?delay=600", json={"a": 1, "b": 2}, headers=keyed("k-2"))
    assert other.json["id"] != first.json["id"]


def test_a_repeated_request_sees_the_end_of_the_first(client: FlaskClient, workers: System) -> None:
    first = client.post(f"{ADD}?wait=20", json={"a": 1, "b": 2}, headers=keyed("k"))
    assert (first.status_code, first.json["result"]) == (200, 3)

    waited = client.post(f"{ADD}?wait=1", json={"a": 1, "b": 2}, headers=keyed("k"))
    assert (waited.status_code, waited.json) == (200, first.json)
    unhurried = client.post(ADD, json={"a": 1, "b": 2}, headers=keyed("k"))
    assert (unhurried.status_code, unhurried.json) == (202, first.json)
    assert "Retry-After" not in unhurried.headers


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (ADD, {"a": 1, "b": 3}),
        (f"{API}/tasks/total", {"values": [1, 2]}),
        (f"{ADD}?delay=60", {"a": 1, "b": 2}),
    ],
)
def test_a_key_that_comes_with_something_else_is_refused(
    alone: FlaskClient, path: str, body: dict[str, object]
) -> None:
    first = alone.post(ADD, json={"a": 1, "b": 2}, headers=keyed("k"))
    problem = assert_problem(alone.post(path, json=body, headers=keyed("k")), 422, "idempotency-conflict")
    assert problem["id"] == first.json["id"]
    assert ids(alone) == [first.json["id"]]


def test_the_same_key_is_no_other_doors(alone: FlaskClient, app: App) -> None:
    from async_tasks.submission import submit

    elsewhere = submit(app, "add", {"a": 1, "b": 2}, idempotency_key="k")
    assert (
        create_app(engine=app).test_client().post(ADD, json={"a": 1, "b": 2}, headers=keyed("k")).json["id"]
        != elsewhere.id
    )


def test_many_at_once_with_one_key_are_one_task(app: App) -> None:
    web = create_app(engine=app)

    def send(_number: int) -> tuple[int, str]:
        answer = web.test_client().post(ADD, json={"a": 1, "b": 2}, headers=keyed("k"))
        return answer.status_code, answer.json["id"]

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(send, range(24)))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 202
    assert len(ids(web.test_client())) == 1


@pytest.mark.parametrize("key", ["x" * 255, "!~-_:/", '"quoted"', "5"])
def test_a_key_is_any_visible_text(alone: FlaskClient, key: str) -> None:
    assert alone.post(ADD, json={"a": 1, "b": 2}, headers=keyed(key)).status_code == 202


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "two words", "ä", "a,b", "tab\there"])
def test_what_is_no_key_is_refused(alone: FlaskClient, key: str) -> None:
    for path, body in ((ADD, {"a": 1, "b": 2}), (f"{API}/batches", [{"name": "elsewhere"}])):
        problem = assert_problem(alone.post(path, json=body, headers=keyed(key)), 422, "invalid-option")
        assert problem["errors"][0]["field"] == "Idempotency-Key"
    assert ids(alone) == []


def test_a_key_is_given_once(alone: FlaskClient) -> None:
    answer = alone.post(ADD, json={"a": 1, "b": 2}, headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "a")])
    assert_problem(answer, 422, "invalid-option")


def test_types_are_those_of_the_schema(alone: FlaskClient) -> None:
    for wrong in ("2", True, 2.5, None):
        assert_problem(alone.post(ADD, json={"a": 1, "b": wrong}), 422, "invalid-arguments")
    assert alone.post(ADD, data='{"a": 1, "b": 2.0}', content_type="application/json").json["args"] == {"a": 1, "b": 2}


def test_a_record_is_sent_again_only_when_it_has_changed(client: FlaskClient) -> None:
    link = client.post(f"{ADD}?delay=600", json={"a": 1, "b": 2}).headers["Location"]
    first = client.get(link)
    tag = first.headers["ETag"]
    assert tag.startswith('"')

    for given in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        same = client.get(link, headers={"If-None-Match": given})
        assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", tag)
        assert "Content-Security-Policy" in same.headers
    assert client.get(link, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.head(link).headers["ETag"] == tag
    client.delete(link)
    changed = client.get(link, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json["state"]) == (200, "REVOKED")
    assert changed.headers["ETag"] != tag


@pytest.mark.parametrize("path", [f"{API}/catalog", "/openapi.json"])
def test_what_can_be_submitted_is_sent_once(alone: FlaskClient, path: str) -> None:
    tag = alone.get(path).headers["ETag"]
    assert alone.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_when_to_ask_again_is_said(client: FlaskClient) -> None:
    waiting = client.post(f"{ADD}?wait=0.1", json={"a": 1, "b": 2})
    assert (waiting.status_code, waiting.headers["Retry-After"]) == (202, "1")
    later = client.post(f"{ADD}?delay=600", json={"a": 1, "b": 2})
    assert 590 <= int(later.headers["Retry-After"]) <= 600
    cancelled = client.delete(later.headers["Location"])
    assert "Retry-After" not in cancelled.headers
    assert cancelled.headers["Location"] == later.headers["Location"]


def test_a_task_is_run_again(client: FlaskClient, workers: System) -> None:
    first = client.post(f"{ADD}?wait=20", json={"a": 1, "b": 2}).json
    link = f"{first['links']['self']}/replay"

    again = client.post(link)
    assert (again.status_code, again.json["args"], again.json["replay_of"]) == (202, {"a": 1, "b": 2}, first["id"])
    assert again.headers["Location"] == again.json["links"]["self"]
    timeline = client.get(first["links"]["self"]).json["timeline"]
    assert [entry["detail"] for entry in timeline if entry["event"] == "replayed"] == [again.json["id"]]

    edited = client.post(link, json={"a": 1, "b": 40})
    assert edited.json["args"] == {"a": 1, "b": 40}
    ended = wait_until(lambda: (now := client.get(edited.headers["Location"]).json)["finished_at"] and now, 20)
    assert ended["result"] == 41

    keyed_first = client.post(link, headers=keyed("k"))
    assert client.post(link, headers=keyed("k")).json["id"] == keyed_first.json["id"]
    assert_problem(client.post(link, json={"a": 2, "b": 2}, headers=keyed("k")), 422, "idempotency-conflict")


def test_what_cannot_be_run_again_is_said(alone: FlaskClient) -> None:
    waiting = alone.post(f"{ADD}?delay=600", json={"a": 1, "b": 2}).json
    link = f"{waiting['links']['self']}/replay"
    assert_problem(alone.post(f"{API}/tasks/nobody/replay"), 404, "unknown-record")
    assert assert_problem(alone.post(link), 409, "not-finished")["id"] == waiting["id"]
    alone.delete(waiting["links"]["self"])
    problem = assert_problem(alone.post(link, json={"a": 1}), 422, "invalid-arguments")
    assert problem["errors"] == [{"field": "b", "message": "is required"}]
    assert_problem(alone.post(link, json={"a": "1", "b": 2}), 422, "invalid-arguments")
    assert_problem(alone.post(link, json=[1, 2]), 400, "invalid-json")
    assert_problem(alone.post(link, data="a=1", content_type="text/plain"), 415, "unsupported-media-type")
    assert_problem(alone.post(f"{link}?delay=1"), 422, "invalid-option")
    assert ids(alone) == [waiting["id"]]


def test_methods_that_fit_are_told_for_tasks_and_for_their_ids(alone: FlaskClient) -> None:
    for path, methods in (
        (ADD, {"OPTIONS", "POST"}),
        (f"{API}/tasks/some-id", {"DELETE", "GET", "HEAD", "OPTIONS"}),
        (f"{API}/tasks/some-id/replay", {"OPTIONS", "POST"}),
        (f"{API}/tasks/some-id/events", {"GET", "HEAD", "OPTIONS"}),
        (f"{API}/batches", {"GET", "HEAD", "OPTIONS", "POST"}),
    ):
        assert set(alone.options(path).headers["Allow"].split(", ")) == methods
    for method in ("GET", "DELETE"):
        answer = alone.open(ADD, method=method)
        assert_problem(answer, 405, "method-not-allowed")
        assert answer.headers["Allow"] == "OPTIONS, POST"
    assert_problem(alone.delete(f"{API}/tasks/some-id/events"), 405, "method-not-allowed")
    assert_problem(alone.get(f"{API}/tasks/some-id/replay"), 405, "method-not-allowed")


def test_an_id_that_is_a_tasks_name_is_still_an_id(app: App) -> None:
    app.send_task("add", kwargs={"a": 1, "b": 2}, task_id="echo")
    client = create_app(engine=app).test_client()
    assert client.get(f"{API}/tasks/echo").json["name"] == "add"
    assert client.delete(f"{API}/tasks/echo").json["state"] == "REVOKED"


def test_heads_have_no_body(alone: FlaskClient) -> None:
    for path in (f"{API}/tasks", f"{API}/catalog", f"{API}/events", "/openapi.json", "/health/live"):
        answer = alone.head(path)
        assert (answer.status_code, answer.data) == (200, b"")
    # Nobody is left watching, though no client was there to go away.
    assert alone.application.extensions["async_tasks_live"].watching == 0


def test_an_event_id_that_is_none_is_refused_wherever_it_stands(alone: FlaskClient) -> None:
    for headers, query in (
        ({"Last-Event-ID": "x"}, ""),
        ({}, "?last_event_id=x"),
        ({"Last-Event-ID": "1-1"}, "?last_event_id=x"),
    ):
        problem = assert_problem(alone.get(f"{API}/events{query}", headers=headers), 422, "invalid-option")
        assert problem["errors"][0]["field"] == "Last-Event-ID"


def test_an_expiry_may_be_written_as_programs_write_numbers(alone: FlaskClient) -> None:
    record = alone.post(f"{ADD}?expires=6e1", json={"a": 1, "b": 2}).json
    left = datetime.fromisoformat(record["expires_at"]) - datetime.fromisoformat(record["submitted_at"])
    assert left == timedelta(seconds=60)
    assert datetime.fromisoformat(record["expires_at"]) > datetime.now(UTC)
