"""Who is heard and who is not: hosts, credentials, origins; and what browsers are told not to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from async_tasks.errors import ConfigurationError
from async_tasks.web.server import serve
from tests.support.profiles import Profile
from tests.support.web import assert_problem

ADD = "/api/v1/tasks/add"
TOKEN = "a-long-and-random-token"


@pytest.fixture
def client(make: Callable[..., Flask]) -> FlaskClient:
    """A caller on loopback, no token set."""
    return make().test_client()


@pytest.fixture
def guarded(make: Callable[..., Flask]) -> FlaskClient:
    """A caller of a server with a token."""
    return make(admin_token=TOKEN).test_client()


@pytest.mark.parametrize("path", ["/", "/api/v1/catalog", "/nothing", "/static/app.css"])
def test_every_answer_has_the_security_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path, buffered=True).headers
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
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer é"},
    ):
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
    assert guarded.get("/static/app.css", buffered=True).status_code == 200
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
def test_another_site_cannot_submit_through_a_browser(
    client: FlaskClient, headers: dict[str, str], status: int
) -> None:
    # Without a type, which a form of another site can do.
    assert client.post("/api/v1/tasks/elsewhere", headers=headers).status_code == status


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3"])
def test_beyond_loopback_it_does_not_start_without_credentials(store_profile: Profile, host: str) -> None:
    with pytest.raises(ConfigurationError, match="ASYNC_TASKS_ADMIN_TOKEN is required"):
        serve(store_profile.settings(host=host))


def test_a_port_in_use_is_said_in_one_line(store_profile: Profile) -> None:
    with pytest.raises(ConfigurationError) as refused:
        serve(store_profile.settings(port=store_profile.store.port))
    assert str(refused.value) == (
        f"Port {store_profile.store.port} on 127.0.0.1 is in use: choose another with --port or ASYNC_TASKS_PORT"
    )
