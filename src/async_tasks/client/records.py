"""What the server tells of tasks, as frozen values with times in UTC.

A newer server may say more than is named here: it is in ``raw``, and nothing breaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self


class State(StrEnum):
    """Where a task is. The last three of the server's are final: no final state ever changes."""

    SCHEDULED = "SCHEDULED"  # has a due time ahead
    PENDING = "PENDING"  # recorded, waiting for a worker
    STARTED = "STARTED"  # a worker runs it
    RETRY = "RETRY"  # failed, and will run again
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    REVOKED = "REVOKED"
    UNKNOWN = "UNKNOWN"  # a state that a newer server has and this client does not know; ``raw`` names it

    @classmethod
    def _missing_(cls, value: object) -> State | None:
        return cls.UNKNOWN if isinstance(value, str) else None

    @property
    def final(self) -> bool:
        """Whether a task that is in it stays in it."""
        return self in FINAL


FINAL: Final = frozenset({State.SUCCESS, State.FAILURE, State.REVOKED})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task says it is; ``total`` is None where it does not know."""

    done: float
    total: float | None
    message: str | None


@dataclass(frozen=True, slots=True)
class RemoteError:
    """Why a task failed or was revoked, in the words of the worker or the server."""

    type: str  # the exception's full name, such as "builtins.ValueError"
    message: str
    traceback: str | None
    fingerprint: str | None  # the same for errors that come from the same place


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to a task."""

    at: datetime
    event: str
    worker: str | None
    attempt: int | None
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of one submission. Two records are equal if the server said the same."""

    id: str
    name: str
    state: State
    args: Any  # by parameter name; {"args": […], "kwargs": {…}} where the server does not know the names
    result: Any  # as JSON has it; ``TaskHandle.result`` gives it the type that the task returned
    error: RemoteError | None
    progress: Progress | None
    attempts: int  # how often a worker started it
    queue: str | None
    priority: int | None
    worker: str | None
    submitted_by: str | None
    submitted_at: datetime
    due_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    parent_id: str | None
    replay_of: str | None
    batch_id: str | None
    timeline: tuple[TimelineEntry, ...]
    links: Mapping[str, str]  # paths on the server: "self", "events", "page"
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def finished(self) -> bool:
        """Whether the state is final."""
        return self.state.final

    @classmethod
    def from_document(cls, doc: Mapping[str, Any]) -> Self:
        """Read a record as the server sends it.

        Raises:
            KeyError, TypeError, ValueError: if it is none.
        """
        error, progress = doc.get("error"), doc.get("progress")
        return cls(
            id=doc["id"],
            name=doc["name"],
            state=State(doc["state"]),
            args=doc.get("args"),
            result=doc.get("result"),
            error=error and _error(error),
            progress=progress and Progress(progress["done"], progress.get("total"), progress.get("message")),
            attempts=doc.get("attempts", 0),
            queue=doc.get("queue"),
            priority=doc.get("priority"),
            worker=doc.get("worker"),
            submitted_by=doc.get("submitted_by"),
            submitted_at=_moment(doc["submitted_at"]),
            due_at=_optional(doc.get("due_at")),
            started_at=_optional(doc.get("started_at")),
            finished_at=_optional(doc.get("finished_at")),
            expires_at=_optional(doc.get("expires_at")),
            parent_id=doc.get("parent_id"),
            replay_of=doc.get("replay_of"),
            batch_id=doc.get("batch_id"),
            timeline=tuple(_entry(entry) for entry in doc.get("timeline", ())),
            links=doc.get("links", {}),
            raw=doc,
        )


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """How far a batch is."""

    id: str
    done: int  # entries that need nothing more
    total: int
    finished: bool
    states: Mapping[State, int]
    rate: float | None  # tasks that finish a second, on average
    expected_at: datetime | None  # when it will have finished if it goes on like that
    first_failure: str | None  # the id of the task that failed first
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_document(cls, doc: Mapping[str, Any]) -> Self:
        """Read a batch as the server sends it.

        Raises:
            KeyError, TypeError, ValueError: if it is none.
        """
        progress = doc["progress"]
        return cls(
            id=doc["id"],
            done=progress["done"],
            total=progress["total"],
            finished=doc["finished"],
            states={State(name): count for name, count in doc["states"].items()},
            rate=doc.get("rate"),
            expected_at=_optional(doc.get("expected_at")),
            first_failure=doc.get("first_failure"),
            raw=doc,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one task, as the stream of all tasks has it."""

    cursor: str  # its place in the stream: ``client.watch(after=…)`` goes on behind it
    id: str
    name: str
    state: State
    event: str  # as in the timeline: "submitted", "started", "succeeded", …
    at: datetime
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_document(cls, cursor: str, doc: Mapping[str, Any]) -> Self:
        """Read a change as the server sends it.

        Raises:
            KeyError, TypeError, ValueError: if it is none.
        """
        return cls(cursor, doc["id"], doc["name"], State(doc["state"]), doc["event"], _moment(doc["at"]), doc)


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """One task of the server's catalog."""

    name: str
    title: str
    help: str
    arguments: Mapping[str, Any]  # JSON Schema of the arguments
    result: Mapping[str, Any] | None  # JSON Schema of the result; None where the task does not say
    options: Mapping[str, Any]
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_document(cls, doc: Mapping[str, Any]) -> Self:
        """Read an entry of the catalog as the server sends it.

        Raises:
            KeyError, TypeError, ValueError: if it is none.
        """
        return cls(
            doc["name"],
            doc.get("title", doc["name"]),
            doc.get("help", ""),
            doc.get("arguments", {}),
            doc.get("result"),
            doc.get("options", {}),
            doc,
        )


def _error(doc: Mapping[str, Any]) -> RemoteError:
    return RemoteError(doc["type"], doc.get("message", ""), doc.get("traceback"), doc.get("fingerprint"))


def _entry(doc: Mapping[str, Any]) -> TimelineEntry:
    return TimelineEntry(_moment(doc["at"]), doc["event"], doc.get("worker"), doc.get("attempt"), doc.get("detail"))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _optional(text: str | None) -> datetime | None:
    return None if text is None else _moment(text)
