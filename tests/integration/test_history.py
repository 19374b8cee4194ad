"""The History page, its views and its bulk actions, as a browser without JavaScript and a program have them."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from async_tasks import queries
from async_tasks.engine import App
from async_tasks.engine.bulk import Bulk
from async_tasks.ledger.record import State
from async_tasks.queries import history
from async_tasks.submission import Entry, submit, submit_batch
from async_tasks.web import history_page, views
from tests.support.waiting import wait_until
from tests.support.web import assert_problem

API = "/api/v1/actions"


@pytest.fixture
def flask(make: Callable[..., Flask]) -> Flask:
    """One web application."""
    return make()


@pytest.fixture
def app(flask: Flask) -> App:
    """The engine that it submits through."""
    app: App = flask.extensions["async_tasks"]
    return app


@pytest.fixture
def browser(flask: Flask) -> FlaskClient:
    """Somebody's browser, with cookies."""
    return flask.test_client()


def rows(page: TestResponse) -> list[str]:
    """The ids of the tasks of a page, in order."""
    return re.findall(r'<tr id="task-([^"]+)"', page.text)


def links(page: TestResponse, words: str) -> list[str]:
    """Where the links of a page lead whose text has those words."""
    found = re.findall(r'<a [^>]*href="([^"]+)"[^>]*>(.*?)</a>', page.text, re.DOTALL)
    return [unescape(address) for address, text in found if words in re.sub(r"<[^>]+>", "", text)]


def sent(browser: FlaskClient, path: str, **typed: Any) -> TestResponse:
    """Send a form with the session's token."""
    token = re.search(r'name="_csrf" value="([^"]+)"', browser.get("/").text)
    assert token
    return browser.post(path, data={"_csrf": token[1], **typed})


def waiting(app: App, count: int, name: str = "add") -> list[str]:
    """Tasks that wait for an hour, the newest first."""
    arguments: Callable[[int], dict[str, Any]] = lambda n: {"a": n, "b": 1} if name == "add" else {"value": n}  # noqa: E731
    return submit_batch(app, [Entry(name, arguments(n), delay=3600) for n in range(count)]).ids[::-1]


def carry_out(app: App) -> None:
    """Be the dispatcher until nothing is open."""
    carrier = Bulk(app)
    wait_until(lambda: carrier.step() is None, 30, "the end of all actions")


def test_every_task_is_listed_and_filtered(browser: FlaskClient, app: App) -> None:
    adds, echoes = waiting(app, 2), waiting(app, 2, "echo")
    app.ledger.cancel(adds[0])
    page = browser.get("/history")
    assert page.status_code == 200
    assert sorted(rows(page)) == sorted(adds + echoes)
    assert links(page, "Scheduled 3") == ["/history?state=SCHEDULED"]
    assert links(page, "All 4") == ["/history"]
    assert f'href="/tasks/{adds[0]}"' in page.text
    page = browser.get("/history?name=add&state=REVOKED")
    assert rows(page) == adds[:1]
    assert links(page, "Task: add") == ["/history?state=REVOKED"]
    assert links(page, "Clear all") == ["/history"]
    assert sorted(rows(browser.get("/history?since=-1h&queue=celery_see"))) == sorted(adds + echoes)
    assert rows(browser.get("/history?worker=nobody")) == []


def test_the_form_becomes_an_address_that_stays(browser: FlaskClient) -> None:
    answer = browser.get("/history?state=FAILURE&q=&name=add&queue=&last=-24h&from=&to=&zone=Z")
    assert (answer.status_code, answer.location) == (303, "/history?state=FAILURE&name=add&since=-24h")
    answer = browser.get("/history?last=between&from=2026-01-31T13:00&to=&zone=%2B01:00")
    assert answer.location == "/history?since=2026-01-31T12%3A00%3A00.000Z"
    page = browser.get(answer.location)
    assert 'name="from" value="2026-01-31T12:00:00"' in page.text
    for wrong in ("state=DONE", "since=soon", "last=between&from=soon", "cursor=!"):
        assert browser.get(f"/history?{wrong}").status_code == 422


def test_pages_lead_on_and_back(browser: FlaskClient, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_page, "LIMIT", 2)
    ids = waiting(app, 5)
    first = browser.get("/history?name=add")
    assert links(first, "Newer") == links(first, "Newest") == []
    second = browser.get(links(first, "Older")[0])
    third = browser.get(links(second, "Older")[0])
    assert sorted(rows(first) + rows(second) + rows(third)) == sorted(ids)
    assert (len(rows(third)), links(third, "Older")) == (1, [])
    assert "data-region" in first.text
    assert "data-region" not in second.text
    submit(app, "add", {"a": 9, "b": 9}, delay=3600)
    assert rows(browser.get(links(third, "Newer")[0])) == rows(second)
    back = browser.get(links(second, "Newer")[0])
    assert len(rows(back)) == 2
    assert links(third, "Newest") == ["/history?name=add"]


def test_a_search_says_how_far_it_got(browser: FlaskClient, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(app, 3)
    submit(app, "echo", {"value": "a needle"}, delay=3600)
    page = browser.get("/history?q=NEEDLE")
    assert len(rows(page)) == 1
    assert "Searched 4 tasks: there are no more" in page.text
    assert "No task matches" in browser.get("/history?q=straw").text
    monkeypatch.setattr(history, "BUDGET", -1)
    monkeypatch.setattr(history, "SEARCHED_AT_ONCE", 1)
    monkeypatch.setattr(history_page, "LIMIT", 1)
    page = browser.get("/history?q=straw")
    assert "Nothing found so far" in page.text
    (onward, _) = links(page, "Go on searching")
    assert browser.get(onward).status_code == 200


def test_empty_states_help(browser: FlaskClient, app: App) -> None:
    assert "Nothing was submitted yet" in browser.get("/history").text
    assert "No bulk actions yet" in browser.get("/history/actions").text
    page = browser.get("/history?name=add&state=RETRY")
    assert "No task matches" in page.text
    assert "/history?state=RETRY" in links(page, "Without task “add”")
    assert queries.count(app).number == 0


def test_views_are_saved_and_forgotten(browser: FlaskClient) -> None:
    answer = sent(browser, "/history/views", state="FAILURE", since="-1h", view="  Last   failures ")
    assert (answer.status_code, answer.location) == (303, "/history?state=FAILURE&since=-1h")
    sent(browser, "/history/views", name="add", view="<Adds>")
    page = browser.get("/history?name=add")
    assert links(page, "Last failures") == ["/history?state=FAILURE&since=-1h"]
    assert "<Adds>" not in page.text
    assert re.search(r'href="/history\?name=add" aria-current="true">&lt;Adds&gt;', page.text)
    sent(browser, "/history/views", state="FAILURE", forget="Last failures")
    assert links(browser.get("/history"), "Last failures") == []
    sent(browser, "/history/views", name="add", view=" ")
    assert "A view needs a name." in browser.get("/history").text
    for number in range(4):
        sent(browser, "/history/views", name=f"{number}" * 1000, view=f"{number}")
    assert "There is no room for another view" in browser.get("/history").text
    browser.set_cookie(views.COOKIE, "no views")
    assert browser.get("/history").status_code == 200
    assert browser.post("/history/views", data={"view": "x"}).status_code == 403


def test_all_that_match_are_cancelled_after_a_preview(browser: FlaskClient, app: App) -> None:
    ids = waiting(app, 3)
    app.ledger.cancel(ids[0])
    preview = sent(browser, "/history/actions", action="cancel", name="add", since="-1h")
    assert preview.status_code == 200
    assert "Cancel 2 tasks?" in preview.text
    assert "1 has finished: what has finished is not cancelled" in preview.text
    assert "Task: add" in preview.text
    assert queries.actions(app) == []
    form = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', preview.text))
    confirmed = [browser.post("/history/actions", data={**form, "rate": "100"}) for _ in range(2)]
    assert {answer.status_code for answer in confirmed} == {303}
    assert len({answer.location for answer in confirmed}) == 1, "the same form sent twice is one action"
    carry_out(app)
    page = browser.get(confirmed[0].location)
    for words in ("Finished", "3 of 3", "1 had finished already", "at most 100 a second", "by you", "Task: add"):
        assert words in page.text
    assert "Stop</button>" not in page.text
    assert {record.state for record in app.ledger.get_many(ids).values()} == {State.REVOKED}
    assert "Cancel" in browser.get("/history/actions").text
    assert "There is nothing to cancel" in sent(browser, "/history/actions", action="cancel", name="add").text


def test_the_selected_are_run_again(browser: FlaskClient, app: App) -> None:
    ids = waiting(app, 3)
    app.ledger.cancel_many(ids[:2], "cancelled")
    preview = sent(browser, "/history/actions", action="replay", scope="selected", id=ids)
    assert "Run 2 tasks again?" in preview.text
    assert "1 has not finished: what may still run is not run again" in preview.text
    answer = sent(browser, "/history/actions", action="replay", id=ids, confirmed="yes", rate="100", _once="x")
    carry_out(app)
    assert "3 selected one by one" in browser.get(answer.location).text
    again = queries.page(app, state=State.PENDING).tasks
    assert {record.replay_of for record in again} == set(ids[:2])
    assert (again[0].submitted_by or "").startswith("visitor-")
    nothing = sent(browser, "/history/actions", action="replay", scope="selected", name="add")
    assert (nothing.status_code, nothing.location) == (303, "/history?name=add")
    assert "Nothing is selected" in browser.get(nothing.location).text


def test_an_action_is_stopped(browser: FlaskClient, app: App) -> None:
    waiting(app, 3)
    answer = sent(browser, "/history/actions", action="cancel", confirmed="yes", rate="1", _once="x")
    Bulk(app).step()
    assert "Stop</button>" in browser.get(answer.location).text
    assert sent(browser, f"{answer.location}/stop").location == answer.location
    assert "Stopped" in browser.get(answer.location).text
    assert Bulk(app).step() is None
    assert browser.get("/history/actions/unknown").status_code == 404
    assert browser.post("/history/actions", data={"action": "cancel"}).status_code == 403
    assert sent(browser, "/history/actions", action="remove").status_code == 422
    assert sent(browser, "/history/actions", action="cancel", confirmed="yes", rate="fast").status_code == 422


def test_a_program_previews_begins_watches_and_stops(browser: FlaskClient, app: App) -> None:
    ids = waiting(app, 3)
    app.ledger.cancel(ids[0])
    body = {"action": "cancel", "filter": {"name": "add"}, "rate": 100}
    answer = browser.post(f"{API}?preview=true", json=body)
    assert answer.status_code == 200
    assert answer.json == {
        "action": "cancel",
        "filter": {"name": "add"},
        "rate": 100.0,
        "matched": 3,
        "eligible": 2,
        "exact": True,
    }
    assert queries.actions(app) == []
    headers = {"Idempotency-Key": "one"}
    answers = [browser.post(API, json=body, headers=headers) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {202}
    begun = answers[0].json
    assert begun["id"] == answers[1].json["id"]
    assert (begun["state"], begun["matched"], begun["eligible"], begun["done"]) == ("running", 3, 2, 0)
    assert answers[0].headers["Location"] == begun["links"]["self"] == f"{API}/{begun['id']}"
    assert browser.post(API, json={**body, "rate": 1}, headers=headers).json["id"] != begun["id"]
    carry_out(app)
    ended = browser.get(begun["links"]["self"]).json
    assert (ended["state"], ended["done"], ended["skipped"]) == ("finished", 2, {"had finished already": 1})
    assert ended["problems"] == []
    replay = browser.post(API, json={"action": "replay", "ids": ids[:1]}).json
    assert browser.get(API).json["actions"][0]["id"] == replay["id"]
    stopped = browser.delete(f"{API}/{replay['id']}")
    assert (stopped.status_code, stopped.json["state"]) == (200, "stopped")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ({"action": "remove", "filter": {}}, "action"),
        ({"action": "cancel"}, "filter"),
        ({"action": "cancel", "filter": {"nmae": "x"}}, "filter.nmae"),
        ({"action": "cancel", "filter": {"since": "soon"}}, "since"),
        ({"action": "cancel", "filter": {}, "ids": ["x"]}, "ids"),
        ({"action": "cancel", "ids": []}, "ids"),
        ({"action": "cancel", "ids": [1]}, "ids"),
        ({"action": "cancel", "filter": {}, "rate": "50"}, "rate"),
        ({"action": "cancel", "filter": {}, "rate": 0}, "rate"),
        ({"action": "cancel", "filter": {}, "rate": 10**400}, "rate"),
        ({"action": "cancel", "ids": ["x"] * 1001}, "ids"),
        ({"action": "cancel", "filter": {}, "speed": 1}, "speed"),
    ],
)
def test_what_a_program_asks_wrongly_is_named(browser: FlaskClient, body: dict[str, Any], field: str) -> None:
    for query in ("", "?preview=true"):
        problem = assert_problem(browser.post(f"{API}{query}", json=body), 422, "invalid-option")
        assert problem["errors"][0]["field"] == field


def test_what_a_program_asks_for_and_there_is_not(browser: FlaskClient) -> None:
    assert_problem(browser.get(f"{API}/unknown"), 404, "unknown-action")
    assert_problem(browser.delete(f"{API}/unknown"), 404, "unknown-action")
    assert_problem(
        browser.post(f"{API}?preview=perhaps", json={"action": "cancel", "filter": {}}), 422, "invalid-option"
    )
