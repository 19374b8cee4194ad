"""The connections to one server: sends calls, sends them again, reads streams."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final, TypeVar

import httpx
from httpx_sse import EventSource, ServerSentEvent

from async_tasks.client import answers, calls
from async_tasks.client.aio import clock
from async_tasks.client.calls import Call
from async_tasks.client.errors import Unavailable, UnexpectedAnswer
from async_tasks.client.records import Record
from async_tasks.client.retrying import Attempts, Late
from async_tasks.client.server import LIMITS, Server

T = TypeVar("T")

logger = logging.getLogger("async_tasks.client")

#: Seconds of silence after which a stream is taken for broken: the server says something every 15.
SILENCE: Final = 20.0


class AsyncConnection:
    """One pool of connections, shared by a client and all its tasks.

    Args:
        server: where, and as whom.
        timeout: seconds that each step of an attempt may take: to connect, to send, to be answered.
        retry_for: seconds after which a call that finds no answer is given up.
        http: the pool; None: one of its own.
    """

    def __init__(self, server: Server, *, timeout: float, retry_for: float, http: httpx.AsyncClient | None) -> None:
        self.server = server
        self._timeout = timeout
        self._retry_for = retry_for
        self._own = http is None
        self._http = httpx.AsyncClient(limits=LIMITS) if http is None else http

    async def aclose(self) -> None:
        """Close the pool, if it is our own."""
        if self._own:
            await self._http.aclose()

    async def ask(self, call: Call, read: Callable[[Mapping[str, Any]], T], until: float | None = None) -> T:
        """Send a call until it is answered.

        Args:
            call: what to send.
            read: makes of the answer's document what is returned.
            until: a moment of the monotonic clock after which no attempt is begun.

        Raises:
            Late: if it is past ``until``.
            ClientError: what went wrong.
        """
        response = await self._answer(call, Attempts(self._retry_for, until), stream=False)
        return answers.parsed(read, answers.document(response))

    async def history(self, filters: calls.Filters) -> AsyncGenerator[Record]:
        """Records, newest first; a page is asked for when the one before has been used up.

        Raises:
            ClientError: what went wrong.
        """
        cursor: str | None = None
        while True:
            tasks, cursor = await self.ask(calls.history({**filters, "cursor": cursor}), _page)
            for record in tasks:
                yield record
            if cursor is None:
                return

    async def events(
        self, task_id: str | None, after: str | None, until: float | None
    ) -> AsyncGenerator[ServerSentEvent]:
        """The events of one stream, until it ends or breaks or the time is over; no error says which.

        Args:
            task_id: the task; None: all.
            after: a place in the stream of changes; None: from what is now.
            until: the moment of the monotonic clock when the time is over; None: never.

        Raises:
            ClientError: if the stream of all cannot be opened, or the server refuses either. That of one task is
                not tried again: the task can be asked for instead.
            Late: if that of all cannot be opened and it is past ``until``.
        """
        attempts = Attempts(self._retry_for if task_id is None else 0, until)
        try:
            response = await self._answer(calls.events(task_id, after), attempts, stream=True)
        except (Unavailable, Late):
            if task_id is None:
                raise
            return
        reader = clock.Reader(EventSource(response).aiter_sse(), response, until)
        try:
            while (event := await reader.next()) is not None:
                yield event
                if event.event == "end":
                    # Read to its end, which follows at once, the connection can serve another call.
                    reader.hurry(1)
        except httpx.TransportError as exc:
            logger.info("The stream of %s broke: %r", response.request.url.path, exc)
        finally:
            reader.close()
            await response.aclose()

    async def _answer(self, call: Call, attempts: Attempts, *, stream: bool) -> httpx.Response:
        while True:
            try:
                return await self._attempt(call, attempts, stream=stream)
            except Unavailable as exc:
                exc.idempotency_key = call.idempotency_key
                if answers.is_hopeless(exc):
                    raise
                pause = attempts.pause_after(exc)
                logger.warning("%s %s, again in %.1f s: %s", call.method, call.path, pause, exc)
            await clock.sleep(pause)

    async def _attempt(self, call: Call, attempts: Attempts, *, stream: bool) -> httpx.Response:
        seconds = attempts.timeout(self._timeout)
        longest = SILENCE if stream else max(self._timeout, call.longest)
        timeout = httpx.Timeout(seconds, read=attempts.timeout(longest))
        request = self._http.build_request(**self.server.request(call), timeout=timeout)
        try:
            response = await self._http.send(request, stream=stream)
            if stream and not response.is_success:
                await response.aread()
        except httpx.TransportError as exc:
            raise answers.no_answer(self.server.url, exc) from exc
        except httpx.DecodingError as exc:
            raise UnexpectedAnswer(f"The answer of {self.server.url} cannot be decoded: {exc}") from exc
        if not response.is_success:
            raise answers.error(response)
        return response


def _page(doc: Mapping[str, Any]) -> tuple[list[Record], str | None]:
    return [Record.from_document(each) for each in doc["tasks"]], doc["next_cursor"]
