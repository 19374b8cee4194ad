"""The calls of the HTTP API: method, path, query and body of each."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from async_tasks.client.entries import Entry, encode

API: Final = "/api/v1"

#: Seconds that a large batch may take: 10,000 entries were seen to take 5 on a busy machine.
LARGE: Final = 60.0

Filters = Mapping[str, str | datetime | int | None]


@dataclass(frozen=True, slots=True)
class Call:
    """One request, however often it is sent."""

    method: str
    path: str  # below the server's URL, percent-encoded
    query: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None  # JSON
    idempotency_key: str | None = None  # the same each time it is sent, so that it is accepted once
    longest: float = 0  # seconds that the server may well take to answer it
    accept: str = "application/json"
    last_event_id: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to it."""
        found = {
            "Accept": self.accept,
            "Content-Type": None if self.content is None else "application/json",
            "Idempotency-Key": self.idempotency_key,
            "Last-Event-ID": self.last_event_id,
        }
        return {name: value for name, value in found.items() if value is not None}


def submit(entry: Entry[Any], key: str | None) -> Call:
    """Submit one task."""
    query = {name: _text(value) for name, value in entry.options.values().items()}
    return Call("POST", f"{API}/tasks/{_part(entry.name)}", query, encode(dict(entry.arguments)), _key(key))


def batch(entries: Sequence[Entry[Any]], key: str | None) -> Call:
    """Submit many tasks, or none."""
    documents = [{"name": each.name, "args": each.arguments, **each.options.values()} for each in entries]
    return Call("POST", f"{API}/batches", content=encode(documents), idempotency_key=_key(key), longest=LARGE)


def replay(task_id: str, arguments: Mapping[str, Any] | None, key: str | None) -> Call:
    """Submit a finished task again."""
    content = None if arguments is None else encode(dict(arguments))
    return Call("POST", f"{_path(task_id)}/replay", content=content, idempotency_key=_key(key))


def record(task_id: str) -> Call:
    """One record."""
    return Call("GET", _path(task_id))


def cancel(task_id: str) -> Call:
    """Cancel a task."""
    return Call("DELETE", _path(task_id))


def batch_status(batch_id: str) -> Call:
    """How far a batch is."""
    return Call("GET", f"{API}/batches/{_part(batch_id)}")


def history(filters: Filters) -> Call:
    """One page of history."""
    return Call("GET", f"{API}/tasks", {name: _text(value) for name, value in filters.items() if value is not None})


def catalog() -> Call:
    """What can be submitted."""
    return Call("GET", f"{API}/catalog")


def events(task_id: str | None, after: str | None) -> Call:
    """The changes of one task, or of all, after a place in the stream of changes."""
    path = f"{API}/events" if task_id is None else f"{_path(task_id)}/events"
    return Call("GET", path, accept="text/event-stream", last_event_id=after)


def _path(task_id: str) -> str:
    return f"{API}/tasks/{_part(task_id)}"


def _part(name: str) -> str:
    if not name:
        raise ValueError("The name or id is empty")
    return quote(name, safe="")


def _key(given: str | None) -> str:
    if given is None:
        return str(uuid.uuid4())
    if not given or not given.isascii() or not given.isprintable():
        raise ValueError(f"{given!r} is no idempotency key: use printable ASCII characters, at least one")
    return given


def _text(value: float | str | datetime) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
