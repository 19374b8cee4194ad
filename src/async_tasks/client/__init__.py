"""A typed client of the HTTP API: submit, wait, watch, batch, cancel, from any process that reaches the server.

    from async_tasks.client import Client

    with Client("http://127.0.0.1:5000") as client:
        print(client.submit("reverse_text", text="hello").result(timeout=30))

aio/           AsyncClient, for an event loop: the source of
sync/          Client, for threads
entries.py     what is submitted: task, arguments, options; how the result is read
calls.py       the calls of the API
server.py      where the server is, and the credential
retrying.py    when a call is tried again
answers.py     what an answer means
following.py   what has been seen of a task that is followed
records.py     Record, State, Change, …
errors.py      every error, with the tree at the top
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from async_tasks.client.entries import Entry, entry
from async_tasks.client.errors import (
    AlreadyFinished,
    ChangesLost,
    ClientError,
    IdempotencyConflict,
    InvalidArguments,
    InvalidBatch,
    InvalidOption,
    NotFinished,
    PayloadTooLarge,
    ProblemError,
    ResultMismatch,
    ServerFailed,
    ServerUnavailable,
    TaskFailed,
    TaskRevoked,
    Unauthorized,
    Unavailable,
    Undeliverable,
    UnexpectedAnswer,
    UnknownRecord,
    UnknownTask,
    Unreachable,
    Unsuccessful,
    WaitTimeout,
)
from async_tasks.client.records import (
    BatchStatus,
    Change,
    Progress,
    Record,
    RemoteError,
    State,
    TaskInfo,
    TimelineEntry,
)
from async_tasks.client.sync.client import Client
from async_tasks.client.sync.task import Batch, TaskHandle

if TYPE_CHECKING:
    from async_tasks.client.aio.client import AsyncClient
    from async_tasks.client.aio.task import AsyncBatch, AsyncTaskHandle

__all__ = [
    "AlreadyFinished",
    "AsyncBatch",
    "AsyncClient",
    "AsyncTaskHandle",
    "Batch",
    "BatchStatus",
    "Change",
    "ChangesLost",
    "Client",
    "ClientError",
    "Entry",
    "IdempotencyConflict",
    "InvalidArguments",
    "InvalidBatch",
    "InvalidOption",
    "NotFinished",
    "PayloadTooLarge",
    "ProblemError",
    "Progress",
    "Record",
    "RemoteError",
    "ResultMismatch",
    "ServerFailed",
    "ServerUnavailable",
    "State",
    "TaskFailed",
    "TaskHandle",
    "TaskInfo",
    "TaskRevoked",
    "TimelineEntry",
    "Unauthorized",
    "Unavailable",
    "Undeliverable",
    "UnexpectedAnswer",
    "UnknownRecord",
    "UnknownTask",
    "Unreachable",
    "Unsuccessful",
    "WaitTimeout",
    "entry",
]


def __getattr__(name: str) -> Any:
    # Late: who waits in threads needs no event loop.
    if name == "AsyncClient":
        from async_tasks.client.aio.client import AsyncClient

        return AsyncClient
    if name in {"AsyncBatch", "AsyncTaskHandle"}:
        from async_tasks.client.aio import task

        return getattr(task, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
