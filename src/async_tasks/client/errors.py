"""Every error that the client raises on purpose.

async_tasks.errors.AsyncTasksError
└── ClientError
    ├── ProblemError            the server answered with a problem; carries what it said
    │   ├── Unauthorized
    │   ├── UnknownTask
    │   ├── UnknownRecord
    │   ├── InvalidArguments
    │   ├── InvalidOption
    │   ├── InvalidBatch
    │   ├── IdempotencyConflict
    │   ├── PayloadTooLarge
    │   ├── AlreadyFinished
    │   ├── NotFinished
    │   ├── Undeliverable
    │   ├── ServerFailed
    │   └── ServerUnavailable   also an Unavailable
    ├── Unavailable             nothing is known to be wrong with the request, and trying again did not help in time
    │   ├── Unreachable
    │   └── ServerUnavailable
    ├── UnexpectedAnswer        what answered is no async-tasks server, or nothing that this client understands
    ├── Unsuccessful            the task has ended without a result
    │   ├── TaskFailed
    │   └── TaskRevoked
    ├── WaitTimeout             also a TimeoutError
    ├── ResultMismatch          the result does not fit the type that the function says it returns
    └── ChangesLost

A mistake in how the client is called is Python's own ``TypeError`` or ``ValueError``. No message holds the token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from async_tasks.client.records import Record, RemoteError
from async_tasks.errors import AsyncTasksError


class ClientError(AsyncTasksError):
    """Root of all errors raised on purpose by the client."""


class ProblemError(ClientError):
    """Raised when the server answered with a problem document (RFC 9457) that has no class of its own.

    Attributes:
        status: of the answer.
        type: of the problem, such as "/problems/unknown-task"; stable.
        title: what is the same for every occurrence.
        detail: what is wrong this time.
        errors: for what is invalid, ``{"field": …, "message": …}`` each, in a batch with ``"index"``.
        request_id: under which the server's log has it.
        document: all of it.
    """

    #: What a caller of this client can do about it, beyond the server's own words.
    advice: ClassVar[str] = ""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(status, document)
        self.status = status
        self.document = document
        self.type = str(document.get("type", ""))
        self.title = str(document.get("title", ""))
        self.detail = str(document.get("detail", ""))
        self.errors: Sequence[Mapping[str, Any]] = document.get("errors", ())
        self.request_id: str | None = document.get("request_id")

    def __str__(self) -> str:
        words = [self._said(), self.advice]
        marks = [str(self.status), self.type.rpartition("/")[2], self.request_id and f"request {self.request_id}"]
        return " ".join(filter(None, [*words, f"({', '.join(filter(None, marks))})"]))

    def _said(self) -> str:
        return self.detail or self.title or "The server refused the request."


class Unauthorized(ProblemError):
    """Raised when the server wants a token and got none, or another."""

    advice = "Pass the server's ASYNC_TASKS_ADMIN_TOKEN as `token` to the client."

    def _said(self) -> str:
        return "The server lets in only who shows its token."


class UnknownTask(ProblemError):
    """Raised when the server has no task of that name; ``document["near"]`` has similar ones."""

    advice = "`client.catalog()` lists the tasks that it has."


class UnknownRecord(ProblemError):
    """Raised when no submission with that id was ever accepted, or its retention is over."""

    advice = "Ids are those that `submit` gave; finished tasks are kept for a while only."


class InvalidArguments(ProblemError):
    """Raised when arguments do not fit the task; ``errors`` names the fields. Nothing was submitted."""


class InvalidOption(ProblemError):
    """Raised when an option or a filter cannot be used; ``errors`` names it. Nothing was submitted."""


class InvalidBatch(ProblemError):
    """Raised when an entry of a batch cannot be accepted; ``errors`` names it by index. Nothing was submitted."""


class IdempotencyConflict(ProblemError):
    """Raised when an idempotency key comes again with something else than what it came with first."""


class PayloadTooLarge(ProblemError):
    """Raised when arguments, or a batch in all, are larger than the server takes."""


class AlreadyFinished(ProblemError):
    """Raised when a task is to be cancelled that has finished otherwise."""

    advice = "Run it again with `task.replay()`."


class NotFinished(ProblemError):
    """Raised when a task is to be run again that has not finished."""


class Undeliverable(ProblemError):
    """Raised when no queue takes the task; its record is a FAILURE."""

    advice = "Start a worker for the task's queue, and submit again."


class ServerFailed(ProblemError):
    """Raised when the server failed by a fault of its own; its log has the details under ``request_id``."""


class Unavailable(ClientError):
    """Root of errors after which the same may be tried again later.

    Attributes:
        idempotency_key: of what was to be submitted. Whether it was accepted is not known: submitting the same
            again with this key runs it once.
        retry_after: seconds that the server asked to be left alone, if it did.
    """

    idempotency_key: str | None = None
    retry_after: float | None = None


class Unreachable(Unavailable):
    """Raised when no answer came: nobody listens there, or the network or the server is too slow."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"No answer from {self.url}: {self.reason}. See that the server runs, and that this is its address."


class ServerUnavailable(ProblemError, Unavailable):
    """Raised when the server, or a proxy before it, cannot answer now (429, 502, 503, 504)."""

    def _said(self) -> str:
        return " ".join(filter(None, [self.title and f"{self.title}.", self.detail])) or "The server cannot answer now."


class UnexpectedAnswer(ClientError):
    """Raised when what answers is no async-tasks server, or says what this client cannot understand."""


class Unsuccessful(ClientError):
    """Root of the ends without a result; ``record`` has all that is known."""

    def __init__(self, record: Record) -> None:
        super().__init__(record)
        self.record = record

    @property
    def error(self) -> RemoteError | None:
        """What the server says about it."""
        return self.record.error

    @property
    def type(self) -> str:
        """The full name of the exception in the worker, such as "builtins.ValueError"."""
        return self.error.type if self.error else ""

    @property
    def message(self) -> str:
        """The message of the exception in the worker."""
        return self.error.message if self.error else ""

    @property
    def traceback(self) -> str | None:
        """The traceback of the worker."""
        return self.error.traceback if self.error else None

    def _words(self, what: str, reason: str) -> str:
        said = f"Task {self.record.name!r} {what}" + (f": {reason}" if reason else "")
        return f"{said} (id {self.record.id}). Run it again with `task.replay()`."


class TaskFailed(Unsuccessful):
    """Raised when the result of a task is wanted that failed."""

    def __str__(self) -> str:
        reason = ": ".join(filter(None, [self.type.removeprefix("builtins."), self.message]))
        return self._words(f"failed after {self.record.attempts} attempt{'s' * (self.record.attempts != 1)}", reason)


class TaskRevoked(Unsuccessful):
    """Raised when the result of a task is wanted that was cancelled, or expired."""

    def __str__(self) -> str:
        return self._words("was revoked", self.message)


class WaitTimeout(ClientError, TimeoutError):
    """Raised when a task has not finished in the time given; it goes on all the same.

    Attributes:
        task_id: the task.
        timeout: the seconds that were given.
        record: as it was last seen; None if the server did not answer in that time.
    """

    def __init__(self, task_id: str, timeout: float, record: Record | None) -> None:
        super().__init__(task_id, timeout, record)
        self.task_id = task_id
        self.timeout = timeout
        self.record = record

    def __str__(self) -> str:
        seen = f"it is {self.record.state}" if self.record else "the server did not answer"
        return (
            f"Task {self.task_id} has not finished within {self.timeout:g} s: {seen}. "
            "It goes on: wait again, or cancel it."
        )


class ResultMismatch(ClientError):
    """Raised when a result does not fit the type that the local function says it returns."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"The result of task {self.name!r} does not fit the function's return annotation here: {self.reason}. "
            "The server may run another version of it: `task.wait().result` is the result as it came."
        )


class ChangesLost(ClientError):
    """Raised when the server no longer has all changes since the place from which they were wanted."""

    def __init__(self, after: str | None) -> None:
        super().__init__(after)
        self.after = after

    def __str__(self) -> str:
        return (
            "Some changes are gone: the server keeps only the newest. Look with `client.list()` at what there is, "
            "and watch from now on."
        )


#: From the last part of a problem's type to its class. Those that only a mistake of this client could bring,
#: or a page, are plain ``ProblemError``.
BY_SLUG: Final[Mapping[str, type[ProblemError]]] = {
    "unauthorized": Unauthorized,
    "unknown-task": UnknownTask,
    "unknown-record": UnknownRecord,
    "unknown-batch": UnknownRecord,
    "invalid-arguments": InvalidArguments,
    "invalid-option": InvalidOption,
    "invalid-batch": InvalidBatch,
    "idempotency-conflict": IdempotencyConflict,
    "payload-too-large": PayloadTooLarge,
    "already-finished": AlreadyFinished,
    "not-finished": NotFinished,
    "undeliverable": Undeliverable,
    "internal": ServerFailed,
    "store-unavailable": ServerUnavailable,
    "broker-unavailable": ServerUnavailable,
}
