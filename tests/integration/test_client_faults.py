"""The client when servers and the network between break: nothing is submitted twice, no end is missed, all is bounded."""

from __future__ import annotations

import asyncio
import itertools
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from async_tasks.client import (
    AsyncClient,
    Client,
    Record,
    ServerUnavailable,
    State,
    TaskHandle,
    UnexpectedAnswer,
    UnknownRecord,
    Unreachable,
    WaitTimeout,
    entry,
)
from async_tasks.client.sync import connection
from tests.support.processes import free_port
from tests.support.profiles import Profile
from tests.support.proxy import Direction, Proxy
from tests.support.servers import StoreServer
from tests.support.system import System
from tests.support.waiting import wait_until


@pytest.fixture
def profile(valkey_server: StoreServer, tmp_path: Path) -> Profile:
    """One is enough: the client knows the web process alone."""
    return Profile("embedded", valkey_server, valkey_server, valkey_server.url, tmp_path)


@pytest.fixture
def system(running_system: Callable[..., System]) -> System:
    """A web process and a worker."""
    system = running_system(modules=("tests.support.tasks",))
    system.start()
    return system


@pytest.fixture
def proxy(system: System) -> Iterator[Proxy]:
    """Between the client and the web process."""
    with Proxy(system.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[Client]:
    """A client behind the proxy."""
    with Client(proxy.url, timeout=1, retry_for=20) as client:
        yield client


@pytest.fixture
def background() -> Iterator[Callable[..., Future[Any]]]:
    """Calls something in a thread."""
    with ThreadPoolExecutor(4) as pool:
        yield pool.submit


def submitted(system: System) -> list[str]:
    """The ids of all that was submitted, by a way of its own."""
    with Client(system.url) as client:
        return [record.id for record in client.list(page_size=200)]


# --- submitted once


CUTS: list[tuple[Direction, int]] = [
    ("to_server", 0),
    ("to_server", 40),
    ("to_server", 300),
    ("to_client", 0),
    ("to_client", 40),
    ("to_client", 600),
]


@pytest.mark.parametrize("way", ["submit", "batch", "replay", "async"])
def test_a_connection_that_is_cut_submits_once(client: Client, proxy: Proxy, system: System, way: str) -> None:
    first = client.submit("echo", value="x" * 600)
    first.wait(20)
    ids = [first.id]
    for direction, after in CUTS:
        proxy.cut(direction, after)
        if way == "submit":
            ids.append(client.submit("echo", value="x" * 600).id)
        elif way == "batch":
            ids += [handle.id for handle in client.batch([entry("echo", value="x" * 600)] * 20)]
        elif way == "replay":
            ids.append(first.replay({"value": "x" * 600}).id)
        else:
            ids.append(asyncio.run(_submit(proxy.url)).id)
        assert not proxy.cut_pending, (direction, after)
        assert sorted(submitted(system)) == sorted(ids), (direction, after)

    assert {client.task(task_id).wait(20).state for task_id in ids} == {State.SUCCESS}


async def _submit(url: str) -> Record:
    async with AsyncClient(url, timeout=1) as client:
        return await (await client.submit("echo", value="x" * 600)).record()


def test_a_server_that_dies_between_request_and_answer_is_submitted_to_once(
    client: Client, proxy: Proxy, system: System, profile: Profile, background: Callable[..., Future[Any]]
) -> None:
    profile.store.pause()
    submitting = background(client.submit, "add", a=1, b=2)
    wait_until(lambda: proxy.passed["to_server"] > 100, 10, "the request")
    system.processes["web"].kill()
    profile.store.resume()
    system.start("web")
    handle = submitting.result(30)
    assert handle.result(20) == 3
    assert submitted(system) == [handle.id]


def test_whoever_gave_up_may_go_on_with_the_key(client: Client, proxy: Proxy, system: System) -> None:
    proxy.pause()
    with Client(proxy.url, timeout=1, retry_for=2) as hasty:
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"No answer from http://127.0.0.1:.* timed out") as caught:
            hasty.submit("add", a=1, b=2)
        assert 2 <= time.monotonic() - began < 6
    key = caught.value.idempotency_key
    assert any(repr(key) in note for note in caught.value.__notes__)
    proxy.resume()
    wait_until(lambda: submitted(system), 10, "what was on its way to arrive")
    handle = client.with_options(idempotency_key=key).submit("add", a=1, b=2)
    assert submitted(system) == [handle.id]


# --- no end is missed


def killed(system: System, _: Proxy) -> None:
    system.processes["web"].kill()
    system.start("web")


def ended(system: System, _: Proxy) -> None:
    system.processes["web"].stop()
    system.start("web")


def reset(_: System, proxy: Proxy) -> None:
    proxy.reset()


def hole(_: System, proxy: Proxy) -> None:
    proxy.pause()
    accepted = proxy.accepted
    wait_until(lambda: proxy.accepted > accepted, 10, "somebody to try again")
    proxy.resume()


def away(_: System, proxy: Proxy) -> None:
    proxy.refuse()
    with Client(proxy.url, retry_for=0) as client, pytest.raises(Unreachable):
        client.catalog()
    proxy.listen()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent stream is taken for broken after a second already."""
    monkeypatch.setattr(connection, "SILENCE", 1.0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("broken", [killed, ended, reset, hole, away])
def test_waiting_outlives_it(
    client: Client,
    proxy: Proxy,
    system: System,
    background: Callable[..., Future[Any]],
    broken: Callable[[System, Proxy], None],
) -> None:
    handle = client.with_options(delay=600).submit("steps", count=30, pause=0.2)
    running = client.submit("steps", count=30, pause=0.1)
    seen: list[Record] = []
    waiting = [background(handle.wait), background(running.wait), background(lambda: seen.extend(running.watch(30)))]
    wait_until(lambda: seen_started(client, running), 10)
    broken(system, proxy)
    handle.cancel()

    assert waiting[0].result(20).state is State.REVOKED
    assert waiting[1].result(20).state is State.SUCCESS
    waiting[2].result(20)
    check(seen)
    assert seen[-1] == running.record()


def seen_started(client: Client, handle: TaskHandle[Any]) -> bool:
    return client.get(handle.id).progress is not None


def check(seen: list[Record]) -> None:
    """In order, nothing twice, and the end once at the end."""
    assert [record.finished for record in seen].index(True) == len(seen) - 1
    for one, other in itertools.pairwise(seen):
        assert one != other
        assert len(one.timeline) <= len(other.timeline)
        assert one.progress is None or one.progress.done <= other.progress.done


def test_nothing_is_missed_however_often_it_breaks(client: Client, proxy: Proxy) -> None:
    handle = client.submit("steps", count=5, pause=1)
    seen = []
    for record in handle.watch(30):
        seen.append(record)
        proxy.reset()
    check(seen)
    assert {record.progress.done for record in seen if record.progress} == set(range(1, 6))


def test_an_event_loop_outlives_it_too(proxy: Proxy, system: System, background: Callable[..., Future[Any]]) -> None:
    seen: list[Record] = []

    async def run() -> None:
        async with AsyncClient(proxy.url, timeout=1) as client:
            handle = await client.submit("steps", count=20, pause=0.2)
            async for record in handle.watch(30):
                seen.append(record)
                if len(seen) % 5 == 0:
                    proxy.reset()

    watching = background(asyncio.run, run())
    wait_until(lambda: len(seen) > 5, 10)
    killed(system, proxy)
    watching.result(30)
    check(seen)


def test_all_changes_come_once_across_a_restart(
    client: Client, system: System, proxy: Proxy, background: Callable[..., Future[Any]]
) -> None:
    seen: list[str] = []
    last: list[str] = []

    def watch() -> None:
        for change in client.watch(timeout=60):
            seen.append(change.cursor)
            if change.id in last:
                return

    watching = background(watch)
    wait_until(lambda: client.submit("add", a=1, b=2) and seen, 20, "the first change")
    for broken in (reset, killed, ended):
        client.batch([entry("add", a=1, b=2)] * 10)
        broken(system, proxy)
        client.batch([entry("add", a=1, b=2)] * 10)
    wait_until(lambda: last.append(client.submit("add", a=1, b=2).id) or watching.done(), 20, "the last change")

    watching.result()
    with system.profile.store.client() as store:
        recorded = [place for place, _ in store.xrange("at:1:changes", min=seen[0], max=seen[-1])]
    assert seen == recorded


@pytest.mark.usefixtures("impatient")
def test_where_streams_do_not_come_through_it_asks(client: Client, proxy: Proxy) -> None:
    proxy.withhold(b"text/event-stream")
    handle = client.submit("steps", count=10, pause=0.5)
    before = proxy.accepted
    seen = list(handle.watch(20))
    check(seen)
    assert seen[-1].state is State.SUCCESS
    assert proxy.accepted - before <= 3, "it went on opening streams"
    with Client(proxy.url, retry_for=2) as hasty, pytest.raises(Unreachable):
        next(hasty.watch())


# --- all is bounded


def test_nobody_there(caplog: pytest.LogCaptureFixture) -> None:
    url = f"http://user:secret@127.0.0.1:{free_port()}"
    with Client(url, retry_for=1.5) as client, caplog.at_level(logging.DEBUG):
        for ask in (lambda: client.submit("add", a=1, b=2), client.catalog, lambda: next(client.watch())):
            began = time.monotonic()
            with pytest.raises(Unreachable, match=r"Connection refused. See that the server runs") as caught:
                ask()
            assert 1.5 <= time.monotonic() - began < 4
            assert "Attempts: " in caught.value.__notes__[0]
            assert "secret" not in f"{caught.value!r} {caught.value} {caught.value.__notes__} {client!r}"
        began = time.monotonic()
        with pytest.raises(WaitTimeout, match="the server did not answer"):
            client.task("some-id").wait(0.5)
        assert 0.5 <= time.monotonic() - began < 3
    assert "secret" not in caplog.text
    assert "again in" in caplog.text
    with Client(url, retry_for=0) as client, pytest.raises(Unreachable):
        client.catalog()


def test_a_server_that_says_nothing(client: Client, proxy: Proxy) -> None:
    handle = client.with_options(delay=600).submit("add", a=1, b=2)
    proxy.pause()
    with Client(proxy.url, timeout=0.5, retry_for=1.5) as hasty:
        for ask in (hasty.catalog, hasty.task(handle.id).cancel, hasty.task(handle.id).wait):
            began = time.monotonic()
            with pytest.raises(Unreachable):
                ask()
            assert 1.5 <= time.monotonic() - began < 5
        began = time.monotonic()
        with pytest.raises(WaitTimeout):
            hasty.task(handle.id).wait(0.7)
        assert 0.7 <= time.monotonic() - began < 4


def test_the_store_is_away(client: Client, profile: Profile, background: Callable[..., Future[Any]]) -> None:
    handle = client.submit("add", a=1, b=2)
    handle.wait(20)
    profile.store.kill()
    with Client(client._connection.server.url, retry_for=0) as hasty:
        with pytest.raises(ServerUnavailable, match=r"The store did not answer in time.* \(503, store-unav") as caught:
            hasty.get(handle.id)
        assert (caught.value.status, caught.value.retry_after) == (503, 2)
    with Client(client._connection.server.url, retry_for=3) as hasty:
        began = time.monotonic()
        with pytest.raises(ServerUnavailable):
            hasty.submit("add", a=1, b=2)
        assert time.monotonic() - began < 10
    getting, submitting = background(client.get, handle.id), background(client.submit, "add", a=1, b=2)
    waiting = background(handle.wait)
    profile.store.start()
    assert getting.result(20) == waiting.result(20) == handle.record()
    assert submitting.result(20).record().args == {"a": 1, "b": 2}


def test_an_id_that_vanishes_ends_the_waiting(client: Client, profile: Profile, proxy: Proxy) -> None:
    handle = client.with_options(delay=600).submit("add", a=1, b=2)
    records = handle.watch(20)
    next(records)
    profile.store.wipe()
    proxy.reset()
    with pytest.raises(UnknownRecord):
        next(records)


# --- what proxies and strangers answer


class Stranger(ThreadingHTTPServer):
    """Answers what it is told, in this order, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.asked: list[tuple[float, str, str | None]] = []
        super().__init__(("127.0.0.1", 0), _Answer)
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Stranger
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append((time.monotonic(), self.path, self.headers["Idempotency-Key"]))
        status, headers, body = self.server.answers.pop(0)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    with Stranger() as stranger:
        serving = threading.Thread(target=stranger.serve_forever, args=(0.05,))
        serving.start()
        yield stranger
        stranger.shutdown()
        serving.join()


def test_what_a_proxy_answers_for_a_server_that_is_away_is_tried_again(stranger: Stranger) -> None:
    page = {"Content-Type": "text/html"}
    stranger.answers = [(502, page, b"<h1>Bad Gateway</h1>"), (429, {"Retry-After": "1"}, b""), (504, {}, b"")]
    stranger.answers.append(
        (202, {}, b'{"id": "x", "name": "x", "state": "NEW", "submitted_at": "2026-11-22T12:00:00Z"}')
    )
    with Client(stranger.url) as client:
        assert client.submit("x").id == "x"
    times, paths, keys = zip(*stranger.asked, strict=True)
    assert set(paths) == {"/api/v1/tasks/x"}
    assert len(set(keys)) == 1
    assert keys[0]
    assert times[2] - times[1] >= 1


def test_more_patience_than_there_is_is_not_had(stranger: Stranger) -> None:
    stranger.answers = [(503, {"Retry-After": "60"}, b"")]
    with Client(stranger.url, retry_for=10) as client, pytest.raises(ServerUnavailable) as caught:
        client.catalog()
    assert (caught.value.retry_after, len(stranger.asked)) == (60, 1)


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (301, {"Location": "https://example.org/"}, b"", "It points to https://example.org/: use that address"),
        (404, {}, b"<html>", "answered 404, which no async-tasks server does"),
        (200, {}, b"<html>", "with no JSON object"),
        (200, {}, b'{"jobs": []}', "cannot be understood"),
        (200, {"Content-Encoding": "gzip"}, b"no gzip", "cannot be decoded"),
        (403, {"Content-Type": "text/html"}, b"", "answered 403"),
    ],
)
def test_what_no_server_of_ours_answers(
    stranger: Stranger, status: int, headers: dict[str, str], body: bytes, words: str
) -> None:
    stranger.answers = [(status, headers, body)]
    with Client(stranger.url) as client, pytest.raises(UnexpectedAnswer, match=words):
        client.catalog()
    assert len(stranger.asked) == 1


def test_a_certificate_that_is_not_trusted_is_said_at_once(stranger: Stranger) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    stranger.socket = context.wrap_socket(stranger.socket, server_side=True)
    url = stranger.url.replace("http:", "https:")
    began = time.monotonic()
    with Client(url) as client, pytest.raises(Unreachable, match="certificate verify failed"):
        client.catalog()
    assert time.monotonic() - began < 10, "it was tried again"

    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    stranger.answers = [(200, {}, b'{"tasks": []}')]
    with httpx.Client(verify=trusting) as http, Client(url, http=http) as client:
        assert client.catalog() == ()
