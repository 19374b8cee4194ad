"""The pages as a browser without JavaScript has them: post, redirect, reload. And what their scripts are told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from async_tasks import submission
from async_tasks.engine import App
from async_tasks.ledger.record import State
from tests.support.profiles import Profile

TOKEN = "a-long-and-random-token"


@pytest.fixture
def flask(make: Callable[..., Flask]) -> Flask:
    """One web application."""
    return make()


@pytest.fixture
def browser(flask: Flask) -> FlaskClient:
    """Somebody's browser, with cookies."""
    return flask.test_client()


def engine_of(flask: Flask) -> App:
    """The engine that an application submits through."""
    app: App = flask.extensions["async_tasks"]
    return app


def hidden(page: TestResponse, name: str) -> str:
    """What the first form of a page carries."""
    found = re.search(rf'name="{name}" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def token_of(page: TestResponse) -> str:
    """What every form of a page carries."""
    return hidden(page, "_csrf")


def send(browser: FlaskClient, path: str, /, page: str = "/", **typed: str) -> TestResponse:
    """Open a page, fill the form and send it."""
    return browser.post(path, data={"_csrf": token_of(browser.get(page)), **typed})


def submitted(browser: FlaskClient, name: str, **typed: str) -> str:
    """Submit by a form; the id of the task, as the page says it."""
    answer = send(browser, f"/forms/{name}", page=f"/forms/{name}", **typed)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/forms/{name}#mine"), answer.text
    found = re.search(r'Submitted <a href="/tasks/([^"]+)">', browser.get(f"/forms/{name}").text)
    assert found
    return found[1]


def end(flask: Flask, task_id: str, state: State = State.SUCCESS, **what: Any) -> None:
    """End a task as a worker does."""
    ledger = engine_of(flask).ledger
    key = ledger.get(task_id).message_key
    claimed = ledger.claim(task_id, key, owner="worker", token="token", worker="worker@host", lease=30, max_losses=5)
    assert claimed.verdict == "run"
    assert ledger.finish(task_id, state, owner="worker", token="token", **what) == "done"


def error(message: str) -> dict[str, Any]:
    """An error as a worker records it."""
    return {"type": "builtins.ValueError", "message": message, "traceback": "Traceback: …", "fingerprint": "f"}


# -- the catalog and a task's form ----------------------------------------------------------------------------


def test_the_page_lists_every_task_and_has_the_form_of_one(browser: FlaskClient) -> None:
    page = browser.get("/").text
    for name in ("send_email", "reverse_text", "analyze_sentiment", "append"):
        assert f'<a href="/forms/{name}"' in page
    assert page.count('<form id="typed-in"') == 1
    assert 'action="/forms/add"' in page
    assert '<a href="/forms/add" aria-current="true">' in page
    assert "Nothing submitted yet" in page


def test_every_form_has_its_address(browser: FlaskClient) -> None:
    page = browser.get("/forms/reverse_text").text
    assert 'action="/forms/reverse_text"' in page
    assert '<textarea id="reverse_text.text" name="text"' in page
    assert "<h1" in page
    unknown = browser.get("/forms/reverse_txt")
    assert (unknown.status_code, "reverse_text" in unknown.text) == (404, True)


def test_the_form_that_was_used_last_comes_first(browser: FlaskClient) -> None:
    submitted(browser, "reverse_text", text="x")
    assert 'action="/forms/reverse_text"' in browser.get("/").text
    with browser.session_transaction() as session:
        session["task"] = "of a module that is not served any more"
    assert 'action="/forms/add"' in browser.get("/").text


def test_a_catalog_without_tasks_says_what_to_do(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("async_tasks.catalog.registry._specs", {})
    page = browser.get("/")
    assert page.status_code == 200
    assert "async-tasks up --tasks" in page.text


# -- submitting -----------------------------------------------------------------------------------------------


def test_a_submission_is_said_and_listed_after_the_redirect(browser: FlaskClient) -> None:
    task_id = submitted(browser, "reverse_text", text="a < b\r\nc")

    record = browser.get(f"/api/v1/tasks/{task_id}").json
    assert record
    assert (record["name"], record["args"]) == ("reverse_text", {"text": "a < b\nc"})
    page = browser.get("/")
    assert "Submitted" not in re.sub("<time.*?/time>", "", page.text)
    assert f'data-task="{task_id}"' in page.text
    assert "text: a &lt; b" in page.text
    assert "Nothing submitted yet" not in page.text


def test_a_list_belongs_to_a_visitor_whom_nobody_can_name(flask: Flask) -> None:
    one, other = flask.test_client(), flask.test_client()
    first, second = submitted(one, "reverse_text", text="mine"), submitted(other, "reverse_text", text="yours")

    entries = one.get("/").text.partition('id="entries"')[2]
    assert "mine" in entries
    assert "yours" not in entries
    visitors = []
    for browser, task_id in ((one, first), (other, second)):
        record = browser.get(f"/api/v1/tasks/{task_id}").json
        assert record
        visitors.append(record["submitted_by"])
        with browser.session_transaction() as session:
            assert session["sid"] not in record["submitted_by"]
    assert all(re.fullmatch(r"visitor-[0-9a-f]{16}", visitor) for visitor in visitors)
    assert visitors[0] != visitors[1]
    # Whoever submits under that name by the API is in nobody's list: it is taken from the session alone.
    assert "Nothing submitted yet" in flask.test_client().get("/").text


def test_two_tabs_lose_nothing_of_each_other(flask: Flask) -> None:
    browser = flask.test_client()
    pages = [browser.get("/forms/reverse_text"), browser.get("/forms/add")]
    first = {"_csrf": token_of(pages[0]), "_once": hidden(pages[0], "_once"), "text": "x"}
    cookie = browser.get_cookie("async_tasks")
    assert cookie
    browser.post("/forms/reverse_text", data=first)
    # The other tab's request was on its way with the cookie as it was.
    browser.set_cookie("async_tasks", cookie.value)
    second = {"_csrf": token_of(pages[1]), "_once": hidden(pages[1], "_once"), "a": "1", "b": "2"}
    browser.post("/forms/add", data=second)
    assert browser.get("/").text.count('class="entry"') == 2


def test_a_form_that_is_sent_twice_submits_once(browser: FlaskClient) -> None:
    page = browser.get("/forms/reverse_text")
    sent = {"_csrf": token_of(page), "_once": hidden(page, "_once"), "text": "x"}
    assert [browser.post("/forms/reverse_text", data=sent).status_code for _ in range(3)] == [303] * 3
    assert tasks(browser) == 1
    # Other arguments are another submission, and so is another form.
    browser.post("/forms/reverse_text", data={**sent, "text": "y"})
    assert tasks(browser) == 2
    submitted(browser, "reverse_text", text="x")
    assert tasks(browser) == 3


def test_a_one_time_value_means_nothing_to_another_visitor_or_form(flask: Flask) -> None:
    for name, typed in (("reverse_text", {"text": "x"}), ("echo", {"value": '"x"'})):
        for browser in (flask.test_client(), flask.test_client()):
            token = token_of(browser.get("/"))
            assert browser.post(f"/forms/{name}", data={"_csrf": token, "_once": "o", **typed}).status_code == 303
    assert tasks(flask.test_client()) == 4


def tasks(browser: FlaskClient) -> int:
    """How many tasks there are."""
    history = browser.get("/api/v1/tasks").json
    assert history
    return len(history["tasks"])


def test_bad_input_is_said_at_its_field_and_what_was_typed_is_kept(browser: FlaskClient) -> None:
    answer = send(browser, "/forms/append", path='/tmp/"x"', line="l", seconds="soon")

    assert answer.status_code == 422
    assert 'value="/tmp/&#34;x&#34;"' in answer.text
    assert 'value="soon"' in answer.text
    field = re.search(r'<input[^>]*id="append.seconds"[^>]*>', answer.text)
    assert field
    assert 'aria-invalid="true"' in field[0]
    assert "autofocus" in field[0]
    assert "append.seconds.error" in field[0]
    message = re.search(r'id="append.seconds.error">([^<]+)<', answer.text)
    assert message
    assert "valid number" in unescape(message[1])
    assert "need another look" not in answer.text
    assert tasks(browser) == 0


def test_all_that_is_wrong_is_said_at_once_and_listed(browser: FlaskClient) -> None:
    answer = send(browser, "/forms/add", a="", b="x")
    assert "2 fields need another look" in answer.text
    links = dict(re.findall(r'<li><a href="#([^"]+)">([^<]+)</a></li>', answer.text))
    assert set(links) == {"add.a", "add.b"}
    assert "A is required" in links["add.a"]
    assert "unable to parse string as an integer" in links["add.b"]
    for target in links:
        assert f'id="{target}"' in answer.text


def test_a_mistake_does_not_use_up_the_form(browser: FlaskClient) -> None:
    wrong = send(browser, "/forms/add", a="1", b="x")
    sent = {"_csrf": token_of(wrong), "_once": hidden(wrong, "_once"), "a": "1", "b": "2"}
    browser.post("/forms/add", data=sent)
    browser.post("/forms/add", data=sent)
    assert tasks(browser) == 1


def test_a_form_that_is_too_large_is_a_page_that_says_so(make: Callable[..., Flask]) -> None:
    browser = make(max_payload_bytes=2048).test_client()
    kept = send(browser, "/forms/reverse_text", text="x" * 3000)
    assert (kept.status_code, "x" * 3000 in kept.text) == (413, True)
    refused = send(browser, "/forms/reverse_text", text="x" * 30_000)
    assert (refused.status_code, refused.mimetype) == (413, "text/html")


def test_a_form_without_the_sessions_token_is_refused(browser: FlaskClient, make: Callable[..., Flask]) -> None:
    token = token_of(browser.get("/"))
    for data in ({}, {"_csrf": ""}, {"_csrf": token[:-1]}):
        assert browser.post("/forms/reverse_text", data={"text": "x", **data}).status_code == 403
    # Another session's, and none.
    for other in (make().test_client(), make().test_client(use_cookies=False)):
        other.get("/")
        assert other.post("/forms/reverse_text", data={"text": "x", "_csrf": token}).status_code == 403
    foreign = {"Origin": "http://evil.example"}
    assert browser.post("/forms/reverse_text", data={"text": "x", "_csrf": token}, headers=foreign).status_code == 403
    assert tasks(browser) == 0


def test_a_program_with_the_token_may_send_a_form_without_a_session(make: Callable[..., Flask]) -> None:
    program = make(admin_token=TOKEN).test_client(use_cookies=False)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    answers = [program.post("/forms/reverse_text", data={"text": "x"}, headers=bearer) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    history = program.get("/api/v1/tasks", headers=bearer).json
    assert history
    assert [record["submitted_by"] for record in history["tasks"]] == [None, None]


# -- the header -----------------------------------------------------------------------------------------------


def badge(browser: FlaskClient, path: str = "/problems/internal") -> tuple[str, str]:
    """What the badge of a page says, and its title."""
    page = browser.get(path).text
    words = re.search(r'id="count-words" class="unseen">([^<]*)<', page)
    title = re.search("<title>([^<]+)</title>", page)
    assert words
    assert title
    return words[1], title[1]


def test_the_badge_counts_what_finished_since_the_list_was_looked_at(flask: Flask, browser: FlaskClient) -> None:
    ids = [submitted(browser, "reverse_text", text=text) for text in "abc"]
    assert badge(browser)[0] == ""
    end(flask, ids[0], result='"a"')
    assert badge(browser) == ("1 finished", "(1) Something went wrong here · async-tasks")
    end(flask, ids[1], State.FAILURE, error=error("no"))
    assert badge(browser) == ("2 finished, 1 failed", "(2, 1 failed) Something went wrong here · async-tasks")
    assert 'class="count failed"' in browser.get("/nothing").text
    # Looking at one task is not looking at the list.
    browser.get(f"/tasks/{ids[0]}")
    assert badge(browser)[0] == "2 finished, 1 failed"

    browser.get("/")
    assert badge(browser)[0] == ""
    assert badge(flask.test_client())[0] == ""
    end(flask, ids[2], result='"c"')
    assert badge(browser)[0] == "1 finished"
    browser.set_cookie("async_tasks_seen", "tomorrow")
    assert badge(browser)[0] == "3 finished, 1 failed"


def test_the_header_leads_to_what_there_is(make: Callable[..., Flask]) -> None:
    def links(host: str, **settings: Any) -> dict[str, str]:
        page = make(allowed_hosts="tasks.example", **settings).test_client().get("/", base_url=f"http://{host}").text
        nav = re.search(r'<nav id="places" popover aria-label="Site">(.*?)</nav>', page, re.DOTALL)
        assert nav
        return {words: address for address, words in re.findall(r'<a href="([^"]+)"[^>]*>([^<]+)</a>', nav[1])}

    assert links("localhost:5000")["Flower"] == "http://localhost:5555/"
    assert links("127.0.0.1", flower_port=6000)["Flower"] == "http://127.0.0.1:6000/"
    assert links("[::1]:5000")["Flower"] == "http://[::1]:5555/"
    assert "Flower" not in links("tasks.example")
    assert "Outbox" not in links("localhost", smtp_url="smtp://mail.example")
    for address in set(links("localhost").values()) - {"http://localhost:5555/"}:
        assert make().test_client().get(address).status_code == 200, address


def test_static_files_are_kept_for_ever_under_their_version(flask: Flask, browser: FlaskClient) -> None:
    page = browser.get("/").text
    files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
    assert {file.rpartition("/")[2] for file in files} >= {"app.css", "app.js", "live.js", "icon.svg"}
    for file in files:
        with browser.get(file) as answer:
            assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
    # A page of another release still gets a file, and asks again.
    with browser.get("/static/v/000000000000/app.css") as old:
        assert (old.status_code, old.headers["Cache-Control"]) == (200, "no-cache")
    for path in ("/static/v/000000000000/nothing.css", "/static/v/x/../../app.py", "/static/v/x/%2e%2e/app.py"):
        assert browser.get(path).status_code == 404


# -- one task -------------------------------------------------------------------------------------------------


def test_a_task_has_a_page_and_can_be_cancelled_there(browser: FlaskClient) -> None:
    record = browser.post("/api/v1/tasks/reverse_text?delay=600", json={"text": "<b>later</b>"}).json
    assert record
    link = record["links"]["page"]
    page = browser.get(link).text
    assert "Scheduled" in page
    assert "Due <time" in page
    assert "&lt;b&gt;later&lt;/b&gt;" in page
    assert 'http-equiv="refresh"' in page

    answer = send(browser, f"{link}/cancel", page=link)
    assert (answer.status_code, answer.headers["Location"]) == (303, link)
    page = browser.get(link).text
    assert "Cancelled: it will not start." in page
    assert "Revoked" in page
    assert "/cancel" not in page
    assert 'http-equiv="refresh"' not in page
    browser.post(f"{link}/cancel", data={"_csrf": token_of(browser.get("/"))})
    assert "has already finished" in browser.get(link).text


def test_a_page_says_where_a_task_waits_and_why(flask: Flask, browser: FlaskClient) -> None:
    def said(task_id: str) -> str:
        outcome = re.search(
            r'id="outcome-title">.*?<p[^>]*>(.*?)</p>', browser.get(f"/tasks/{task_id}").text, re.DOTALL
        )
        assert outcome
        return " ".join(re.sub("<[^>]+>", "", outcome[1]).split())

    waiting = submitted(browser, "elsewhere")
    assert said(waiting) == "Waits for a worker on queue other"
    ledger = engine_of(flask).ledger
    ledger.note(waiting, "publish deferred", "broker away")
    assert said(waiting) == "The broker was away. It goes to queue other when it is back"
    key = ledger.get(waiting).message_key
    ledger.claim(waiting, key, owner="o", token="t", worker="w@host", lease=30, max_losses=5)
    assert re.fullmatch(r"Running on w@host for .*", said(waiting))
    ledger.hand_back(waiting, "o", "gone", 5)
    assert said(waiting) == "Its worker was lost. It waits for another on queue other"
    ledger.claim(waiting, key, owner="o", token="t", worker="w@host", lease=30, max_losses=5)
    assert said(waiting).startswith("Running on w@host, attempt 2, for ")
    submission.cancel(engine_of(flask), waiting)
    assert said(waiting) == "It is being stopped"
    page = browser.get(f"/tasks/{waiting}").text
    assert "/cancel" not in page


def test_a_member_of_a_chain_says_what_it_waits_for(flask: Flask, browser: FlaskClient) -> None:
    from celery import chain

    app = engine_of(flask)
    last = chain(app.signature("add", args=(1, 2)), app.signature("add", args=(3,))).apply_async()
    page = browser.get(f"/tasks/{last.id}").text
    assert f'Waits for <a href="/tasks/{last.parent.id}">another task</a> to finish' in page


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (None, "It returned nothing."),
        ("", "An empty text"),
        ("two\n <lines>", "two\n &lt;lines&gt;</pre>"),
        (1.5, '<p class="plain">1.5</p>'),
        ([{"a": 1, "b": "x"}, {"a": 2}], "<table>"),
        ({"a": {"b": [1, None]}}, '<summary><span class="key">a:</span> <span class="size">1 member</span></summary>'),
        ([], "empty list"),
    ],
)
def test_a_result_is_shown_as_what_it_is(flask: Flask, browser: FlaskClient, result: Any, shown: str) -> None:
    task_id = submitted(browser, "echo", value="1")
    end(flask, task_id, result=json.dumps(result))
    assert shown in browser.get(f"/tasks/{task_id}").text


def test_a_large_result_is_cut_and_said_to_be(flask: Flask, browser: FlaskClient) -> None:
    task_id = submitted(browser, "echo", value="1")
    end(flask, task_id, result=json.dumps("x" * 500_000))
    page = browser.get(f"/tasks/{task_id}").text
    assert len(page) < 60_000
    assert "The first 20,000 of 500,000 characters." in page
    assert f'<a href="/api/v1/tasks/{task_id}">All of it as JSON</a>' in page


def test_an_error_is_in_words_with_its_traceback_folded(flask: Flask, browser: FlaskClient) -> None:
    task_id = submitted(browser, "fail", text="x")
    end(flask, task_id, State.FAILURE, error=error("no <b>luck</b>"))
    page = browser.get(f"/tasks/{task_id}").text
    assert "no &lt;b&gt;luck&lt;/b&gt;</pre>" in page
    assert "<code>builtins.ValueError</code>" in page
    assert re.search(r"<details><summary>Traceback</summary><pre[^>]*>Traceback: …</pre></details>", page)


def test_a_finished_task_runs_again_once_a_click(flask: Flask, browser: FlaskClient) -> None:
    task_id = submitted(browser, "reverse_text", text="again")
    link = f"/tasks/{task_id}"
    assert "/replay" not in browser.get(link).text
    early = browser.post(f"{link}/replay", data={"_csrf": token_of(browser.get("/"))})
    assert early.headers["Location"] == link
    assert "has not finished" in browser.get(link).text
    end(flask, task_id, result='"niaga"')

    page = browser.get(link)
    sent = {"_csrf": token_of(page), "_once": hidden(page, "_once")}
    answers = [browser.post(f"{link}/replay", data=sent) for _ in range(2)]
    (again,) = {answer.headers["Location"] for answer in answers}
    assert tasks(browser) == 2
    repeated = browser.get(again)
    assert "Submitted" in repeated.text
    assert f'<a href="{link}"><code>{task_id}</code></a>' in repeated.text
    assert f'<a href="{again}">' in browser.get(link).text
    assert "again" in browser.get("/").text

    # Two that are wanted are two.
    other = browser.get(link)
    browser.post(f"{link}/replay", data={"_csrf": token_of(other), "_once": hidden(other, "_once")})
    assert tasks(browser) == 3


def test_a_task_is_edited_and_run_again(flask: Flask, browser: FlaskClient) -> None:
    task_id = submitted(browser, "append", path="/tmp/p", line="first", seconds="0.5")
    end(flask, task_id, result='"first"')
    page = browser.get(f"/tasks/{task_id}").text
    edit = f"/forms/append?from={task_id}"
    assert f'<a class="button" href="{edit}">' in page
    form = browser.get(edit)
    assert 'value="/tmp/p"' in form.text
    assert 'value="first"' in form.text
    assert 'value="0.5"' in form.text
    assert hidden(form, "_from") == task_id

    answer = send(browser, "/forms/append", page=edit, path="/tmp/p", line="second", seconds="x", _from=task_id)
    assert answer.status_code == 422
    sent = {"_csrf": token_of(form), "_once": hidden(form, "_once"), "_from": task_id, "path": "/p", "line": "second"}
    assert browser.post("/forms/append", data=sent).status_code == 303
    history = browser.get("/api/v1/tasks").json
    assert history
    newest = history["tasks"][0]
    assert (newest["replay_of"], newest["args"]["line"]) == (task_id, "second")


def test_an_edited_form_of_what_still_runs_is_a_submission_of_its_own(browser: FlaskClient) -> None:
    task_id = submitted(browser, "reverse_text", text="x")
    for origin in (task_id, "nobody", submitted(browser, "add", a="1", b="2")):
        assert send(browser, "/forms/reverse_text", text=f"of {origin}", _from=origin).status_code == 303
    history = browser.get("/api/v1/tasks?name=reverse_text").json
    assert history
    assert [record["replay_of"] for record in history["tasks"]] == [None] * 4
    assert browser.get("/forms/reverse_text?from=nobody").status_code == 404


def test_a_task_that_has_changed_is_corrected_before_it_runs_again(
    flask: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from async_tasks import catalog

    task_id = submitted(browser, "echo", value="1")
    end(flask, task_id, result="1")
    changed = {**catalog.registry._specs, "echo": catalog.get("add")}
    monkeypatch.setattr("async_tasks.catalog.registry._specs", changed)
    answer = browser.post(f"/tasks/{task_id}/replay", data={"_csrf": token_of(browser.get("/"))})
    assert answer.headers["Location"] == f"/forms/add?from={task_id}"


# -- what the pages' scripts are told -------------------------------------------------------------------------


def look(browser: FlaskClient, **query: str) -> dict[str, Any]:
    """What a page that polls is told."""
    answer = browser.get("/live/now", query_string=query)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json  # type: ignore[assignment]
    return told


def test_a_look_has_what_changed_since_the_page(flask: Flask, browser: FlaskClient) -> None:
    old = submitted(browser, "reverse_text", text="old")
    end(flask, old, result='"dlo"')
    after = re.search(r'data-after="([^"]+)"', browser.get("/").text)
    assert after
    # What changed just before the page was made is told again; a page of two seconds later knows it.
    assert [update["id"] for update in look(browser, after=after[1], list="")["updates"]] == [old]
    ms, _ = after[1].split("-")
    assert look(browser, after=f"{int(ms) + 2000}-0", list="")["updates"] == []

    new = submitted(browser, "reverse_text", text="new")
    (update,) = look(browser, after=f"{int(ms) + 2000}-0", list="")["updates"]
    assert (update["id"], update["state"], update["mine"]) == (new, "PENDING", True)
    assert f'data-task="{new}"' in update["entry"]
    assert "task" not in update
    end(flask, new, State.FAILURE, error=error("no"))
    told = look(browser, after=after[1], list="")
    assert [update["state"] for update in told["updates"]] == ["SUCCESS", "FAILURE"]
    assert [(task_id, failed) for task_id, _, failed in told["unseen"]] == [(new, True)]
    assert told["updates"][1]["finished_at"] == told["unseen"][0][1]
    # Everything, where nothing is known.
    assert [update["id"] for update in look(browser, list="")["updates"]] == [old, new]


def test_a_look_of_a_tasks_page_has_that_task_whosever_it_is(flask: Flask, browser: FlaskClient) -> None:
    mine = submitted(browser, "reverse_text", text="mine")
    other = submitted(flask.test_client(), "reverse_text", text="other")
    told = {update["id"]: update for update in look(browser, task=other)["updates"]}
    assert {task_id: (update["mine"], "task" in update) for task_id, update in told.items()} == {
        mine: (True, False),
        other: (False, True),
    }
    fragment = told[other]["task"]
    # The same as the page, with forms that this session may send.
    assert token_of(browser.get(f"/tasks/{other}")) in fragment
    assert look(browser, task="nobody")["updates"][0]["id"] == mine


def test_a_look_with_a_place_that_is_none_is_refused(browser: FlaskClient) -> None:
    assert browser.get("/live/now?after=yesterday").status_code == 422
    assert browser.get("/live?after=yesterday").status_code == 422


# -- errors, sessions and the login ---------------------------------------------------------------------------


def test_the_session_is_a_cookie_that_scripts_cannot_read(browser: FlaskClient) -> None:
    cookie = browser.get("/").headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie


def test_the_session_is_secure_behind_tls(make: Callable[..., Flask]) -> None:
    assert "Secure" in make().test_client().get("/", base_url="https://localhost").headers["Set-Cookie"]


def test_errors_are_pages_for_people(browser: FlaskClient) -> None:
    for path in ("/nothing", "/tasks/nobody", "/problems/nothing", "/forms/nothing"):
        answer = browser.get(path)
        assert (answer.status_code, answer.mimetype) == (404, "text/html")
        assert "<h1>" in answer.text
    assert "has the id" not in browser.get("/nothing").text
    assert "nobody" in browser.get("/tasks/nobody").text
    assert browser.get("/problems/invalid-arguments").status_code == 200


def test_without_the_store_the_form_stays_and_what_was_typed_too(
    make: Callable[..., Flask], store_profile: Profile
) -> None:
    browser = make(store_timeout=0.5).test_client()
    page = browser.get("/forms/reverse_text")
    typed = {"text": "precious", "_csrf": token_of(page), "_once": hidden(page, "_once")}
    store_profile.store.kill()
    try:
        answer = browser.post("/forms/reverse_text", data=typed)
        assert answer.status_code == 503
        assert "precious</textarea>" in answer.text
        assert "What you typed is kept." in answer.text
        # It may have been recorded all the same: the same form, sent again, is the same submission.
        assert hidden(answer, "_once") == typed["_once"]
        page = browser.get("/")
        assert page.status_code == 503
        assert "your tasks cannot be shown now" in page.text
        for path in ("/tasks/any", "/live", "/live/now"):
            assert browser.get(path).status_code == 503
        # Pages that ask the store for the badge alone do without it.
        assert browser.get("/problems/internal").status_code == 200
    finally:
        store_profile.store.start()
    answer = browser.post("/forms/reverse_text", data=typed)
    assert answer.status_code == 303
    assert browser.get("/").status_code == 200


@pytest.fixture
def guarded(make: Callable[..., Flask]) -> FlaskClient:
    """A browser before a server with a token."""
    return make(admin_token=TOKEN).test_client()


def test_with_a_token_pages_are_behind_a_login(guarded: FlaskClient) -> None:
    for path in ("/", "/tasks/a%2Fb", "/live", "/live/now", "/nothing", "/problems/internal"):
        answer = guarded.get(path)
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/login?next=")
    login = guarded.get("/login?next=/problems/internal")
    assert "reverse_text" not in login.text

    wrong = guarded.post("/login", data={"_csrf": token_of(login), "token": "wrong"})
    assert (wrong.status_code, "This is not the token." in wrong.text) == (401, True)
    assert guarded.get("/").status_code == 303
    right = guarded.post("/login", data={"_csrf": token_of(login), "token": TOKEN, "next": "/problems/internal"})
    assert (right.status_code, right.headers["Location"]) == (303, "/problems/internal")
    assert guarded.get("/").status_code == 200
    assert TOKEN not in right.headers["Set-Cookie"]

    assert send(guarded, "/logout").status_code == 303
    assert guarded.get("/").status_code == 303


def test_a_login_is_asked_for_and_leads_back(guarded: FlaskClient) -> None:
    to_login = guarded.get("/tasks/a%2Fb%20%C3%A9?x=1").headers["Location"]
    login = guarded.get(to_login)
    target = re.search(r'name="next" value="([^"]*)"', login.text)
    assert target
    assert target[1] == "/tasks/a%2Fb%20%C3%A9?x=1"
    away = guarded.post("/login", data={"_csrf": token_of(login), "token": TOKEN, "next": "//evil.example"})
    assert away.headers["Location"] == "/"


def test_a_login_ends_when_the_token_changes(make: Callable[..., Flask]) -> None:
    browser = make(admin_token=TOKEN).test_client()
    send(browser, "/login", page="/login", token=TOKEN)
    assert browser.get("/").status_code == 200
    cookie = browser.get_cookie("async_tasks")
    assert cookie
    later = make(admin_token="another-long-random-token").test_client()
    later.set_cookie("async_tasks", cookie.value)
    assert later.get("/").status_code == 303


def test_a_session_may_call_the_api_from_our_own_pages_only(guarded: FlaskClient) -> None:
    send(guarded, "/login", page="/login", token=TOKEN)

    def submit(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return guarded.post("/api/v1/tasks/add", json={"a": 1, "b": 2}, headers=named).status_code

    assert submit() == 403
    assert submit(Sec_Fetch_Site="cross-site") == 403
    assert submit(Origin="http://evil.example") == 403
    assert submit(Origin="http://localhost") == 202
    assert submit(Sec_Fetch_Site="same-origin") == 202
    assert guarded.get("/api/v1/tasks").status_code == 200
    assert guarded.get("/api/v1/tasks", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
