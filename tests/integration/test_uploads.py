"""One task over a file as a browser without JavaScript does it: upload, look, submit."""

from __future__ import annotations

import io
import re

import pytest

from async_tasks import queries
from async_tasks.ledger.connection import PREFIX
from async_tasks.web import uploads
from async_tasks.web.batches import FACTOR

LIMIT = 2048
FILE = "/forms/add/file"


@pytest.fixture
def flask(make):
    return make(max_payload_bytes=LIMIT)


@pytest.fixture
def app(flask):
    return flask.extensions["async_tasks"]


@pytest.fixture
def browser(flask):
    return flask.test_client()


def token(browser):
    return re.search('name="_csrf" value="([^"]+)"', browser.get(FILE).text)[1]


def upload(browser, raw, name="rows.csv", path=FILE):
    data = raw.encode() if isinstance(raw, str) else raw
    form = {"_csrf": token(browser), "file": (io.BytesIO(data), name)}
    return browser.post(path, data=form, content_type="multipart/form-data")


def confirm(browser, link):
    return browser.post(link, data={"_csrf": token(browser)})


def test_a_file_is_looked_at_and_then_submitted_once(browser, app):
    answer = upload(browser, "a;b\n1;2\n3;4\n", name="Kunden März.csv")
    assert answer.status_code == 303
    link = answer.headers["Location"]
    look = browser.get(link)
    assert "2 tasks from <bdi>Kunden März.csv</bdi>" in look.text
    assert re.findall(r"<td>(\d)</td>", look.text) == ["1", "2", "3", "4"]
    assert queries.page(app).tasks == []

    first = confirm(browser, link)
    assert first.status_code == 303
    page = browser.get(first.headers["Location"])
    assert "2 tasks from <bdi>Kunden März.csv</bdi>" in page.text
    assert "by you" in page.text
    # Sent twice, reloaded, gone back to: it is that batch.
    assert confirm(browser, link).headers["Location"] == first.headers["Location"]
    assert browser.get(link).headers["Location"] == first.headers["Location"]
    tasks = queries.page(app).tasks
    assert [task.args for task in reversed(tasks)] == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert {task.submitted_by for task in tasks} == {tasks[0].submitted_by}
    assert tasks[0].submitted_by.startswith("visitor-")
    assert not [*app.ledger.client.scan_iter(f"{PREFIX}upload:*")]

    assert "Kunden März.csv" in browser.get("/batches").text
    cancelled = browser.post(f"{first.headers['Location']}/cancel", data={"_csrf": token(browser)})
    assert cancelled.status_code == 303
    assert {task.state for task in queries.page(app).tasks} == {"REVOKED"}


def test_what_is_wrong_is_told_and_nothing_is_kept(browser, app):
    page = upload(browser, "a,b\n1,x\n,3\n")
    assert page.status_code == 422
    assert "3 problems" in page.text or "2 problems" in page.text
    cells = [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", page.text)]
    assert cells[:3] == ["2", "b", "x"]
    assert "valid integer" in cells[3]
    assert cells[4:8] == ["3", "a", "", "is required"]
    for raw, name, words in (
        (b"", "empty.csv", "The file is empty."),
        ("a,b\nä,1".encode("latin-1"), "latin.csv", "not UTF-8"),
        (b"a,b\n1,2\n", "", "Choose a file first."),
    ):
        page = upload(browser, raw, name)
        assert page.status_code == 422
        assert words in page.text
    assert not [*app.ledger.client.scan_iter(f"{PREFIX}upload:*")]
    assert queries.page(app).tasks == []


def test_an_upload_is_its_visitors_own_and_expires(browser, flask, app):
    link = upload(browser, '{"a": 1, "b": 2}\n', "rows.jsonl").headers["Location"]
    (key,) = app.ledger.client.scan_iter(f"{PREFIX}upload:*")
    assert 0 < app.ledger.client.ttl(key) <= uploads.KEPT

    other = flask.test_client()
    assert other.get(link).headers["Location"] == FILE
    assert confirm(other, link).headers["Location"] == FILE
    assert "kept no longer" in other.get(FILE).text
    assert browser.post(link).status_code == 403

    # Another one takes its place.
    upload(browser, '[{"a": 1, "b": 2}, {"a": 3, "b": 4}]', "rows.json")
    assert confirm(browser, link).headers["Location"] == FILE
    (key,) = app.ledger.client.scan_iter(f"{PREFIX}upload:*")
    app.ledger.client.delete(key)
    assert browser.get(link).headers["Location"] == FILE
    assert queries.page(app).tasks == []


def test_a_file_may_be_as_large_as_a_batch_and_no_larger(browser):
    row = b'{"a": 1, "b": 2}' + b" " * 240 + b"\n"
    fits = row * (LIMIT * FACTOR // len(row))
    assert upload(browser, fits).status_code == 303
    page = upload(browser, fits + row * 500)
    assert page.status_code == 413
    assert f"larger than the {LIMIT * FACTOR:,} bytes" in page.text
    # Other forms take no more than before.
    page = browser.post("/forms/add", data={"_csrf": token(browser), "a": "1" * LIMIT * 8})
    assert page.status_code == 413


def test_the_columns_are_told(browser):
    page = browser.get("/forms/echo/file")
    assert "<code>value</code>" in page.text
    template = browser.get("/forms/append/template.csv")
    assert template.data.decode() == "\ufeffpath,line,seconds\r\n"
    assert template.headers["Content-Disposition"] == "attachment; filename=append.csv"
    assert 'href="/forms/add/file"' in browser.get("/forms/add").text
    for path in ("/forms/no.such/file", "/forms/no.such/template.csv", "/forms/no.such/file/x"):
        assert browser.get(path).status_code == 404
