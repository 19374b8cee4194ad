"""Requests as bytes: what never reaches the application, or reaches it broken, is a problem too."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from async_tasks.web.problems import KINDS
from tests.support.profiles import Profile
from tests.support.servers import StoreServer
from tests.support.system import System

BASIC = "Host: 127.0.0.1\r\nConnection: close\r\n"
JSON = "Content-Type: application/json\r\n"
SUBMIT = "POST /api/v1/tasks/reverse_text HTTP/1.1\r\n"


class Answer(NamedTuple):
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture
def profile(valkey_server: StoreServer, tmp_path: Path) -> Profile:
    """Broker and profile take no part."""
    return Profile("embedded", valkey_server, valkey_server, valkey_server.url, tmp_path)


@pytest.fixture
def send(running_system: Callable[..., System]) -> Iterator[Callable[[str], Answer]]:
    """Sends bytes to a web process over a connection of its own."""
    system = running_system()
    system.start("web")

    def send(text: str) -> Answer:
        with socket.create_connection(("127.0.0.1", system.port), timeout=10) as connection:
            connection.sendall(text.encode("latin-1"))
            with connection.makefile("rb") as stream:
                status = int(stream.readline().split()[1])
                headers = {}
                while line := stream.readline().strip().decode("latin-1"):
                    name, _, value = line.partition(": ")
                    headers[name.lower()] = value
                return Answer(status, headers, stream.read(int(headers.get("content-length", 0))))

    yield send
    assert send(f"GET /health/live HTTP/1.1\r\n{BASIC}\r\n").status == 200, "it does not serve any more"


def assert_problem(answer: Answer, status: int, slug: str) -> dict[str, Any]:
    """The problem document, if it is the right one."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer
    problem: dict[str, Any] = json.loads(answer.body)
    assert (problem["type"], problem["status"], problem["title"]) == (f"/problems/{slug}", status, KINDS[slug].title)
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


def test_what_is_no_request_is_a_problem(send: Callable[[str], Answer]) -> None:
    for text, status, slug in (
        (f"GET /api/v1/tasks?q={'x' * 4100} HTTP/1.1\r\n{BASIC}\r\n", 414, "uri-too-long"),
        (f"GET /api/v1/tasks HTTP/1.1\r\n{BASIC}X: {'x' * 9000}\r\n\r\n", 431, "headers-too-large"),
        (
            f"GET /api/v1/tasks HTTP/1.1\r\n{BASIC}{''.join(f'X{n}: 1' + chr(13) + chr(10) for n in range(200))}\r\n",
            431,
            "headers-too-large",
        ),
        ("GET\r\n\r\n", 400, "bad-request"),
        (f"G(T / HTTP/1.1\r\n{BASIC}\r\n", 400, "bad-request"),
        (f"GET /ü HTTP/1.1\r\n{BASIC}\r\n", 400, "bad-request"),
        (f"GET / HTTP/9.9\r\n{BASIC}\r\n", 400, "bad-request"),
        (f"GET / HTTP/1.1\r\n{BASIC}X y: 1\r\n\r\n", 400, "bad-request"),
        (f"GET / HTTP/1.1\r\n{BASIC}X: a\0b\r\n\r\n", 400, "bad-request"),
        (f"{SUBMIT}{BASIC}{JSON}Content-Length: x\r\n\r\n{{}}", 400, "bad-request"),
        (f"{SUBMIT}{BASIC}{JSON}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}", 400, "bad-request"),
        (f"{SUBMIT}{BASIC}{JSON}Transfer-Encoding: other\r\n\r\n", 400, "bad-request"),
        (f"{SUBMIT}{BASIC}{JSON}Expect: other\r\nContent-Length: 2\r\n\r\n{{}}", 400, "bad-request"),
        (f"{SUBMIT}{BASIC}{JSON}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n", 400, "bad-request"),
    ):
        assert_problem(send(text), status, slug)


def test_bodies_may_come_in_pieces_or_not_at_all(send: Callable[[str], Answer]) -> None:
    chunks = "Transfer-Encoding: chunked\r\n\r\n10\r\n" + '{"text": "hello"\r\n1\r\n}\r\n0\r\n\r\n'
    assert send(f"{SUBMIT}{BASIC}{JSON}{chunks}").status == 202
    assert_problem(send(f"{SUBMIT}{BASIC}{JSON}\r\n"), 400, "invalid-json")
    assert_problem(send(f"{SUBMIT}{BASIC}\r\n"), 422, "invalid-arguments")


def test_methods_that_nothing_takes_are_405(send: Callable[[str], Answer]) -> None:
    for method in ("TRACE", "CONNECT", "PATCH", "BREW"):
        answer = send(f"{method} /api/v1/tasks HTTP/1.1\r\n{BASIC}\r\n")
        assert_problem(answer, 405, "method-not-allowed")
        assert "GET" in answer.headers["allow"]


def test_paths_and_queries_of_any_bytes_are_answered(send: Callable[[str], Answer]) -> None:
    for path in ("%zz", "%ff", "%ed%a0%80", "%00", "%2e%2e", "%F0%9F%92%A9"):
        problem = assert_problem(send(f"GET /api/v1/tasks/{path} HTTP/1.1\r\n{BASIC}\r\n"), 404, "unknown-record")
        assert problem["id"]
        assert_problem(send(f"POST /api/v1/tasks/{path} HTTP/1.1\r\n{BASIC}\r\n"), 404, "unknown-task")
        answer = send(f"GET /api/v1/tasks?q={path}&name={path}&batch_id={path} HTTP/1.1\r\n{BASIC}\r\n")
        assert (answer.status, json.loads(answer.body)["tasks"]) == (200, [])
    assert_problem(send(f"GET /api/v1/tasks?%ff=1 HTTP/1.1\r\n{BASIC}\r\n"), 422, "invalid-option")


def test_a_header_that_comes_twice_arrives_once(send: Callable[[str], Answer]) -> None:
    body = '{"text": "hello"}'
    twice = f"Idempotency-Key: a\r\nIdempotency-Key: a\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    problem = assert_problem(send(f"{SUBMIT}{BASIC}{JSON}{twice}"), 422, "invalid-option")
    assert problem["errors"][0]["field"] == "Idempotency-Key"


def test_a_stream_has_a_head(send: Callable[[str], Answer]) -> None:
    answer = send(f"HEAD /api/v1/events HTTP/1.1\r\n{BASIC}\r\n")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
