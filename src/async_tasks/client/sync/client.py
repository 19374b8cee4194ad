# Written by tools/write_sync_client.py from ../aio/client.py: edit that, and run it.
"""The client: submits, looks, lists, watches."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload

import httpx

from async_tasks.client import calls
from async_tasks.client.entries import Entry, Options, ResultType, entry
from async_tasks.client.following import Watching
from async_tasks.client.records import Change, Record, State, TaskInfo
from async_tasks.client.retrying import Late
from async_tasks.client.server import Server
from async_tasks.client.sync import clock
from async_tasks.client.sync.connection import Connection
from async_tasks.client.sync.task import Batch, TaskHandle

if TYPE_CHECKING:
    from async_tasks.catalog import Task

P = ParamSpec("P")
R = TypeVar("R")


class Submitter:
    """Submits one task at a time, with the options that it was made with; see ``Client.with_options``."""

    def __init__(self, connection: Connection, options: Options, idempotency_key: str | None) -> None:
        self._connection = connection
        self._options = options
        self._idempotency_key = idempotency_key

    @overload
    def submit(self, task: Task[P, R], /, *args: P.args, **kwargs: P.kwargs) -> TaskHandle[R]: ...
    @overload
    def submit(self, task: str, arguments: Mapping[str, Any] = ..., /, **named: Any) -> TaskHandle[Any]: ...
    def submit(self, task: Any, /, *args: Any, **named: Any) -> TaskHandle[Any]:
        """Submit a task, once, however often the connection breaks meanwhile.

        Args:
            task: the name of a task; or a function declared with ``@task``, whose types are kept.
            *args: after a name, one mapping with the arguments; the function's arguments by position.
            **named: arguments by name.

        Returns:
            The task, accepted by the server. It need not have started.

        Raises:
            UnknownTask: if the server has no such task.
            InvalidArguments: if the arguments do not fit it.
            InvalidOption: if an option cannot be used.
            IdempotencyConflict: if the key was used for something else.
            PayloadTooLarge: if the arguments are larger than the server takes.
            Undeliverable: if no queue takes it.
            Unauthorized: if the server wants a token, or another.
            Unavailable: if the server did not answer in time; carries the idempotency key.
            TypeError, ValueError: if the arguments are no JSON.
        """
        given = replace(entry(task, *args, **named), options=self._options)
        record = self._connection.ask(calls.submit(given, self._idempotency_key), Record.from_document)
        return TaskHandle(self._connection, record.id, given.result)


class Client(Submitter):
    """A client of one server. It may be shared, and is closed by ``close`` or at the end of ``with``.

    Args:
        url: of the server; below a path of its own, if it is mounted there.
        token: the server's ASYNC_TASKS_ADMIN_TOKEN, if it has one.
        timeout: seconds that each step of an attempt may take: to connect, to send, to be answered.
        retry_for: seconds for which a call is tried again that finds no answer, or 429, 502, 503 or 504. What is
            submitted carries an idempotency key, the same each time, so that it is accepted once.
        http: an httpx client with proxies, certificates or limits of your own, which you close yourself.

    Raises:
        ValueError: if the URL or the token cannot be one.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:5000",
        *,
        token: str | None = None,
        timeout: float = 10.0,
        retry_for: float = 30.0,
        http: httpx.Client | None = None,
    ) -> None:
        connection = Connection(Server(url, token), timeout=timeout, retry_for=retry_for, http=http)
        super().__init__(connection, Options(), None)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.server.url!r})"

    def with_options(
        self,
        *,
        delay: float | timedelta | None = None,
        eta: datetime | None = None,
        expires: float | timedelta | datetime | None = None,
        priority: int | None = None,
        idempotency_key: str | None = None,
    ) -> Submitter:
        """How the next task is to be submitted: ``client.with_options(delay=60).submit(…)``.

        Args:
            delay: seconds before which it is not to run.
            eta: the same as a moment, with a time zone.
            expires: seconds, or a moment, after which it is not to start any more.
            priority: 0 (normal) to 9 (most urgent).
            idempotency_key: what tells this submission from all others: the same again with it answers the first
                task, also from another process. One is made for each submission if none is given.

        Raises:
            ValueError: if a moment has no time zone.
        """
        return Submitter(self._connection, Options(delay, eta, expires, priority), idempotency_key)

    def batch(self, entries: Iterable[Entry[R]], *, idempotency_key: str | None = None) -> Batch[R]:
        """Submit many tasks in one call: all of them, or none.

        Args:
            entries: made by ``entry``; at most 10,000.
            idempotency_key: as in ``with_options``, for the batch.

        Returns:
            The tasks, in the order of the entries.

        Raises:
            InvalidBatch: if an entry cannot be accepted; ``errors`` names it by index.
            Exception: what else ``submit`` raises.
        """
        given = list(entries)
        batch_id, ids = self._connection.ask(
            calls.batch(given, idempotency_key), lambda doc: (str(doc["batch_id"]), [str(each) for each in doc["ids"]])
        )
        tasks = [TaskHandle(self._connection, each, one.result) for one, each in zip(given, ids, strict=True)]
        return Batch(self._connection, batch_id, tasks)

    @overload
    def task(self, task_id: str, function: Task[P, R], /) -> TaskHandle[R]: ...
    @overload
    def task(self, task_id: str, /) -> TaskHandle[Any]: ...
    def task(self, task_id: str, function: Task[..., Any] | None = None, /) -> TaskHandle[Any]:
        """The task with that id, submitted by whomever. Asks nothing.

        Args:
            task_id: the id.
            function: the function declared with ``@task``, which says of what type the result is.
        """
        result: ResultType[Any] = ResultType() if function is None else ResultType.of(function)
        return TaskHandle(self._connection, task_id, result)

    def get(self, task_id: str) -> Record:
        """All that is known of a task now.

        Raises:
            UnknownRecord: if the server does not know it (any more).
            Unavailable: if the server did not answer in time.
        """
        return self.task(task_id).record()

    def list(
        self,
        *,
        state: State | str | None = None,
        name: str | None = None,
        queue: str | None = None,
        worker: str | None = None,
        submitted_by: str | None = None,
        fingerprint: str | None = None,
        q: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        batch_id: str | None = None,
        page_size: int = 50,
    ) -> Generator[Record]:
        """Records, newest first; asks for a page when the one before has been used up.

        Args:
            state: only those in it.
            name: only those of that task.
            queue: only those of that queue.
            worker: only those that this worker was the last to start.
            submitted_by: only those of that submitter.
            fingerprint: only those that ended with an error of that fingerprint.
            q: only those with that text in arguments, result or error.
            since: not submitted before that.
            until: not submitted after that.
            batch_id: only those of that batch.
            page_size: so many at a time, at most 200.

        Raises:
            InvalidOption: if a filter cannot be used.
            Unavailable: if the server did not answer in time.
        """
        given: calls.Filters = {
            "state": state,
            "name": name,
            "queue": queue,
            "worker": worker,
            "submitted_by": submitted_by,
            "fingerprint": fingerprint,
            "q": q,
            "since": since,
            "until": until,
            "batch_id": batch_id,
        }
        with closing(self._connection.history({**given, "limit": page_size})) as records:
            yield from records

    def catalog(self) -> tuple[TaskInfo, ...]:
        """The tasks that can be submitted, with the schemas of their arguments and results.

        Raises:
            Unavailable: if the server did not answer in time.
        """
        return self._connection.ask(
            calls.catalog(), lambda doc: tuple(TaskInfo.from_document(each) for each in doc["tasks"])
        )

    def watch(self, *, after: str | None = None, timeout: float | None = None) -> Generator[Change]:
        """The changes of all tasks as they happen, in order, each once; goes on where it was when a connection breaks.

        Args:
            after: the ``cursor`` of the last change that is known; None: only what happens from the first ``next`` on.
            timeout: seconds after which there are no more; None: it does not end.

        Raises:
            ChangesLost: if the server no longer has all that came after the last one.
            Unavailable: if the server did not answer for the client's ``retry_for`` seconds.
        """
        seen = Watching(after, timeout)
        while not seen.is_over:
            seen.stream_begins()
            try:
                with closing(self._connection.events(None, seen.place, seen.until)) as events:
                    for event in events:
                        if (change := seen.takes_event(event)) is not None:
                            yield change
            except Late:
                return
            clock.sleep(seen.pause(self._connection.server.url))
