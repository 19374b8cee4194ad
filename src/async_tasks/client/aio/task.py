"""One submitted task, from the side of who submitted it."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final, Generic, TypeVar, overload

from async_tasks.client import calls
from async_tasks.client.aio import clock
from async_tasks.client.aio.connection import AsyncConnection
from async_tasks.client.entries import ResultType
from async_tasks.client.errors import AlreadyFinished, TaskFailed, TaskRevoked
from async_tasks.client.following import Following
from async_tasks.client.records import BatchStatus, Record, State
from async_tasks.client.retrying import Late

R_co = TypeVar("R_co", covariant=True)

#: Records that a batch looks at at a time.
PAGE_SIZE: Final = 200


class AsyncTaskHandle(Generic[R_co]):
    """One submitted task. Made by the client; it holds no more than the id, and may be shared.

    Attributes:
        id: of the task: ``client.task(id)`` makes a handle of it again.
    """

    def __init__(self, connection: AsyncConnection, task_id: str, result: ResultType[R_co]) -> None:
        self.id = task_id
        self._connection = connection
        self._result = result

    async def record(self) -> Record:
        """All that is known of it now.

        Raises:
            UnknownRecord: if the server does not know it (any more).
            Unavailable: if the server did not answer in time.
        """
        return await self._connection.ask(calls.record(self.id), Record.from_document)

    async def watch(self, timeout: float | None = None) -> AsyncGenerator[Record]:  # noqa: ASYNC109
        """Its record as it is, then again whenever it has changed, the last time when it has finished.

        Goes on where it was when a connection breaks or the server restarts. Changes that follow each other closely
        may come as one; the timeline has them all.

        Args:
            timeout: seconds; None: as long as it takes.

        Raises:
            WaitTimeout: if it has not finished by then.
            UnknownRecord: if the server does not know it (any more).
            Unavailable: if the server did not answer for the client's ``retry_for`` seconds.
        """
        seen = Following(self.id, timeout)
        try:
            while not seen.finished:
                async with aclosing(self._news(seen)) as records:
                    async for record in records:
                        yield record
                await clock.sleep(seen.pause())
        except Late as exc:
            raise seen.timeout() from exc.__cause__

    async def wait(self, timeout: float | None = None) -> Record:  # noqa: ASYNC109
        """Its record when it has finished.

        Args:
            timeout: seconds; None: as long as it takes.

        Raises:
            WaitTimeout: if it has not finished by then; it goes on.
            UnknownRecord: if the server does not know it (any more).
            Unavailable: if the server did not answer for the client's ``retry_for`` seconds.
        """
        async with aclosing(self.watch(timeout)) as records:
            found = [record async for record in records if record.finished]
        return found[-1]

    async def result(self, timeout: float | None = None) -> R_co:  # noqa: ASYNC109
        """What it returned, when it has finished: of the type that the local function says, where there is one.

        Args:
            timeout: seconds; None: as long as it takes.

        Raises:
            TaskFailed: if it failed, with the error of the worker.
            TaskRevoked: if it was cancelled or expired.
            ResultMismatch: if the result does not fit the type.
            WaitTimeout: if it has not finished by then; it goes on.
            UnknownRecord: if the server does not know it (any more).
            Unavailable: if the server did not answer for the client's ``retry_for`` seconds.
        """
        return self.result_of(await self.wait(timeout))

    def result_of(self, record: Record) -> R_co:
        """What it returned by a record of it that has finished. Asks nothing.

        Raises:
            Unsuccessful, ResultMismatch: as ``result`` does.
        """
        if record.state is State.SUCCESS:
            return self._result.read(record.result)
        failure = TaskFailed(record) if record.state is State.FAILURE else TaskRevoked(record)
        if failure.traceback:
            failure.add_note(f"In the worker:\n{failure.traceback}")
        raise failure

    async def cancel(self) -> Record:
        """Cancel it: if it waits it never starts, and if it runs it is being stopped. Again is no error.

        Raises:
            AlreadyFinished: if it has succeeded or failed.
            UnknownRecord: if the server does not know it (any more).
            Unavailable: if the server did not answer in time.
        """
        try:
            return await self._connection.ask(calls.cancel(self.id), Record.from_document)
        except AlreadyFinished:
            # The answer to the first attempt may have been lost.
            record = await self.record()
            if record.state is State.REVOKED:
                return record
            raise

    async def replay(
        self, arguments: Mapping[str, Any] | None = None, *, idempotency_key: str | None = None
    ) -> AsyncTaskHandle[R_co]:
        """Submit it again once it has finished; the two records name each other.

        Args:
            arguments: all arguments by name; None: those that it had.
            idempotency_key: as in ``with_options``.

        Raises:
            NotFinished: if it may still run.
            InvalidArguments: if the arguments do not fit the task as it is today.
            UnknownRecord: if the server does not know it (any more).
            Unavailable: if the server did not answer in time.
        """
        call = calls.replay(self.id, arguments, idempotency_key)
        record = await self._connection.ask(call, Record.from_document)
        return AsyncTaskHandle(self._connection, record.id, self._result)

    async def _news(self, seen: Following) -> AsyncGenerator[Record]:
        # Asked first: it costs less than a stream, and one that broke may have been about to say it.
        latest = await self._connection.ask(calls.record(self.id), Record.from_document, seen.until)
        if (record := seen.takes(latest)) is not None:
            yield record
        if not seen.finished and seen.wants_stream:
            seen.stream_begins()
            async with aclosing(self._connection.events(self.id, seen.place, seen.until)) as events:
                async for event in events:
                    if (record := seen.takes_event(event)) is not None:
                        yield record

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AsyncTaskHandle):
            return NotImplemented
        return (self.id, self._connection.server.url) == (other.id, other._connection.server.url)

    def __hash__(self) -> int:
        return hash(self.id)


class AsyncBatch(Sequence[AsyncTaskHandle[R_co]]):
    """The tasks of one batch, in the order of its entries.

    Attributes:
        id: of the batch: ``client.list(batch_id=…)`` finds its records.
    """

    def __init__(self, connection: AsyncConnection, batch_id: str, tasks: Sequence[AsyncTaskHandle[R_co]]) -> None:
        self.id = batch_id
        self._connection = connection
        self._tasks = tuple(tasks)

    @overload
    def __getitem__(self, index: int) -> AsyncTaskHandle[R_co]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[AsyncTaskHandle[R_co]]: ...
    def __getitem__(self, index: int | slice) -> AsyncTaskHandle[R_co] | Sequence[AsyncTaskHandle[R_co]]:
        return self._tasks[index]

    def __len__(self) -> int:
        return len(self._tasks)

    async def wait(self, timeout: float | None = None) -> Sequence[Record]:  # noqa: ASYNC109
        """The records of all, in order, when all have finished.

        Args:
            timeout: seconds for all together; None: as long as it takes.

        Raises:
            Exception: what ``wait`` of a task raises.
        """
        until = math.inf if timeout is None else time.monotonic() + timeout
        found: dict[str, Record] = {}
        while missing := [task for task in self if task.id not in found]:
            last = missing[-1]
            left = until - time.monotonic()
            found[last.id] = await last.wait(None if timeout is None else max(0, left))
            if len(missing) > PAGE_SIZE:
                # A page costs about as much as a few records.
                async with aclosing(self._connection.history({"batch_id": self.id, "limit": PAGE_SIZE})) as records:
                    found |= {record.id: record async for record in records if record.finished}
        return [found[task.id] for task in self]

    async def status(self) -> BatchStatus:
        """How far it is: one call, however many tasks it has.

        Raises:
            UnknownRecord: if the server does not know it (any more).
            Unavailable: if the server did not answer in time.
        """
        return await self._connection.ask(calls.batch_status(self.id), BatchStatus.from_document)

    async def results(self, timeout: float | None = None) -> Sequence[R_co]:  # noqa: ASYNC109
        """What all returned, in order, when all have finished.

        Args:
            timeout: seconds for all together; None: as long as it takes.

        Raises:
            Exception: what ``result`` of a task raises, for the first that has none.
        """
        records = await self.wait(timeout)
        return [task.result_of(record) for task, record in zip(self, records, strict=True)]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, {len(self)} tasks)"
