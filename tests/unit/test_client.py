"""The parts of the client that know no network."""

from __future__ import annotations

import inspect
import json
import logging
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent

from async_tasks import client as face
from async_tasks.client import answers, calls, errors, retrying
from async_tasks.client.entries import Options, entry
from async_tasks.client.following import Following, Watching
from async_tasks.client.records import Change, Progress, Record, State, TaskInfo
from async_tasks.client.retrying import Attempts, Late
from async_tasks.client.server import Server
from async_tasks.ledger import record as ledger
from async_tasks.web.problems import KINDS
from tests.support.tasks import add, retry_by_hand

ROOT = Path(__file__).parents[2]

DOCUMENT = {
    "id": "01a2",
    "name": "steps",
    "state": "STARTED",
    "args": {"count": 3},
    "result": None,
    "error": {"type": "builtins.ValueError", "message": "no", "traceback": None, "fingerprint": "ab"},
    "progress": {"done": 1, "total": 3, "message": "step 1"},
    "attempts": 1,
    "queue": "celery_see",
    "priority": None,
    "worker": "celery@host",
    "submitted_by": None,
    "submitted_at": "2026-11-22T12:00:00.123Z",
    "due_at": None,
    "started_at": "2026-11-22T13:00:00.123+01:00",
    "finished_at": None,
    "expires_at": None,
    "parent_id": None,
    "replay_of": None,
    "batch_id": None,
    "timeline": [{"at": "2026-11-22T12:00:00.123Z", "event": "submitted"}],
    "links": {"self": "/api/v1/tasks/01a2"},
}


def response(status: int, body: Any = None, **headers: str) -> httpx.Response:
    """An answer to a question."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(
        status, headers=given, content=content, request=httpx.Request("GET", "http://user:secret@host/api?q=private")
    )


def problem(slug: str, **members: Any) -> httpx.Response:
    """A problem document as the server writes it."""
    kind = KINDS[slug]
    document = {"type": f"/problems/{slug}", "title": kind.title, "status": kind.status, "request_id": "r1", **members}
    return response(kind.status, document, content_type="application/problem+json")


def event(name: str, data: Any, place: str = "") -> ServerSentEvent:
    return ServerSentEvent(event=name, data=json.dumps(data), id=place)


# --- one logic, two faces


def test_the_client_for_threads_is_what_the_other_says():
    namespace = {"__file__": str(ROOT / "tools" / "write_sync_client.py"), "__name__": "generator"}
    exec((ROOT / "tools" / "write_sync_client.py").read_text(), namespace)
    written = namespace["modules"]()
    assert set(written) == {"client.py", "connection.py", "task.py"}
    for name, text in written.items():
        path = ROOT / "src/async_tasks/client/sync" / name
        assert path.read_text() == text, f"{path} is not what ../aio/{name} says: run tools/write_sync_client.py"


@pytest.mark.parametrize("name", ["Client", "TaskHandle", "Batch"])
def test_both_have_the_same_face(name):
    one, other = getattr(face, name), getattr(face, f"Async{name}")

    def public(kind):
        return {each.removeprefix("a") if each == "aclose" else each for each in dir(kind) if not each.startswith("_")}

    assert public(one) == public(other)
    for method in public(one) - {"close"}:
        if callable(getattr(one, method)):
            there = inspect.signature(getattr(other, method))
            assert list(inspect.signature(getattr(one, method)).parameters) == list(there.parameters)


def test_it_is_light_and_reads_no_environment():
    code = (
        "import os, sys\n"
        "class Closed(dict):\n"
        "    def get(self, name, default=None):\n"
        "        assert not name.startswith('ASYNC_TASKS'), name\n"
        "        return super().get(name, default)\n"
        "    __getitem__ = lambda self, name: self.get(name) or {}[name]\n"
        "os.environ = Closed(os.environ)\n"
        "from async_tasks.client import Client\n"
        "Client().close()\n"
        "heavy = {'celery', 'kombu', 'flask', 'redis', 'pydantic', 'pydantic_settings', 'gevent', 'async_tasks.client.aio'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_everything_public_is_there():
    for name in face.__all__:
        assert getattr(face, name).__module__.startswith("async_tasks.client."), name
    with pytest.raises(AttributeError, match="has no attribute 'Klient'"):
        _ = face.Klient


# --- records


def test_a_record_is_read():
    record = Record.from_document(DOCUMENT)
    assert (record.id, record.state, record.finished) == ("01a2", State.STARTED, False)
    assert record.submitted_at == datetime(2026, 11, 22, 12, 0, 0, 123000, tzinfo=UTC)
    assert record.started_at == record.submitted_at
    assert record.started_at.tzinfo is UTC
    assert record.progress == Progress(1, 3, "step 1")
    assert (record.error.type, record.error.fingerprint) == ("builtins.ValueError", "ab")
    assert (record.timeline[0].event, record.timeline[0].worker) == ("submitted", None)
    assert "raw" not in repr(record)
    with pytest.raises(AttributeError):
        record.state = State.SUCCESS


def test_what_a_newer_server_adds_is_kept_and_breaks_nothing():
    newer = {**DOCUMENT, "state": "PAUSED", "cost": 3, "error": {**DOCUMENT["error"], "hint": "x"}}
    newer["timeline"] = [{**DOCUMENT["timeline"][0], "by": "somebody"}]
    record = Record.from_document(newer)
    assert (record.state, record.finished, record.raw["cost"], record.raw["state"]) == (
        State.UNKNOWN,
        False,
        3,
        "PAUSED",
    )
    assert record != Record.from_document({**newer, "cost": 4})


def test_what_an_older_server_leaves_out_is_not_there():
    least = {name: DOCUMENT[name] for name in ("id", "name", "state", "submitted_at")}
    record = Record.from_document(least)
    assert (record.args, record.error, record.timeline, record.links) == (None, None, (), {})
    assert TaskInfo.from_document({"name": "x"}).title == "x"


@pytest.mark.parametrize(
    "wrong", [{}, {**DOCUMENT, "submitted_at": "yesterday"}, {**DOCUMENT, "state": 5}, {**DOCUMENT, "timeline": [3]}]
)
def test_what_is_no_record_is_told(wrong):
    with pytest.raises(errors.UnexpectedAnswer, match="cannot be understood"):
        answers.parsed(Record.from_document, wrong)


def test_the_states_are_the_servers():
    assert set(State) - {State.UNKNOWN} == set(ledger.State)
    assert {state for state in State if state.final} == ledger.FINAL


# --- answers


@pytest.mark.parametrize("slug", KINDS)
def test_every_problem_has_its_class(slug):
    error = answers.error(problem(slug, detail="What is wrong."))
    expected = errors.BY_SLUG.get(slug, errors.ProblemError)
    # A call that this client does not make has no class of its own, and there is no such place to it.
    nowhere = KINDS[slug].status in answers.NOWHERE and slug not in errors.BY_SLUG
    assert type(error) is (errors.UnexpectedAnswer if nowhere else expected)
    if isinstance(error, errors.ProblemError):
        assert (error.status, error.type, error.request_id) == (KINDS[slug].status, f"/problems/{slug}", "r1")
        assert f"({error.status}, {slug}, request r1)" in str(error)
    assert "secret" not in str(error)


def test_the_classes_are_those_of_the_problems():
    assert set(errors.BY_SLUG) <= set(KINDS)
    drawn = {word for line in errors.__doc__.splitlines() if "──" in line for word in [line.split("── ")[1].split()[0]]}
    defined = {
        name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, errors.ClientError)
    }
    assert drawn == defined
    assert defined <= set(face.__all__)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (response(503, b"<html>", retry_after="7"), errors.ServerUnavailable, "The server cannot answer now. (503)"),
        (response(429), errors.ServerUnavailable, "(429)"),
        (response(401, b""), errors.Unauthorized, "shows its token"),
        (response(500, b"<html>"), errors.UnexpectedAnswer, "GET http://host/api answered 500, which no async-tasks"),
        (response(404, {"type": "/problems/unknown-task"}), errors.UnexpectedAnswer, "See that the client's URL"),
        (response(418, {}, content_type="application/problem+json"), errors.UnexpectedAnswer, "answered 418"),
        (
            response(409, {"type": "/problems/new", "title": "New"}, content_type="application/problem+json"),
            errors.ProblemError,
            "New (409, new)",
        ),
    ],
)
def test_what_other_answers_mean(answer, kind, words):
    error = answers.error(answer)
    assert type(error) is kind
    assert words in str(error)
    assert "secret" not in str(error)
    assert "private" not in str(error)
    if isinstance(error, errors.Unavailable) and answer.status_code == 503:
        assert error.retry_after == 7


def test_a_broken_queue_is_not_tried_again():
    assert not isinstance(answers.error(problem("undeliverable")), errors.Unavailable)


def test_retry_after_is_seconds_or_a_date():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 58 < answers.retry_after(later) <= 60
    assert answers.retry_after("Sun, 22 Nov 2020 12:00:00 GMT") == 0
    assert [answers.retry_after(each) for each in (None, "3", " 3 ", "soon", "-3", "²")] == [
        None,
        3,
        3,
        None,
        None,
        None,
    ]


def test_some_failures_are_hopeless():
    certificate = httpx.ConnectError("")
    certificate.__cause__ = ssl.SSLCertVerificationError()
    assert answers.is_hopeless(certificate)
    assert not answers.is_hopeless(httpx.ConnectError("refused"))
    assert str(answers.no_answer("http://h", httpx.ReadTimeout(""))).startswith("No answer from http://h: it took too")


# --- trying again


def test_pauses_grow_and_differ():
    drawn = [[retrying.pause(count) for _ in range(200)] for count in range(12)]
    bounds = [min(retrying.LONGEST, retrying.FIRST * 2**count) for count in range(12)]
    for pauses, bound in zip(drawn, bounds, strict=True):
        assert 0 <= min(pauses) < bound / 10
        assert bound * 0.9 < max(pauses) <= bound
    assert 3 <= retrying.pause(0, retry_after=3) <= 3 + retrying.FIRST
    assert retrying.pause(10_000) <= retrying.LONGEST


def failure(key: str | None = None, retry_after: float | None = None) -> errors.Unavailable:
    error = errors.Unreachable("http://host", "refused")
    error.idempotency_key, error.retry_after = key, retry_after
    return error


def test_attempts_end_with_the_patience():
    attempts = Attempts(retry_for=0.0)
    assert attempts.timeout(10) == 10, "the first has all the time that it needs"
    with pytest.raises(errors.Unreachable) as caught:
        attempts.pause_after(failure(key="k1"))
    assert "idempotency_key='k1'" in "".join(caught.value.__notes__)
    with pytest.raises(errors.Unreachable):
        Attempts(retry_for=10).pause_after(failure(retry_after=11))
    attempts = Attempts(retry_for=5)
    assert 3 <= attempts.pause_after(failure(retry_after=3)) <= 3.2
    assert attempts.timeout(10) <= 5
    assert attempts.timeout(0.1) == retrying.LEAST_TIMEOUT
    short = Attempts(retry_for=0.05)
    assert max(short.pause_after(failure()) for _ in range(3)) <= 0.05, "what is left is not thrown away"


def test_attempts_end_with_the_time():
    attempts = Attempts(60, until=time.monotonic() + 2)
    assert attempts.timeout(10) <= 2
    assert attempts.pause_after(failure(retry_after=30)) <= 2
    attempts = Attempts(60, until=time.monotonic())
    assert attempts.timeout(10) == retrying.LEAST_TIMEOUT
    with pytest.raises(Late) as caught:
        attempts.pause_after(failure())
    assert isinstance(caught.value.__cause__, errors.Unreachable)


# --- what is sent


def test_submissions():
    call = calls.submit(entry("a/b%c", {"x": 1}, y="é"), None)
    assert (call.method, call.path, call.content) == ("POST", "/api/v1/tasks/a%2Fb%25c", '{"x":1,"y":"é"}'.encode())
    assert len(call.headers["Idempotency-Key"]) == 36
    assert call.headers["Content-Type"] == "application/json"
    assert calls.submit(entry("a"), None).idempotency_key != calls.submit(entry("a"), None).idempotency_key
    assert calls.replay("x", None, "k").content is None
    assert calls.replay("x", {}, "k").content == b"{}"
    assert calls.events(None, None).headers == {"Accept": "text/event-stream"}
    assert calls.events("x", "1-0").headers["Last-Event-ID"] == "1-0"
    with pytest.raises(ValueError, match="empty"):
        calls.record("")


@pytest.mark.parametrize("key", ["", "é", "a\nb", "a\x00"])
def test_a_key_that_no_header_can_carry(key):
    with pytest.raises(ValueError, match="is no idempotency key: use printable ASCII"):
        calls.submit(entry("a"), key)


def test_options():
    at = datetime(2026, 11, 22, 13, tzinfo=timezone(timedelta(hours=1)))
    options = Options(delay=timedelta(minutes=1), expires=at, priority=0)
    assert options.values() == {"delay": 60, "expires": "2026-11-22T13:00:00+01:00", "priority": 0}
    given = entry("a").with_options(delay=1e-5, eta=at)
    assert calls.submit(given, None).query == {"delay": "1e-05", "eta": "2026-11-22T13:00:00+01:00"}
    (document,) = json.loads(calls.batch([given], None).content)
    assert document == {"name": "a", "args": {}, "delay": 1e-5, "eta": "2026-11-22T13:00:00+01:00"}
    with pytest.raises(ValueError, match="eta has no time zone: write datetime"):
        Options(eta=datetime(2026, 11, 22))  # noqa: DTZ001 - the mistake


def test_arguments_of_a_function():
    for given in (entry(add, 1, 2), entry(add, 1, b=2), entry(add, a=1, b=2)):
        assert (given.name, given.arguments) == ("add", {"a": 1, "b": 2})
    assert entry(retry_by_hand, 3).arguments == {"countdown": 3}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: entry(add, 1, 2, 3), "add takes at most 2 values by position, and 3 were given"),
        (lambda: entry(add, 1, a=2), "add got 'a' twice"),
        (lambda: entry("add", {"a": 1}, a=2), "add got 'a' twice"),
        (lambda: entry("add", 1, 2), "Give the arguments of 'add' by name, or as one mapping"),
        (lambda: entry(print), "is no task: give the name of one, or a function that is declared with @task"),
        (lambda: calls.submit(entry("a", x=object()), None), "The arguments cannot be written as JSON"),
        (lambda: calls.submit(entry("a", x=float("nan")), None), "cannot be written as JSON: Out of range"),
        (lambda: calls.submit(entry("a", x="\ud800"), None), "no valid Unicode"),
        (lambda: Server("localhost:5000", None), "'localhost:5000' is no URL of a server: write it like"),
        (lambda: Server("ftp://user:secret@host", None), r"'ftp://host' is no URL"),
        (lambda: Server("http://user:secret@host", "token"), "not both"),
        (lambda: Server("http://host", "to ken"), "The token holds a space"),
        (lambda: Server("http://host", ""), "The token holds"),
    ],
)
def test_mistakes_are_pythons_own_errors(call, words):
    with pytest.raises((TypeError, ValueError), match=words) as caught:
        call()
    assert "secret" not in str(caught.value)
    assert "to ken" not in str(caught.value)


def test_credentials_are_sent_and_not_shown(caplog):
    with caplog.at_level(logging.DEBUG):
        server = Server("https://user:secret@host:8443/below/", None)
        request = httpx.Request(**server.request(calls.catalog()))
    assert (server.url, str(request.url)) == ("https://host:8443/below", "https://host:8443/below/api/v1/catalog")
    assert request.headers["Authorization"] == "Basic dXNlcjpzZWNyZXQ="
    token = Server("http://host", "token").request(calls.catalog())["headers"]["Authorization"]
    assert token == "Bearer token"
    assert "secret" not in repr(server) + repr(request) + caplog.text


# --- following


def test_the_same_record_is_told_once():
    seen = Following("01a2", None)
    first = {**DOCUMENT, "progress": None}
    assert seen.takes(Record.from_document(first)) is not None
    assert seen.takes_event(event("", {}, "5-0")) is None
    assert seen.takes_event(event("change", first, "6-0")) is None
    assert seen.takes_event(event("change", DOCUMENT, "7-0")).progress.done == 1
    assert seen.takes_event(event("end", {})) is None
    assert (seen.place, seen.finished) == ("7-0", False)
    with pytest.raises(errors.UnexpectedAnswer):
        seen.takes_event(ServerSentEvent(event="change", data="{", id="8-0"))
    assert seen.takes(Record.from_document({**DOCUMENT, "state": "SUCCESS"})).finished
    assert (seen.finished, seen.pause()) == (True, 0)


def test_streams_that_bring_nothing_are_given_up():
    seen, everything = Following("01a2", None), Watching(None, None)
    for count in range(2):
        assert seen.wants_stream, count
        seen.stream_begins()
        everything.stream_begins()
        everything.pause("http://host")
    assert not seen.wants_stream
    everything.takes_event(event("", {}, "5-0"))
    for _ in range(3):
        everything.stream_begins()
    with pytest.raises(errors.Unreachable, match="its events do not come through; a proxy may hold them back"):
        everything.pause("http://host")


def test_pauses_while_nothing_changes_grow_and_end_with_the_time():
    seen = Following("01a2", 1)
    assert max(seen.pause() for _ in range(20)) <= 1
    over = Following("01a2", 0)
    assert not over.wants_stream
    with pytest.raises(errors.WaitTimeout, match="within 0 s: the server did not answer"):
        over.pause()


def test_changes():
    seen = Watching("3-0", None)
    doc = {"id": "x", "name": "add", "state": "SUCCESS", "event": "succeeded", "at": "2026-11-22T12:00:00.123Z"}
    changes = [seen.takes_event(event("change", doc, f"{n}-0")) for n in (4, 5)]
    assert [change.cursor for change in changes] == ["4-0", "5-0"]
    assert all(one.at <= other.at for one, other in pairwise(changes))
    assert isinstance(changes[0], Change)
    with pytest.raises(errors.ChangesLost, match=r"`client\.list\(\)`"):
        seen.takes_event(event("lost", {}))
    assert seen.place == "5-0"
