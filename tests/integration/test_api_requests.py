"""What requests may look like, what is refused and how that is said: bodies, options, errors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient

from async_tasks.errors import BrokerUnavailable, Undeliverable
from tests.support.web import assert_problem

ADD = "/api/v1/tasks/add"
LIMIT = 4096


@pytest.fixture
def client(make: Callable[..., Flask]) -> FlaskClient:
    """A caller on loopback, no token set."""
    return make(max_payload_bytes=LIMIT).test_client()


def is_empty(client: FlaskClient) -> bool:
    """Whether nothing has been stored."""
    return bool(client.get("/api/v1/tasks").json["tasks"] == [])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "not JSON"),
        ("{", "line 1"),
        ("[1, 2]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ('{"a": NaN, "b": 1}', "NaN"),
        ('{"a": 1, "a": 2, "b": 3}', "'a' occurs twice"),
        ('{"a": ' + "[" * 1000 + "]" * 1000 + "}", "nested deeper"),
        (b'{"a": "\xff"}', "UTF-8"),
    ],
)
def test_a_body_that_is_no_json_object_is_400(client: FlaskClient, body: str | bytes, words: str) -> None:
    problem = assert_problem(client.post(ADD, data=body, content_type="application/json"), 400, "invalid-json")
    assert words in problem["detail"]
    assert is_empty(client)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "text/json", "application/jsonp", None]
)
def test_a_body_of_another_type_is_415(client: FlaskClient, kind: str | None) -> None:
    assert_problem(client.post(ADD, data='{"a": 1, "b": 2}', content_type=kind), 415, "unsupported-media-type")
    assert is_empty(client)


def test_a_compressed_body_is_415(client: FlaskClient) -> None:
    answer = client.post(ADD, data=b"x", content_type="application/json", headers={"Content-Encoding": "gzip"})
    assert_problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.example+json"])
def test_every_type_of_json_is_taken(client: FlaskClient, kind: str) -> None:
    assert client.post(ADD, data='{"a": 1, "b": 2}', content_type=kind).status_code == 202


def test_an_empty_body_without_a_type_is_an_empty_object(client: FlaskClient) -> None:
    assert client.post("/api/v1/tasks/elsewhere").status_code == 202
    problem = assert_problem(client.post(ADD), 422, "invalid-arguments")
    assert [error["field"] for error in problem["errors"]] == ["a", "b"]


@pytest.mark.parametrize("length_is_known", [True, False])
def test_a_body_that_is_too_large_is_413(client: FlaskClient, length_is_known: bool) -> None:
    body = b'{"value": "' + b"x" * LIMIT + b'"}'
    if length_is_known:
        answer = client.post("/api/v1/tasks/echo", data=body, content_type="application/json")
    else:
        answer = client.post(
            "/api/v1/tasks/echo",
            input_stream=BytesIO(body),
            content_type="application/json",
            environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
        )
    problem = assert_problem(answer, 413, "payload-too-large")
    assert f"{LIMIT:,}" in problem["detail"]
    assert is_empty(client)


def test_a_body_of_just_the_limit_is_taken(client: FlaskClient) -> None:
    text = "x" * (LIMIT - len('{"value": ""}'))
    body = f'{{"value": "{text}"}}'
    assert len(body) == LIMIT
    assert client.post("/api/v1/tasks/echo", data=body, content_type="application/json").status_code == 202


def test_arguments_that_grow_over_the_limit_are_413(client: FlaskClient) -> None:
    text = "\\n" * (LIMIT // 2 - 12)  # as small as it may be on the wire, and larger with what is added
    answer = client.post("/api/v1/tasks/append", data=f'{{"path":"","line":"{text}"}}', content_type="application/json")
    assert_problem(answer, 413, "payload-too-large")


def test_arguments_that_do_not_fit_are_422_at_their_fields(client: FlaskClient) -> None:
    problem = assert_problem(client.post(ADD, json={"a": "1", "c": 3}), 422, "invalid-arguments")

    found = {error["field"]: error["message"] for error in problem["errors"]}
    assert "valid integer" in found["a"]
    assert found["b"] == "is required"
    assert "no parameter 'c'" in found["c"]
    assert is_empty(client)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("delay=x", "delay"),
        ("delay=-1", "delay"),
        ("delay=1&delay=2", "delay"),
        ("delay=1&eta=2027-01-31T12:00:00Z", "delay"),
        ("eta=tomorrow", "eta"),
        ("eta=2027-01-31T12:00:00", "eta"),
        ("expires=0", "expires"),
        ("expires=soon", "expires"),
        ("priority=10", "priority"),
        ("priority=high", "priority"),
        ("wait=61", "wait"),
        ("wait=nan", "wait"),
        ("wait=", "wait"),
        ("dely=5", "dely"),
    ],
)
def test_an_option_that_cannot_be_used_is_422(client: FlaskClient, query: str, field: str) -> None:
    problem = assert_problem(client.post(f"{ADD}?{query}", json={"a": 1, "b": 2}), 422, "invalid-option")
    assert problem["errors"][0]["field"] == field
    assert is_empty(client)


def test_an_unknown_task_is_404_and_names_near_ones(client: FlaskClient) -> None:
    problem = assert_problem(client.post("/api/v1/tasks/reverse_txt", data="no JSON"), 404, "unknown-task")
    assert problem["near"] == ["reverse_text"]
    assert "reverse_text" in problem["detail"]


def test_unknown_ids_and_paths_are_404(client: FlaskClient) -> None:
    for method in ("GET", "DELETE"):
        problem = assert_problem(client.open("/api/v1/tasks/nobody", method=method), 404, "unknown-record")
        assert problem["id"] == "nobody"
    assert_problem(client.get("/api/v1/tasks/nobody/events"), 404, "unknown-record")
    assert_problem(client.get("/api/v1/nothing"), 404, "not-found")


def test_a_method_that_does_not_fit_is_405(client: FlaskClient) -> None:
    answer = client.put("/api/v1/catalog")
    assert_problem(answer, 405, "method-not-allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/api/v1/boom", "/boom"])
def test_a_bug_is_500_without_its_details_and_logged_with_the_id(
    make: Callable[..., Flask], caplog: pytest.LogCaptureFixture, path: str
) -> None:
    app = make()

    def boom() -> None:
        raise RuntimeError("the secret is a-certain-word")

    app.add_url_rule(path, view_func=boom)
    with caplog.at_level(logging.ERROR, "async_tasks.web"):
        answer = app.test_client().get(path)

    assert answer.status_code == 500
    assert "a-certain-word" not in answer.text
    assert "RuntimeError" not in answer.text
    request_id = answer.headers["X-Request-ID"]
    assert request_id in answer.text
    assert request_id in caplog.text
    assert "the secret is a-certain-word" in caplog.text


@pytest.mark.parametrize(
    ("error", "slug", "is_later"),
    [
        (Undeliverable("some-id", "NO_ROUTE"), "undeliverable", False),
        (BrokerUnavailable("host x"), "broker-unavailable", True),
    ],
)
def test_errors_of_the_broker_are_503(make: Callable[..., Flask], error: Exception, slug: str, is_later: bool) -> None:
    app = make()

    def refuse() -> None:
        raise error

    app.add_url_rule("/api/v1/refuse", view_func=refuse)
    answer = app.test_client().get("/api/v1/refuse")

    problem = assert_problem(answer, 503, slug)
    assert ("Retry-After" in answer.headers) is is_later
    assert ("id" in problem) is not is_later
    assert "host x" not in answer.text


def test_a_request_id_of_the_caller_is_kept_if_it_is_one(client: FlaskClient) -> None:
    assert client.get("/health/live", headers={"X-Request-ID": "abc-12345"}).headers["X-Request-ID"] == "abc-12345"
    for given in ("short", "with space 123", "x" * 65):
        assert client.get("/health/live", headers={"X-Request-ID": given}).headers["X-Request-ID"] != given
