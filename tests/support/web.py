"""Web applications in this process, and clients of streams."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from flask import Flask
from werkzeug.test import TestResponse

from async_tasks import engine
from async_tasks.engine import App
from async_tasks.web import create_app
from async_tasks.web.problems import KINDS
from tests.support.profiles import Profile


@contextmanager
def web_apps(profile: Profile) -> Iterator[Callable[..., Flask]]:
    """A maker of web applications that know ``tests.support.tasks``; its arguments are settings."""
    engines: list[App] = []

    def make(**settings: Any) -> Flask:
        engines.append(engine.build(profile.settings(modules=("tests.support.tasks",), **settings)))
        return create_app(engine=engines[-1])

    yield make
    for each in engines:
        each.close_connections()


class Message(NamedTuple):
    """One event as it came."""

    id: str | None
    event: str
    data: Any


class Stream:
    """A client of one stream over a socket of its own; HTTP/1.0, so that the body is what is sent."""

    def __init__(self, url: str, path: str, **headers: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        lines = [f"GET {path} HTTP/1.0", f"Host: {host}:{port}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while line := self.file.readline().strip().decode():
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def __iter__(self) -> Iterator[Message]:
        """Messages until the server closes; each must come within ten seconds."""
        fields: dict[str, str] = {}
        for raw in self.file:
            line = raw.decode().rstrip("\n")
            if not line and "data" in fields:
                yield Message(fields.get("id"), fields.get("event", "message"), json.loads(fields["data"]))
            if not line:
                fields = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value

    def until(self, state: str) -> Message:
        """The first message that shows that state."""
        return next(message for message in self if message.data.get("state") == state)


def assert_problem(answer: TestResponse, status: int, slug: str) -> dict[str, Any]:
    """The problem document, if it is the right one."""
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text
    problem: dict[str, Any] = answer.json  # type: ignore[assignment]
    assert (problem["type"], problem["status"], problem["title"]) == (f"/problems/{slug}", status, KINDS[slug].title)
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert "Traceback" not in answer.text
    return problem
