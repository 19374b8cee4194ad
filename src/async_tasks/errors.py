"""Every error that async-tasks raises on purpose.

AsyncTasksError
├── ConfigurationError      the settings or the machine are not fit to start
├── DeclarationError        a function cannot be a task as it is declared
├── SubmissionError         the caller asked for something that cannot be accepted
│   ├── UnknownTask
│   ├── InvalidArguments    also raised in a worker; never retried
│   ├── InvalidBatch
│   ├── InvalidOption
│   ├── IdempotencyConflict
│   ├── PayloadTooLarge
│   └── Undeliverable       the broker definitely refused the message
├── RecordError
│   ├── UnknownRecord
│   ├── UnknownBatch
│   ├── AlreadyFinished
│   └── NotFinished
├── OperationError          an operator named what there is not
│   ├── UnknownAction
│   ├── UnknownQueue
│   ├── UnknownSchedule
│   └── UnknownWorker
├── DeadLettered            the broker gave a task's message up
├── ResultRefused           a task returned what cannot be stored
├── TaskCrashed             a task tried to end its worker
└── Unavailable             a server did not answer; nothing is known to be wrong with the request
    ├── StoreUnavailable
    └── BrokerUnavailable
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict


class Problem(TypedDict):
    """One thing wrong with one field."""

    field: str
    message: str


class BatchProblem(Problem):
    """One thing wrong with one entry of a batch; ``index`` counts from 0."""

    index: int


class AsyncTasksError(Exception):
    """Root of all errors raised on purpose by async-tasks."""


class ConfigurationError(AsyncTasksError):
    """Raised when settings, data folder or ports do not allow a start; carries every problem found."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class DeclarationError(AsyncTasksError):
    """Raised at import of a task module when ``@task`` cannot make a task of the function."""


class SubmissionError(AsyncTasksError):
    """Root of what a caller can mend in what was submitted."""


class UnknownTask(SubmissionError):
    """Raised when no task of that name is in the catalog; names near ones."""

    def __init__(self, name: str, near: Sequence[str] = ()) -> None:
        self.name = name
        self.near = list(near)
        hint = f" Did you mean {' or '.join(map(repr, self.near))}?" if self.near else ""
        super().__init__(f"There is no task named {name!r}.{hint}")


class InvalidArguments(SubmissionError):
    """Raised when arguments do not fit a task's signature, at the door or in the worker."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        self.name = name
        self.problems = list(problems)
        listed = "; ".join(f"{p['field']}: {p['message']}" if p["field"] else p["message"] for p in problems)
        super().__init__(f"The arguments do not fit task {name!r}: {listed}")

    def __reduce__(self) -> tuple[type[InvalidArguments], tuple[str, list[Problem]]]:
        return type(self), (self.name, self.problems)


class InvalidOption(SubmissionError):
    """Raised when an option of a submission (delay, eta, expires, priority, wait, filters) is unusable."""

    def __init__(self, option: str, message: str) -> None:
        self.option = option
        self.message = message
        super().__init__(f"{option}: {message}")


class InvalidBatch(SubmissionError):
    """Raised when an entry of a batch cannot be accepted, or their number; nothing is stored then."""

    def __init__(self, problems: Sequence[BatchProblem]) -> None:
        self.problems = list(problems)
        first = self.problems[0]
        where = f"Entry {first['index']}" + (f", {first['field']}" if first["field"] else "")
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{where}: {first['message']}{more}. Nothing of the batch was accepted.")


class IdempotencyConflict(SubmissionError):
    """Raised when an idempotency key comes again with something else than what it came with first."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(
            f"This idempotency key belongs to task {task_id}, which was submitted with another name, other arguments "
            "or other options. Send a new key with every new submission, and the same key only to repeat one."
        )


class PayloadTooLarge(SubmissionError):
    """Raised when arguments are larger than the settings allow."""

    def __init__(self, what: str, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(
            f"{what} are {size:,} bytes as JSON, and at most {limit:,} are taken. "
            "Pass a reference (a path, a URL, a key) instead, or raise ASYNC_TASKS_MAX_PAYLOAD_BYTES."
        )


class Undeliverable(SubmissionError):
    """Raised when the broker definitely refused a message: no queue takes it."""

    def __init__(self, task_id: str, reason: str) -> None:
        self.task_id = task_id
        self.reason = reason
        super().__init__(f"The broker has no queue for task {task_id}: {reason}")


class RecordError(AsyncTasksError):
    """Root of errors about one submission's record."""

    def __init__(self, task_id: str, message: str) -> None:
        self.task_id = task_id
        super().__init__(message)


class UnknownRecord(RecordError):
    """Raised when no submission with that id was ever accepted, or its retention is over."""

    def __init__(self, task_id: str) -> None:
        super().__init__(task_id, f"There is no task with the id {task_id!r}.")


class UnknownBatch(RecordError):
    """Raised when no batch with that id was ever accepted, or the retention of all its records is over."""

    def __init__(self, batch_id: str) -> None:
        super().__init__(batch_id, f"There is no batch with the id {batch_id!r}.")


class AlreadyFinished(RecordError):
    """Raised when a finished task is asked to stop."""

    def __init__(self, task_id: str, state: str) -> None:
        self.state = state
        super().__init__(task_id, f"Task {task_id} has already finished: {state}.")


class NotFinished(RecordError):
    """Raised when a task is to be run again that has not finished."""

    def __init__(self, task_id: str, state: str) -> None:
        self.state = state
        super().__init__(task_id, f"Task {task_id} has not finished: {state}. Wait for its end, or cancel it first.")


class OperationError(AsyncTasksError):
    """Root of errors about what an operator names: bulk actions, queues, schedules, workers."""


class UnknownAction(OperationError):
    """Raised when there is no bulk action with that id, or none any more."""

    def __init__(self, action_id: str) -> None:
        super().__init__(f"There is no bulk action with the id {action_id!r}.")


class UnknownQueue(OperationError):
    """Raised when there is no queue of that name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"There is no queue {name!r}. There are {', '.join(known)}.")


class UnknownSchedule(OperationError):
    """Raised when no task of that name is submitted by itself."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No task {name!r} has a schedule. Declare one with @task(schedule=…).")


class UnknownWorker(OperationError):
    """Raised when no worker of that name was heard of of late."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No worker {name!r} was heard of within the hour. It has ended, or never was.")


class DeadLettered(AsyncTasksError):
    """Recorded of a task whose message the broker gave up, or that no worker could read."""


class ResultRefused(AsyncTasksError):
    """Raised in a worker when a task's result is no JSON, does not fit its annotation, or is too large."""


class TaskCrashed(AsyncTasksError):
    """Raised in place of a MemoryError or SystemExit of a task, which would end the worker."""


class Unavailable(AsyncTasksError):
    """Root of errors of servers that did not answer in time; asking again later may succeed."""


class StoreUnavailable(Unavailable):
    """Raised when Redis or Valkey did not answer in time."""


class BrokerUnavailable(Unavailable):
    """Raised when the broker did not confirm a message in time; it may or may not have it."""
