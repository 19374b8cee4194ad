"""What requests may look like, what is refused and how that is said: bodies, hosts, credentials, origins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from async_tasks import engine
from async_tasks.engine import App
from async_tasks.errors import BrokerUnavailable, ConfigurationError, Undeliverable
from async_tasks.web import create_app
from async_tasks.web.problems import KINDS
from async_tasks.web.server import serve
from tests.support.profiles import Profile
from tests.support.servers import StoreServer

ADD = "/api/v1/tasks/add"
TOKEN = "a-long-and-random-token"
LIMIT = 4096


@pytest.fixture
def profile(valkey_server: StoreServer, tmp_path: Path) -> Profile:
    """One is enough: the broker has no part in these."""
    return Profile("embedded", valkey_server, valkey_server, valkey_server.url, tmp_path)


@pytest.fixture
def make(profile: Profile) -> Iterator[Callable[..., Flask]]:
    """Makes web applications with settings of the test's own."""
    engines: list[App] = []

    def make(**overrides: Any) -> Flask:
        settings = profile.settings(modules=("tests.support.tasks",), **overrides)
        engines.append(engine.build(settings))
        return create_app(engine=engines[-1])

    yield make
    for each in engines:
        each.close_connections()


@pytest.fixture
def client(make: Callable[..., Flask]) -> FlaskClient:
    """A caller on loopback, no token set."""
    return make(max_payload_bytes=LIMIT).test_client()


@pytest.fixture
def guarded(make: Callable[..., Flask]) -> FlaskClient:
    """A caller of a server with a token."""
    return make(admin_token=TOKEN).test_client()


def assert_problem(answer: TestResponse, status: int, slug: str) -> dict[str, Any]:
    """The problem document, if it is the right one."""
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text
    problem: dict[str, Any] = answer.json
    assert (problem["type"], problem["status"], problem["title"]) == (f"/problems/{slug}", status, KINDS[slug].title)
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert "Traceback" not in answer.text
    return problem


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


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/json", "application/jsonp", None])
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
            input_stream=__import__("io").BytesIO(body),
            content_type="application/json",
            environ_overrides={"wsgi.input_terminated": True},
        )
    problem = assert_problem(answer, 413, "payload-too-large")
    assert f"{LIMIT:,}" in problem["detail"]
    assert is_empty(client)


def test_arguments_that_grow_over_the_limit_are_413(client: FlaskClient) -> None:
    text = "\\n" * (LIMIT // 2 - 20)  # as small as it may be on the wire, and larger with what is added
    answer = client.post("/api/v1/tasks/append", data=f'{{"path":"","line":"{text}"}}', content_type="application/json")
    assert_problem(answer, 413, "payload-too-large")


def test_arguments_that_do_not_fit_are_422_at_their_fields(client: FlaskClient) -> None:
    problem = assert_problem(client.post(ADD, json={"a": "one", "c": 3}), 422, "invalid-arguments")

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
        raise RuntimeError("the secret is 42")

    app.add_url_rule(path, view_func=boom)
    with caplog.at_level(logging.ERROR, "async_tasks.web"):
        answer = app.test_client().get(path)

    assert answer.status_code == 500
    assert "42" not in answer.text
    assert "RuntimeError" not in answer.text
    request_id = answer.headers["X-Request-ID"]
    assert request_id in answer.text
    assert request_id in caplog.text
    assert "the secret is 42" in caplog.text


@pytest.mark.parametrize(
    ("error", "slug", "is_later"),
    [(Undeliverable("some-id", "NO_ROUTE"), "undeliverable", False), (BrokerUnavailable("host x"), "broker-unavailable", True)],
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


@pytest.mark.parametrize("path", ["/", "/api/v1/catalog", "/nothing", "/static/app.css"])
def test_every_answer_has_the_security_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "geolocation=()" in headers["Permissions-Policy"]


def test_requests_to_unknown_hosts_are_refused(client: FlaskClient) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1"):
        assert_problem(client.get("/api/v1/catalog", headers={"Host": host}), 400, "unknown-host")
        assert client.get("/", headers={"Host": host}).status_code == 400
    assert client.get("/", headers={"Host": "127.0.0.1:5000"}).status_code == 200
    # A probe names a machine's address, and learns nothing else.
    assert client.get("/health/live", headers={"Host": "10.0.0.1"}).status_code == 200


def test_with_a_token_the_api_is_closed_without_it(guarded: FlaskClient) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "Bearer é"}):
        answer = guarded.post(ADD, json={"a": 1, "b": 2}, headers=headers)
        assert_problem(answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert guarded.get("/api/v1/tasks/x/events", headers=headers).status_code == 401
        assert guarded.get("/api/v1/nothing", headers=headers).status_code == 401
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.post(ADD, json={"a": 1, "b": 2}, headers=bearer).status_code == 202
    assert guarded.get("/api/v1/tasks", headers=bearer).status_code == 200


def test_with_a_token_probes_are_open_without_details(guarded: FlaskClient) -> None:
    assert guarded.get("/health/live").status_code == 200
    assert guarded.get("/health/ready").json == {"status": "ready"}
    assert guarded.get("/static/app.css").status_code == 200
    detailed = guarded.get("/health/ready", headers={"Authorization": f"Bearer {TOKEN}"})
    assert detailed.json["checks"] == {"ledger": "ok", "broker": "ok"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"Origin": "http://localhost"}, 202),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:8000"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_another_site_cannot_submit_through_a_browser(client: FlaskClient, headers: dict[str, str], status: int) -> None:
    # Without a type, which a form of another site can do.
    assert client.post("/api/v1/tasks/elsewhere", headers=headers).status_code == status


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.1.2.3"]
)
def test_beyond_loopback_it_does_not_start_without_credentials(profile: Profile, host: str) -> None:
    with pytest.raises(ConfigurationError, match="ASYNC_TASKS_ADMIN_TOKEN is required"):
        serve(profile.settings(host=host))


def test_a_port_in_use_is_said_in_one_line(profile: Profile) -> None:
    with pytest.raises(ConfigurationError) as refused:
        serve(profile.settings(port=profile.store.port))
    assert str(refused.value) == (
        f"Port {profile.store.port} on 127.0.0.1 is in use: choose another with --port or ASYNC_TASKS_PORT"
    )
