"""The page of a form: the search in the catalog, the code that submits what is typed, and earlier arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from async_tasks import catalog, submission, task
from async_tasks.engine import App


@pytest.fixture
def flask(make: Callable[..., Flask]) -> Flask:
    """One web application."""
    return make()


@pytest.fixture
def browser(flask: Flask) -> FlaskClient:
    """Somebody's browser, without JavaScript."""
    return flask.test_client()


@pytest.fixture(autouse=True)
def _own_catalog() -> Iterator[None]:
    taken = catalog.snapshot()
    yield
    catalog.restore(taken)


def shown(page: str) -> list[str]:
    """The tasks that a catalog shows."""
    return re.findall(r'<li data-words="[^"]*"><a href="/forms/([^"]+)"', page)


def code(page: str, what: str) -> str:
    """The code of one kind that a page shows."""
    found = re.search(rf'<pre class="text" id="as-{what}"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found
    return unescape(found[1])


def token_of(page: str) -> str:
    """What every form of a page carries."""
    found = re.search('name="_csrf" value="([^"]+)"', page)
    assert found
    return found[1]


def test_the_catalog_is_searched_in_titles_names_and_help(browser: FlaskClient) -> None:
    page = browser.get("/").text
    assert len(shown(page)) > 8
    assert 'role="search"' in page
    assert shown(browser.get("/?find=reverse_text").text) == ["reverse_text"]
    assert "send_email" in shown(browser.get("/forms/add?find=EMAIL+send").text)
    assert "reverse_text" not in shown(browser.get("/forms/add?find=EMAIL+send").text)
    # Of its help, which the list does not show.
    assert shown(browser.get("/?find=grapheme").text) == ["reverse_text"]
    nothing = browser.get("/?find=zzz<b>").text
    assert shown(nothing) == []
    assert "No task has these words" in nothing
    assert 'value="zzz&lt;b&gt;"' in nothing
    assert 'action="/forms/add"' in nothing  # the form stays


def test_code_is_there_without_javascript(browser: FlaskClient) -> None:
    page = browser.get("/forms/greet").text
    assert code(page, "command") == "async-tasks submit greet user= words=hello"
    typed = {"_csrf": token_of(page), "user": "Ada", "words": "it's <b>"}
    page = browser.post("/forms/greet", data={**typed, "_show": ""}).text
    assert code(page, "python").splitlines()[-2] == """task = client.submit("greet", user="Ada", words="it's <b>")"""
    assert code(page, "curl").endswith(" http://localhost/api/v1/tasks/greet")
    assert re.search('name="user"[^>]* value="Ada"', page)
    assert '<details class="card as-code" id="as-code" open' in page
    # Nothing was submitted.
    assert browser.get("/api/v1/tasks?name=greet").json["tasks"] == []

    # What the page's script asks for is the same, as a part.
    part = browser.post("/snippets/greet", data=typed).text
    assert code(part, "python") == code(page, "python")
    assert "<html" not in part
    assert "would be refused" not in part
    unfit = browser.post("/snippets/add", data={"_csrf": typed["_csrf"], "a": "x", "b": "2"}).text
    assert "would be refused" in unfit
    assert code(unfit, "command") == """async-tasks submit add 'a="x"' b=2"""
    assert browser.post("/snippets/greet", data={"user": "Ada"}).status_code == 403
    assert browser.post("/snippets/no.such", data=typed).status_code == 404


def recents(page: str) -> list[tuple[str, str]]:
    """The recent arguments of a page: words, and whose."""
    part = page.partition('aria-labelledby="recent-title"')[2].partition("</section>")[0]
    return re.findall(r">([^<]*)</a> <span class=\"when\">([^,]+),", part)


def test_recent_arguments_go_back_into_the_form(browser: FlaskClient, flask: Flask) -> None:
    app: App = flask.extensions["async_tasks"]
    page = browser.get("/forms/greet").text
    assert recents(page) == []
    browser.post("/forms/greet", data={"_csrf": token_of(page), "user": "mine", "words": "first"})
    for number in range(9):
        submission.submit(app, "greet", {"user": f"other {number}"})
        submission.submit(app, "add", {"a": number, "b": 1})
    page = browser.get("/forms/greet").text
    assert recents(page) == [
        ("user: mine · words: first", "by you"),
        *((f"user: other {number} · words: hello", "by others") for number in (8, 7, 6, 5)),
    ]
    link = re.search(r'href="(/forms/greet\?like=[^"]+)"', page)
    assert link
    filled = browser.get(link[1]).text
    assert re.search('name="user"[^>]* value="mine"', filled)
    assert re.search('name="words"[^>]* value="first"', filled)
    # It is another submission, and not that one run again.
    assert "_from" not in filled
    assert "With the arguments of" not in filled


def test_what_does_not_fit_any_more_is_said_at_its_field(browser: FlaskClient, flask: Flask) -> None:
    app: App = flask.extensions["async_tasks"]

    @task
    def changing(size: int, text: str, old: str) -> None:
        """Change."""

    record = submission.submit(app, "changing", {"size": 500, "text": "kept", "old": "gone"})
    app.ledger.cancel(record.id)
    page = browser.get(f"/forms/changing?from={record.id}").text
    assert 'aria-invalid="true"' not in page

    def changed(size: str, text: str, colour: str) -> None:
        """Change."""

    catalog.restore({name: spec for name, spec in catalog.snapshot().items() if name != "changing"})
    task(name="changing")(changed)
    page = unescape(browser.get(f"/forms/changing?from={record.id}").text)
    assert re.search(r'id="changing.size.error">[^<]*string', page)
    assert re.search(r'id="changing.colour.error">[^<]+<', page)
    assert "It takes no “old” any more, which was: gone" in page
    assert re.search(r'id="changing.text.error"></p>', page)
    assert re.search('name="text"[^>]* value="kept"', page)
