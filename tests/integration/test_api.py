"""The API over real servers: submit, read, list, cancel, catalog, health."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from async_tasks import engine
from async_tasks.engine import App
from async_tasks.ledger import State
from async_tasks.submission import submit
from async_tasks.web import create_app
from tests.support.profiles import Profile
from tests.support.system import System
from tests.support.waiting import wait_until

API = "/api/v1"


@pytest.fixture
def client(app: App) -> FlaskClient:
    """A program that calls the API."""
    return create_app(engine=app).test_client()


def test_a_submission_is_accepted_with_its_record(client: FlaskClient) -> None:
    answer = client.post(f"{API}/tasks/add", json={"a": 1, "b": 2.0})

    assert answer.status_code == 202
    record = answer.json
    assert (record["name"], record["state"], record["args"]) == ("add", "PENDING", {"a": 1, "b": 2})
    assert answer.headers["Location"] == f"{API}/tasks/{record['id']}" == record["links"]["self"]
    read = client.get(answer.headers["Location"])
    assert read.status_code == 200
    assert {**read.json, "timeline": []} == {**record, "timeline": []}
    assert list(read.json)[:4] == ["id", "name", "state", "args"]


def test_with_wait_the_answer_is_the_result(client: FlaskClient, workers: System) -> None:
    answer = client.post(f"{API}/tasks/add?wait=20", json={"a": 1, "b": 2})

    assert answer.status_code == 200
    assert (answer.json["state"], answer.json["result"]) == ("SUCCESS", 3)
    assert answer.headers["Location"] == answer.json["links"]["self"]


def test_with_wait_the_answer_comes_in_time_without_a_result(client: FlaskClient) -> None:
    before = datetime.now(UTC)
    answer = client.post(f"{API}/tasks/add?wait=0.3", json={"a": 1, "b": 2})

    assert (answer.status_code, answer.json["state"]) == (202, "PENDING")
    assert timedelta(seconds=0.3) <= datetime.now(UTC) - before < timedelta(seconds=3)


def test_a_failure_is_shown_with_its_reason(client: FlaskClient, workers: System) -> None:
    answer = client.post(f"{API}/tasks/fail?wait=20", json={"text": "no luck"})

    assert (answer.status_code, answer.json["state"]) == (200, "FAILURE")
    error = answer.json["error"]
    assert (error["type"], error["message"]) == ("builtins.ValueError", "no luck")


@pytest.mark.parametrize("option", ["delay", "eta"])
def test_a_delayed_task_is_scheduled_and_can_be_cancelled(client: FlaskClient, option: str) -> None:
    value = "600" if option == "delay" else (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    submitted = client.post(f"{API}/tasks/add", query_string={option: value}, json={"a": 1, "b": 2})

    assert (submitted.status_code, submitted.json["state"]) == (202, "SCHEDULED")
    due = datetime.fromisoformat(submitted.json["due_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < due < timedelta(minutes=11)
    cancelled = client.delete(submitted.headers["Location"])
    assert (cancelled.status_code, cancelled.json["state"]) == (200, "REVOKED")
    again = client.delete(submitted.headers["Location"])
    assert (again.status_code, again.mimetype) == (409, "application/problem+json")
    assert again.json["type"] == "/problems/already-finished"


def test_a_running_task_is_asked_to_stop(client: FlaskClient, workers: System) -> None:
    link = client.post(f"{API}/tasks/steps", json={"count": 1000, "pause": 0.05}).headers["Location"]
    wait_until(lambda: client.get(link).json["state"] == "STARTED", 20)

    assert client.delete(link).status_code == 202
    ended = wait_until(lambda: (now := client.get(link).json)["finished_at"] and now, 20)
    assert ended["state"] == "REVOKED"


def test_an_expiry_is_recorded(client: FlaskClient) -> None:
    record = client.post(f"{API}/tasks/add?expires=60", json={"a": 1, "b": 2}).json
    left = datetime.fromisoformat(record["expires_at"]) - datetime.fromisoformat(record["submitted_at"])
    assert left == timedelta(seconds=60)


def test_history_is_paged_newest_first(client: FlaskClient) -> None:
    ids = [client.post(f"{API}/tasks/add", json={"a": n, "b": 0}).json["id"] for n in range(5)]
    other = client.post(f"{API}/tasks/echo", json={"value": "needle"}).json["id"]

    first = client.get(f"{API}/tasks?name=add&limit=3").json
    second = client.get(f"{API}/tasks?name=add&limit=3&cursor={first['next_cursor']}").json
    assert [task["id"] for task in first["tasks"] + second["tasks"]] == ids[::-1]
    assert second["next_cursor"] is None
    assert [task["id"] for task in client.get(f"{API}/tasks?q=NEEDLE").json["tasks"]] == [other]
    empty = {"tasks": [], "next_cursor": None, "scanned": 0, "searched_until": None}
    assert client.get(f"{API}/tasks?state=SUCCESS").json == empty
    assert len(client.get(f"{API}/tasks?state=PENDING&name=&q=").json["tasks"]) == 6
    assert client.get(f"{API}/tasks?since=2100-01-01T00:00:00Z").json["tasks"] == []
    assert len(client.get(f"{API}/tasks?until=2100-01-01T00:00:00Z").json["tasks"]) == 6


def test_history_is_filtered_by_whatever_goes_together(client: FlaskClient, app: App) -> None:
    theirs = client.post(f"{API}/tasks/add", json={"a": 1, "b": 0}).json["id"]
    mine = submit(app, "add", {"a": 2, "b": 0}, submitted_by="me")
    app.ledger.claim(mine.id, mine.message_key, owner="o", token="t", worker="celery@one", lease=60, max_losses=5)
    error = {"type": "builtins.ValueError", "message": "no luck", "traceback": None, "fingerprint": "f1"}
    app.ledger.finish(mine.id, State.FAILURE, token="t", error=error)

    def found(query: str) -> list[str]:
        return [task["id"] for task in client.get(f"{API}/tasks?{query}").json["tasks"]]

    assert found("queue=celery_see") == [mine.id, theirs]
    every = "queue=celery_see&worker=celery@one&submitted_by=me&fingerprint=f1&state=FAILURE&name=add&q=luck"
    assert found(every) == [mine.id]
    for other in (
        "queue=other",
        "worker=celery@two",
        "submitted_by=you",
        "fingerprint=f2",
        "state=SUCCESS",
        "q=fortune",
    ):
        name = other.partition("=")[0]
        assert found("&".join([part for part in every.split("&") if not part.startswith(name)] + [other])) == []
    page = client.get(f"{API}/tasks?q=luck").json
    assert (page["scanned"], page["searched_until"]) == (2, client.get(f"{API}/tasks/{theirs}").json["submitted_at"])


@pytest.mark.parametrize(
    "query",
    ["state=DONE", "limit=0", "limit=201", "limit=x", "since=yesterday", "cursor=x", "sort=name", "limit=1&limit=2"],
)
def test_a_filter_that_cannot_be_used_is_named(client: FlaskClient, query: str) -> None:
    answer = client.get(f"{API}/tasks?{query}")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == query.partition("=")[0]


def test_ids_of_any_text_are_reached_by_their_links(client: FlaskClient, app: App) -> None:
    for task_id in ("a/b", "a/events", "50%", "50%2F", "ü 👩‍👩‍👧", "x?y=z#w"):
        app.send_task("add", kwargs={"a": 1, "b": 2}, task_id=task_id)
        record = client.get(f"{API}/tasks/{quote(task_id, safe='')}").json
        assert record["id"] == task_id
        assert client.get(record["links"]["self"]).json["id"] == task_id
        assert task_id in [task["id"] for task in client.get(f"{API}/tasks").json["tasks"]]
        assert client.get(record["links"]["page"]).status_code == 200
        assert client.delete(record["links"]["self"]).json["state"] == "REVOKED"


def test_the_catalog_describes_what_can_be_submitted(client: FlaskClient) -> None:
    described = {task["name"]: task for task in client.get(f"{API}/catalog").json["tasks"]}

    assert {"reverse_text", "send_email", "analyze_sentiment", "add", "flaky"} <= set(described)
    add = described["add"]
    assert (add["title"], add["help"]) == ("Add two numbers", "")
    assert add["arguments"]["properties"]["a"]["type"] == "integer"
    assert add["arguments"]["required"] == ["a", "b"]
    assert add["result"] == {"type": "integer"}
    assert add["links"]["submit"] == f"{API}/tasks/add"
    assert described["flaky"]["options"]["max_retries"] == 3
    assert described["flaky"]["options"]["retry_for"] == ["builtins.ValueError"]


def test_health(client: FlaskClient) -> None:
    assert client.get("/health/live").json == {"status": "alive"}
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json) == (
        200,
        {"status": "ready", "checks": {"ledger": "ok", "broker": "ok"}},
    )


@pytest.fixture
def away(profile: Profile) -> Iterator[FlaskClient]:
    """A client of a web process whose store is about to go away."""
    app = engine.build(profile.settings(modules=("tests.support.tasks",), store_timeout=0.5))
    yield create_app(engine=app).test_client()
    app.close_connections()


@pytest.mark.parametrize("how", ["kill", "pause"])
def test_without_the_store_every_answer_is_503_in_bounded_time(away: FlaskClient, profile: Profile, how: str) -> None:
    link = away.post(f"{API}/tasks/add", json={"a": 1, "b": 2}).headers["Location"]
    getattr(profile.store, how)()
    try:
        for method, path in (
            ("POST", f"{API}/tasks/add"),
            ("GET", link),
            ("GET", f"{API}/tasks"),
            ("DELETE", link),
            ("GET", f"{link}/events"),
            ("GET", f"{API}/events"),
        ):
            before = datetime.now(UTC)
            answer = away.open(path, method=method, json={"a": 1, "b": 2} if method == "POST" else None)
            assert (method, path, answer.status_code) == (method, path, 503)
            assert answer.json["type"] == "/problems/store-unavailable"
            assert int(answer.headers["Retry-After"]) > 0
            assert str(profile.store.url) not in answer.text
            assert datetime.now(UTC) - before < timedelta(seconds=4)
        assert away.get("/health/live").status_code == 200
    finally:
        profile.store.ensure()
    wait_until(lambda: away.get("/health/ready").status_code == 200, 20)


@pytest.mark.parametrize("how", ["kill", "pause"])
def test_without_the_store_a_probe_says_so_in_bounded_time(away: FlaskClient, profile: Profile, how: str) -> None:
    getattr(profile.store, how)()
    with ThreadPoolExecutor(1) as pool:
        try:
            ready = pool.submit(away.get, "/health/ready").result(10)
        finally:
            profile.store.ensure()
    assert (ready.status_code, ready.json["status"]) == (503, "unavailable")
    assert ready.json["checks"]["ledger"] == "does not answer"


@pytest.mark.parametrize("profile", ["rabbitmq"], indirect=True)  # elsewhere broker and store are one
def test_without_the_broker_submissions_are_accepted(client: FlaskClient, profile: Profile) -> None:
    profile.rabbit.pause()
    try:
        answer = client.post(f"{API}/tasks/add", json={"a": 1, "b": 2})
        assert (answer.status_code, answer.json["state"]) == (202, "PENDING")
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json["checks"]) == (503, {"ledger": "ok", "broker": "does not answer"})
    finally:
        profile.rabbit.resume()
