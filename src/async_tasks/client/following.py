"""What has been seen of what is followed, and what to do next. Knows no network."""

from __future__ import annotations

import json
import time
from typing import Final

from httpx_sse import ServerSentEvent

from async_tasks.client.answers import parsed
from async_tasks.client.errors import ChangesLost, Unreachable, WaitTimeout
from async_tasks.client.records import Change, Record
from async_tasks.client.retrying import pause

#: Streams in a row that bring nothing, not even their opening: some proxies hold events back.
MAX_BARREN: Final = 2


class _Followed:
    """What is the same of one task and of all.

    Args:
        place: the last place in the stream of changes that is known; None: none yet.
        timeout: seconds; None: no limit.

    Attributes:
        until: the moment of the monotonic clock when the time is over.
    """

    def __init__(self, place: str | None, timeout: float | None) -> None:
        self.place = place
        self.until = None if timeout is None else time.monotonic() + timeout
        self._barren = 0
        self._idle = 0

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return self.until is not None and time.monotonic() >= self.until

    def stream_begins(self) -> None:
        """A stream is being opened."""
        self._barren += 1

    def _sees(self, event: ServerSentEvent) -> None:
        self._barren = 0
        self.place = event.id or self.place

    def _pause(self) -> float:
        seconds = pause(self._idle)
        self._idle += 1
        return seconds if self.until is None else min(seconds, max(0, self.until - time.monotonic()))


class Following(_Followed):
    """One task that is followed to its end.

    Attributes:
        record: as last seen.
    """

    def __init__(self, task_id: str, timeout: float | None) -> None:
        super().__init__(None, timeout)
        self._task_id = task_id
        self._timeout = timeout
        self.record: Record | None = None

    @property
    def finished(self) -> bool:
        """Whether the end has been seen."""
        return self.record is not None and self.record.finished

    @property
    def wants_stream(self) -> bool:
        """Whether a stream is worth opening; else the task is asked for again and again."""
        return self._barren < MAX_BARREN and not self.is_over

    def takes_event(self, event: ServerSentEvent) -> Record | None:
        """Take an event of the stream.

        Returns:
            The record, if it is not the one that was seen last.
        """
        self._sees(event)
        if event.event != "change":
            return None
        return self.takes(parsed(lambda text: Record.from_document(json.loads(text)), event.data))

    def takes(self, record: Record) -> Record | None:
        """Take the record as it is now.

        Returns:
            It, if it is not the one that was seen last: the same comes twice when a stream is resumed.
        """
        if record == self.record:
            return None
        self.record = record
        self._idle = 0
        return record

    def pause(self) -> float:
        """Seconds before the next stream or question: more and more while nothing changes.

        Raises:
            WaitTimeout: if the time is over.
        """
        if self.finished:
            return 0
        if self.is_over:
            raise self.timeout()
        return self._pause()

    def timeout(self) -> WaitTimeout:
        """The error when the time is over."""
        return WaitTimeout(self._task_id, self._timeout or 0, self.record)


class Watching(_Followed):
    """All tasks, without an end."""

    def takes_event(self, event: ServerSentEvent) -> Change | None:
        """Take an event of the stream.

        Raises:
            ChangesLost: if it says that some are missing.
        """
        if event.event == "lost":
            raise ChangesLost(self.place)
        self._sees(event)
        if event.event != "change":
            return None
        self._idle = 0
        return parsed(lambda text: Change.from_document(event.id, json.loads(text)), event.data)

    def pause(self, url: str) -> float:
        """Seconds before the next stream.

        Raises:
            Unreachable: if streams are opened and nothing comes of them; there is no other way to see all changes.
        """
        if self._barren > MAX_BARREN:
            raise Unreachable(url, "its events do not come through; a proxy may hold them back")
        return self._pause()
