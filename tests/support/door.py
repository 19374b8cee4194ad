"""The API as its callers meet it: whatever is away, each call is answered within the bound."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import httpx

from tests.support.system import System

#: Seconds within which every call is answered, with the settings' defaults.
BOUND: Final = 6.0


def ask(system: System, method: str, path: str, arguments: Mapping[str, Any] | None = None) -> httpx.Response:
    """Call the API over a connection of its own; fails if the answer takes longer than ``BOUND``.

    Args:
        system: with a web process.
        method: of HTTP.
        path: below ``/api/v1/``, with its query.
        arguments: the body as JSON; None: no body.
    """
    started = time.monotonic()
    # Waits longer than it may, so that a late answer is told from none.
    answer = httpx.request(method, f"{system.url}/api/v1/{path}", json=arguments, timeout=4 * BOUND)
    taken = time.monotonic() - started
    assert taken < BOUND, f"{method} {path} was answered {answer.status_code} after {taken:.1f} s"
    return answer


def submit(system: System, name: str, arguments: Mapping[str, Any], query: str = "") -> httpx.Response:
    """Submit a task; ``query`` is ``delay=5`` and the like."""
    return ask(system, "POST", f"tasks/{name}?{query}", arguments)


def read(system: System, task_id: str) -> httpx.Response:
    """Read a record."""
    return ask(system, "GET", f"tasks/{task_id}")


def assert_accepted(answer: httpx.Response, state: str = "PENDING") -> str:
    """The id of what was accepted, if it is in that state."""
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    record = answer.json()
    assert record["state"] == state, record
    return str(record["id"])


def assert_unavailable(answer: httpx.Response, slug: str) -> None:
    """A 503 that says which server is away, and when to ask again."""
    assert (answer.status_code, answer.json()["type"]) == (503, f"/problems/{slug}"), answer.text
    assert int(answer.headers["Retry-After"]) > 0
