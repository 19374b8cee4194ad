"""The record of one submission: its states, its legal moves and its public form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NotRequired, TypedDict
from urllib.parse import quote

#: Version of the stored document; readers accept their own and the one before.
VERSION: Final = 1


class State(StrEnum):
    """Celery's names, plus ``SCHEDULED``."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    STARTED = "STARTED"
    RETRY = "RETRY"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    REVOKED = "REVOKED"


FINAL: Final = frozenset({State.SUCCESS, State.FAILURE, State.REVOKED})

#: Every legal move. The ledger's scripts are generated from this table; docs/states.md draws it.
MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.SCHEDULED: frozenset({State.PENDING, State.REVOKED}),
    State.PENDING: frozenset({State.STARTED, State.FAILURE, State.REVOKED}),
    State.STARTED: frozenset({State.SUCCESS, State.FAILURE, State.RETRY, State.REVOKED, State.PENDING}),
    State.RETRY: frozenset({State.PENDING, State.STARTED, State.FAILURE, State.REVOKED}),
    State.SUCCESS: frozenset(),
    State.FAILURE: frozenset(),
    State.REVOKED: frozenset(),
}


class Error(TypedDict):
    """Why a task failed."""

    type: str
    message: str
    traceback: str | None
    fingerprint: str


def fingerprint(kind: str, where: str) -> str:
    """The same for failures that are alike.

    Args:
        kind: the exception's class, with its module.
        where: file and function in which it arose, whatever the line; the task, if it arose in no code.
    """
    # The ledger's scripts make it too, and have no other digest.
    return hashlib.sha1(f"{kind}@{where}".encode(), usedforsecurity=False).hexdigest()[:16]


class Progress(TypedDict):
    """How far a task says it is."""

    done: float
    total: float | None
    message: str | None


class TimelineEntry(TypedDict):
    """One thing that happened to a task; ``at`` is milliseconds since the epoch, by the store's clock."""

    at: int
    event: str
    worker: NotRequired[str]
    attempt: NotRequired[int]
    detail: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one record; ``cursor`` is its place in the stream of changes."""

    cursor: str
    id: str
    name: str
    state: State
    event: str
    at: int  # milliseconds since the epoch, by the store's clock
    submitted_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of one submission. Times are milliseconds since the epoch, by the store's clock."""

    id: str
    name: str
    state: State
    args: Any  # an object by parameter name; {"args": […], "kwargs": {…}} where the names are not known
    result: Any
    error: Error | None
    progress: Progress | None
    attempts: int  # how often a worker started it
    message_key: str  # of the valid message; each retry and replacement has another
    retries: int  # by Task.retry(), of that message
    queue: str
    priority: int | None
    worker: str | None
    submitted_by: str | None
    submitted_at: int
    due_at: int | None
    started_at: int | None
    finished_at: int | None
    expires_at: int | None
    parent_id: str | None
    root_id: str | None
    group_id: str | None
    replay_of: str | None
    batch_id: str | None
    cancel_requested: bool
    timeline: tuple[TimelineEntry, ...]
    children: Any  # Celery's result tuples of the tasks that this one started
    exception: Any  # Celery's stored form of the exception, for AsyncResult
    followers: tuple[str, ...]  # ids of the rest of its chain
    bodies: tuple[str, ...]  # ids of the bodies of chords that it is a part of

    @property
    def finished(self) -> bool:
        """Whether the state is final."""
        return self.state in FINAL

    @classmethod
    def from_document(cls, doc: Mapping[str, Any]) -> Record:
        """Read a stored document (see ``scripts/common.lua`` for its writer)."""
        return cls(
            id=doc["id"],
            name=doc["name"],
            state=State(doc["state"]),
            args=_loads(doc.get("args")),
            result=_loads(doc.get("result")),
            error=_loads(doc.get("error")),
            progress=_loads(doc.get("progress")),
            attempts=int(doc.get("attempts", 0)),
            message_key=doc.get("message_key", ""),
            retries=int(doc.get("retries", 0)),
            queue=doc["queue"],
            priority=doc.get("priority"),
            worker=doc.get("worker"),
            submitted_by=doc.get("submitted_by"),
            submitted_at=int(doc["submitted_at"]),
            due_at=_int(doc.get("due_at")),
            started_at=_int(doc.get("started_at")),
            finished_at=_int(doc.get("finished_at")),
            expires_at=_int(doc.get("expires_at")),
            parent_id=doc.get("parent_id"),
            root_id=doc.get("root_id"),
            group_id=doc.get("group_id"),
            replay_of=doc.get("replay_of"),
            batch_id=doc.get("batch_id"),
            cancel_requested=bool(doc.get("cancel_requested")),
            timeline=tuple(doc["timeline"]),
            children=_loads(doc.get("children")),
            exception=_loads(doc.get("exception")),
            followers=tuple(doc.get("followers") or ()),
            bodies=tuple(doc.get("bodies") or ()),
        )

    def public(self) -> dict[str, Any]:
        """The record as the contract shows it to callers; times as RFC 3339 strings."""
        path = quote(self.id, safe="")
        return {
            "id": self.id,
            "name": self.name,
            "state": str(self.state),
            "args": self.args,
            "result": self.result,
            "error": self.error,
            "progress": self.progress,
            "attempts": self.attempts,
            "queue": self.queue,
            "priority": self.priority,
            "worker": self.worker,
            "submitted_by": self.submitted_by,
            "submitted_at": rfc3339(self.submitted_at),
            "due_at": rfc3339(self.due_at),
            "started_at": rfc3339(self.started_at),
            "finished_at": rfc3339(self.finished_at),
            "expires_at": rfc3339(self.expires_at),
            "parent_id": self.parent_id,
            "replay_of": self.replay_of,
            "batch_id": self.batch_id,
            "timeline": [{**entry, "at": rfc3339(entry["at"])} for entry in self.timeline],
            "links": {
                "self": f"/api/v1/tasks/{path}",
                "events": f"/api/v1/tasks/{path}/events",
                "page": f"/tasks/{path}",
            },
        }


@dataclass(frozen=True, slots=True)
class Page:
    """A page of history, newest first; ``next_cursor`` is None on the last one."""

    tasks: list[Record]
    next_cursor: str | None
    scanned: int = 0  # records that were looked at for it
    searched_until: int | None = None  # when the last of them was submitted: how far back a search for a text got

    def public(self) -> dict[str, Any]:
        """The page as the contract shows it to callers."""
        return {
            "tasks": [record.public() for record in self.tasks],
            "next_cursor": self.next_cursor,
            "scanned": self.scanned,
            "searched_until": rfc3339(self.searched_until),
        }


@dataclass(frozen=True, slots=True)
class Count:
    """How many records there are; at least so many, unless it is exact."""

    number: int
    exact: bool

    def __str__(self) -> str:
        return f"{self.number:,}" if self.exact else f"at least {self.number:,}"


def rfc3339(at: int | None) -> str | None:
    """Milliseconds since the epoch as UTC with milliseconds, or None."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _loads(raw: str | None) -> Any:
    return None if raw is None else json.loads(raw)


def _int(raw: Any) -> int | None:
    return None if raw is None else int(raw)
