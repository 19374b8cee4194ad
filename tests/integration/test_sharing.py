"""A shared link shows one task until it expires, to whoever has it, and opens nothing else."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeSerializer

from async_tasks import submission
from async_tasks.engine import App
from async_tasks.errors import StoreUnavailable
from async_tasks.ledger import NewLine
from async_tasks.ledger.record import State
from async_tasks.web import sharing
from tests.support.profiles import SECRET_KEY

TOKEN = "a-long-and-random-token"


@pytest.fixture
def flask(make: Callable[..., Flask]) -> Flask:
    """A web application that asks for a login."""
    return make(admin_token=TOKEN)


@pytest.fixture
def owner(flask: Flask) -> FlaskClient:
    """Somebody who is logged in."""
    client = flask.test_client()
    csrf = re.search('name="_csrf" value="([^"]+)"', client.get("/login").text)
    assert csrf
    assert client.post("/login", data={"_csrf": csrf[1], "token": TOKEN}).status_code == 303
    return client


def engine_of(flask: Flask) -> App:
    """The engine that an application submits through."""
    app: App = flask.extensions["async_tasks"]
    return app


def submitted(flask: Flask, *, end: bool = True) -> str:
    """A task with a log, a relative and a result."""
    app = engine_of(flask)
    record = submission.submit(app, "echo", {"value": "a secret of mine"}, submitted_by="visitor-0123456789abcdef")
    app.ledger.claim(record.id, record.message_key, owner="w", token="t", worker="w@host", lease=30, max_losses=5)
    app.ledger.log(record.id, 1, [NewLine(1, 0, "info", "mine", "what it logged")])
    if end:
        assert app.ledger.finish(record.id, State.SUCCESS, owner="w", token="t", result='"the result"') == "done"
    return record.id


def shared(owner: FlaskClient, task_id: str, life: str = "1d") -> str:
    """Share a task by its page; the path of the link, as the page then says it."""
    page = owner.get(f"/tasks/{task_id}").text
    csrf = re.search('name="_csrf" value="([^"]+)"', page)
    assert csrf
    answer = owner.post(f"/tasks/{task_id}/share", data={"_csrf": csrf[1], "life": life})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/tasks/{task_id}")
    link = re.search('id="shared-link">http://localhost([^<]+)<', unescape(owner.get(f"/tasks/{task_id}").text))
    assert link
    return link[1]


def test_whoever_has_the_link_sees_the_task_and_nothing_else(flask: Flask, owner: FlaskClient) -> None:
    task_id = submitted(flask)
    again = submission.replay(engine_of(flask), task_id).id
    stranger = flask.test_client()
    for guarded in (f"/tasks/{task_id}", f"/api/v1/tasks/{task_id}"):
        assert stranger.get(guarded).status_code in (303, 401)

    answer = stranger.get(shared(owner, task_id))
    assert answer.status_code == 200
    for told in ("a secret of mine", "the result", "what it logged", "Attempt 1", "Succeeded"):
        assert told in answer.text
    # Neither other tasks nor who submitted it; no form, and no way on.
    for hidden in (again, "visitor-0123456789abcdef", "<form", "<nav", "/live", "/api/", "My tasks", "Log out"):
        assert hidden not in answer.text
    assert re.findall('(?:href|src|action)="(?!/static/)([^"]*)"', answer.text) == []
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Cache-Control"] == "no-store"
    # The link is no login.
    assert "Set-Cookie" not in answer.headers
    for guarded in ("/", f"/tasks/{task_id}", "/live", "/live/now", f"/api/v1/tasks/{task_id}/logs"):
        assert stranger.get(guarded).status_code in (303, 401)

    # Its own reader loses nothing by it.
    assert owner.get(shared(owner, task_id)).status_code == 200
    assert owner.get("/").status_code == 200


def test_it_is_live_while_the_task_runs(flask: Flask, owner: FlaskClient) -> None:
    path = shared(owner, submitted(flask, end=False))
    page = flask.test_client().get(path).text
    assert 'http-equiv="refresh"' in page
    assert "shared.js" in page
    assert "Running for" in page
    assert "on w@host" in page


def test_only_who_may_see_the_task_can_share_it(flask: Flask, owner: FlaskClient) -> None:
    task_id = submitted(flask)
    assert flask.test_client().post(f"/tasks/{task_id}/share", data={"life": "1d"}).status_code == 401
    # Nor can another site make somebody's browser do it.
    assert owner.post(f"/tasks/{task_id}/share", data={"life": "1d"}).status_code == 403
    csrf = re.search('name="_csrf" value="([^"]+)"', owner.get(f"/tasks/{task_id}").text)
    assert csrf
    assert owner.post("/tasks/nobody/share", data={"_csrf": csrf[1], "life": "1d"}).status_code == 404


def test_it_expires(flask: Flask, owner: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {life: shared(owner, submitted(flask), life) for life in ("1h", "1d", "7d", "for ever")}
    now = sharing.time.time()
    for hours, open_ones in ((0.9, 4), (1.1, 3), (25, 1), (7 * 24 + 1, 0)):
        monkeypatch.setattr("async_tasks.web.sharing.time.time", lambda at=now + hours * 3600: at)
        answers = [flask.test_client().get(path) for path in paths.values()]
        assert sorted(answer.status_code for answer in answers) == [200] * open_ones + [410] * (4 - open_ones)
        for gone in answers[:: len(answers) - 1] if not open_ones else ():
            assert "The link has expired" in gone.text
            assert gone.headers["Referrer-Policy"] == "no-referrer"


def test_what_is_made_up_or_changed_opens_nothing(flask: Flask, owner: FlaskClient) -> None:
    first, other = submitted(flask), submitted(flask)
    token = shared(owner, first).removeprefix("/shared/")
    payload, signature = token.split(".")
    foreign = shared(owner, other).removeprefix("/shared/")
    forged = [
        "nothing",
        payload,
        f"{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        f"{foreign.split('.')[0]}.{signature}",
        f"{payload}X.{signature}",
        URLSafeSerializer("another key", salt="async-tasks.shared").dumps([first, 2**40]),
        # Signed by us, for something else.
        URLSafeSerializer(SECRET_KEY, salt="cookie-session").dumps([first, 2**40]),
        "%00",
        "é" * 100,
    ]
    for each in forged:
        answer = flask.test_client().get(f"/shared/{each}")
        assert answer.status_code == 404, each
        assert first not in answer.text
    # Of a task that is gone, the link is too.
    engine_of(flask).ledger.forget(first)
    answer = flask.test_client().get(f"/shared/{token}")
    assert (answer.status_code, "no longer kept" in answer.text) == (404, True)


def test_no_log_has_the_token(
    flask: Flask, owner: FlaskClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shared(owner, submitted(flask))
    token = path.removeprefix("/shared/")
    caplog.set_level(logging.DEBUG)
    flask.test_client().get(path)
    ledger = engine_of(flask).ledger

    def away(_: str) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(ledger, "get", away)
    answer = flask.test_client().get(path)
    assert (answer.status_code, token in answer.text) == (503, False)

    def broken(_: str) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(ledger, "get", broken)
    answer = flask.test_client().get(path)
    assert (answer.status_code, token in answer.text) == (500, False)
    flask.test_client().get(f"{path}/more")
    flask.test_client().post(path)
    # What failed is said, and where.
    assert "GET /shared/… failed" in caplog.text
    assert "GET /shared/…: away" in caplog.text
    assert token not in caplog.text
