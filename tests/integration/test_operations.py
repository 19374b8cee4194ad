"""What operators see and command through the web: answers of the API, pages with nobody there, and whom they heed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from async_tasks import catalog, engine, operations, submission
from async_tasks.engine import App
from async_tasks.engine.errands import declare_limits
from async_tasks.errors import InvalidOption
from async_tasks.web import create_app
from tests.support.profiles import Profile

MODULES = ("tests.support.limited_tasks", "tests.support.nightly_tasks")


@pytest.fixture
def app(store_profile: Profile) -> Iterator[App]:
    """An engine whose tasks have limits and schedules."""
    before = catalog.snapshot()
    catalog.restore({})
    app = engine.build(store_profile.settings(modules=MODULES, queues=("mail",)))
    yield app
    app.close_connections()
    catalog.restore(before)


@pytest.fixture
def client(app: App) -> FlaskClient:
    """A program, or a browser without JavaScript."""
    return create_app(engine=app).test_client()


def answer(client: FlaskClient, method: str, path: str, **options: Any) -> Any:
    """The JSON that the API answers, whatever the status."""
    return client.open(f"/api/v1/{path}", method=method, **options).json


def test_nobody_is_there(client: FlaskClient) -> None:
    page = client.get("/workers")
    assert "No worker is there" in page.text
    assert "async-tasks worker" in page.text
    assert answer(client, "GET", "workers") == {"workers": []}
    assert client.get("/workers/nobody@here").status_code == 404
    assert "No worker consumes this queue" in client.get("/queues/mail").text
    assert "There is nothing to purge" in client.get("/queues/mail/purge").text


def test_a_queue_stays_paused_for_who_asks_and_for_who_submits(app: App, client: FlaskClient) -> None:
    paused = answer(client, "POST", "queues/celery_see/pause")
    assert paused["paused"]["by"] is None
    assert answer(client, "POST", "queues/celery_see/pause")["paused"] == paused["paused"]
    record = submission.submit(app, "unlimited", {"path": "x", "number": 1})
    assert record.public()["timeline"][0]["detail"] == "its queue is paused"
    assert "is paused" in client.get(f"/tasks/{record.id}").text
    queues = answer(client, "GET", "queues")["queues"]
    assert [(each["name"], each["waiting"], each["paused"] is not None) for each in queues] == [
        ("celery_see", 1, True),
        ("mail", 0, False),
    ]
    assert answer(client, "POST", "queues/celery_see/purge") == {"purged": 1, "more": False}
    assert answer(client, "POST", "queues/celery_see/resume")["paused"] is None


@pytest.mark.parametrize("path", ["pause", "resume", "purge"])
def test_an_unknown_queue_is_said(client: FlaskClient, path: str) -> None:
    problem = answer(client, "POST", f"queues/nowhere/{path}")
    assert (problem["status"], problem["type"]) == (404, "/problems/unknown-queue")
    assert "There are celery_see, mail." in problem["detail"]


def test_a_command_without_the_pages_token_is_refused(app: App, client: FlaskClient) -> None:
    client.get("/queues")
    assert client.post("/queues/mail/pause").status_code == 403
    assert client.post("/api/v1/queues/mail/pause", headers={"Origin": "http://elsewhere"}).status_code == 403
    assert not app.ledger.controls.paused()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rate_limit": "ten"}, "rate_limit"),
        ({"rate_limit": 5}, "rate_limit"),
        ({"rate_limit": "0/s"}, "rate_limit"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": True}, "concurrency"),
        ({"concurrency": "3"}, "concurrency"),
        ({"limit": 3}, "limit"),
    ],
)
def test_what_is_no_limit_is_refused(client: FlaskClient, body: dict[str, Any], field: str) -> None:
    problem = answer(client, "PUT", "limits/narrow", json=body)
    assert (problem["status"], problem["errors"][0]["field"]) == (422, field)


def test_limits_are_seen_set_and_given_back(app: App, client: FlaskClient) -> None:
    declared = {each["name"]: (each["rate_limit"], each["concurrency"]) for each in _limits(client)}
    assert declared["narrow"] == (None, 2)
    assert declared["steady"] == ("20/s", None)
    assert declared["unlimited"] == (None, None)
    changed = answer(client, "PUT", "limits/unlimited", json={"rate_limit": "3/h"})
    assert (changed["rate_limit"], changed["concurrency"], changed["declared"]) == ("3/h", None, None)
    # Without a limit, in place of what is declared.
    assert answer(client, "PUT", "limits/narrow", json={})["concurrency"] is None
    declare_limits(app)  # as every worker does that starts
    assert {each["name"]: each["concurrency"] for each in _limits(client)}["narrow"] is None
    assert answer(client, "DELETE", "limits/narrow")["concurrency"] == 2
    assert answer(client, "PUT", "limits/nothing", json={})["type"] == "/problems/unknown-task"
    page = client.get("/limits/unlimited")
    assert 'value="3/h"' in page.text


def _limits(client: FlaskClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer(client, "GET", "limits")["limits"]
    return found


def test_a_schedule_runs_now_once_for_each_key(client: FlaskClient) -> None:
    headers = {"Idempotency-Key": "once"}
    first = answer(client, "POST", "schedules/clean_up/run", headers=headers)
    assert (first["name"], first["args"]) == ("clean_up", {"days": 30})
    assert answer(client, "POST", "schedules/clean_up/run", headers=headers)["id"] == first["id"]
    (schedule,) = answer(client, "GET", "schedules")["schedules"]
    assert schedule["last"]["id"] == first["id"]
    assert answer(client, "POST", "schedules/unlimited/run")["type"] == "/problems/unknown-schedule"


def test_a_paused_schedule_is_not_due_and_goes_on_with_its_next_moment(app: App, client: FlaskClient) -> None:
    ledger = app.ledger
    ledger.register_schedule("clean_up", "0 3 * * * Europe/Berlin", ledger.now() - 10_000)
    assert [name for name, _ in ledger.due_schedules()[2]] == ["clean_up"]
    assert answer(client, "POST", "schedules/clean_up/pause")["next_at"] is None
    assert ledger.due_schedules()[2] == []
    assert answer(client, "POST", "schedules/clean_up/resume")["next_at"] is not None
    assert ledger.due_schedules()[2] == []


def test_words_for_a_rate_that_is_none_say_what_is_right(app: App) -> None:
    with pytest.raises(InvalidOption, match="'10/m'"):
        operations.set_limit(app, "narrow", rate_limit="10 per minute", concurrency=None)
