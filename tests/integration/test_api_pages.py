"""The pages as a browser without JavaScript has them: post, redirect, reload."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.profiles import Profile

TOKEN = "a-long-and-random-token"


@pytest.fixture
def browser(make: Callable[..., Flask]) -> FlaskClient:
    """Somebody's browser, with cookies."""
    return make().test_client()


def token_of(page: TestResponse) -> str:
    """What the forms of a page carry."""
    found = re.search(r'name="_csrf" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def send(browser: FlaskClient, path: str, /, _from: str = "/", **typed: str) -> TestResponse:
    """Open the page, fill the form and send it."""
    return browser.post(path, data={"_csrf": token_of(browser.get(_from)), **typed})


def test_the_page_has_a_form_for_every_task(browser: FlaskClient) -> None:
    page = browser.get("/").text
    for name in ("send_email", "reverse_text", "analyze_sentiment", "append"):
        assert f'action="/forms/{name}"' in page
    assert '<textarea id="reverse_text.text" name="text"' in page
    assert 'type="email" id="send_email.recipient"' in page
    assert "Nothing yet" in page


def test_a_submission_is_said_and_listed_after_the_redirect(browser: FlaskClient) -> None:
    answer = send(browser, "/forms/reverse_text", text="a < b\r\nc")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/#mine")
    page = browser.get("/")
    found = re.search(r'Submitted: <a href="/tasks/([^"]+)">', page.text)
    assert found
    record = browser.get(f"/api/v1/tasks/{found[1]}").json
    assert (record["name"], record["args"]) == ("reverse_text", {"text": "a < b\nc"})
    assert f'data-task="{found[1]}"' in page.text
    assert "text: a &lt; b" in page.text
    reloaded = browser.get("/").text
    assert "Submitted:" not in reloaded
    assert f'data-task="{found[1]}"' in reloaded


def test_another_session_has_a_list_of_its_own(make: Callable[..., Flask]) -> None:
    app = make()
    send(app.test_client(), "/forms/reverse_text", text="mine")
    assert "Nothing yet" in app.test_client().get("/").text


def test_bad_input_is_said_at_its_field_and_what_was_typed_is_kept(browser: FlaskClient) -> None:
    answer = send(browser, "/forms/append", path='/tmp/"x"', line="l", seconds="soon")

    assert answer.status_code == 422
    assert 'value="/tmp/&#34;x&#34;"' in answer.text
    assert 'value="soon"' in answer.text
    assert re.search(
        r'id="append.seconds"[^>]* aria-describedby="append.seconds.error" aria-invalid="true" autofocus', answer.text
    )
    message = re.search(r'id="append.seconds.error">([^<]+)<', answer.text)
    assert message
    assert "valid number" in unescape(message[1])
    assert browser.get("/api/v1/tasks").json["tasks"] == []


def test_all_that_is_wrong_is_said_at_once(browser: FlaskClient) -> None:
    answer = send(browser, "/forms/total", values="[1,")
    assert (answer.status_code, "This is not JSON" in answer.text) == (422, True)

    answer = send(browser, "/forms/add", a="", b="x")
    assert "A is required" in answer.text
    assert "unable to parse string as an integer" in answer.text


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
    assert browser.get("/api/v1/tasks").json["tasks"] == []


def test_the_session_is_a_cookie_that_scripts_cannot_read(browser: FlaskClient) -> None:
    cookie = browser.get("/").headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie


def test_the_session_is_secure_behind_tls(make: Callable[..., Flask]) -> None:
    assert "Secure" in make().test_client().get("/", base_url="https://localhost").headers["Set-Cookie"]


def test_a_task_has_a_page_and_can_be_cancelled_there(browser: FlaskClient) -> None:
    record = browser.post("/api/v1/tasks/reverse_text?delay=600", json={"text": "<b>later</b>"}).json
    link = record["links"]["page"]
    page = browser.get(link).text
    assert "SCHEDULED" in page
    assert "&lt;b&gt;later&lt;/b&gt;" in page
    assert 'http-equiv="refresh"' in page

    answer = send(browser, f"{link}/cancel", _from=link)
    assert (answer.status_code, answer.headers["Location"]) == (303, link)
    page = browser.get(link).text
    assert "Cancelled: it will not start." in page
    assert "REVOKED" in page
    assert "/cancel" not in page
    assert 'http-equiv="refresh"' not in page
    browser.post(f"{link}/cancel", data={"_csrf": token_of(browser.get("/"))})
    assert "has already finished" in browser.get(link).text


def test_errors_are_pages_for_people(browser: FlaskClient) -> None:
    for path in ("/nothing", "/tasks/nobody", "/problems/nothing"):
        answer = browser.get(path)
        assert (answer.status_code, answer.mimetype) == (404, "text/html")
        assert "<h1>" in answer.text
    assert "has the id" not in browser.get("/nothing").text
    assert "nobody" in browser.get("/tasks/nobody").text
    assert browser.get("/problems/invalid-arguments").status_code == 200


def test_without_the_store_the_forms_stay_and_what_was_typed_too(
    make: Callable[..., Flask], store_profile: Profile
) -> None:
    browser = make(store_timeout=0.5).test_client()
    send(browser, "/forms/reverse_text", text="before")
    token = token_of(browser.get("/"))
    store_profile.store.kill()
    try:
        answer = browser.post("/forms/reverse_text", data={"text": "precious", "_csrf": token})
        assert (answer.status_code, "precious" in answer.text) == (503, True)
        assert "The store did not answer in time" in answer.text
        page = browser.get("/")
        assert (page.status_code, 'action="/forms/reverse_text"' in page.text) == (503, True)
        assert browser.get("/tasks/any").status_code == 503
    finally:
        store_profile.store.ensure()


@pytest.fixture
def guarded(make: Callable[..., Flask]) -> FlaskClient:
    """A browser before a server with a token."""
    return make(admin_token=TOKEN).test_client()


def test_with_a_token_pages_are_behind_a_login(guarded: FlaskClient) -> None:
    for path in ("/", "/tasks/a%2Fb", "/live/mine", "/nothing", "/problems/internal"):
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
    send(browser, "/login", _from="/login", token=TOKEN)
    assert browser.get("/").status_code == 200
    cookie = browser.get_cookie("async_tasks")
    assert cookie
    later = make(admin_token="another-long-random-token").test_client()
    later.set_cookie("async_tasks", cookie.value)
    assert later.get("/").status_code == 303


def test_a_session_may_call_the_api_from_our_own_pages_only(guarded: FlaskClient) -> None:
    send(guarded, "/login", _from="/login", token=TOKEN)

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
