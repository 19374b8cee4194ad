"""Waiting, in a thread."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Generic, TypeVar

import httpx

T = TypeVar("T")

sleep = time.sleep


class Reader(Generic[T]):
    """Reads items from a response until there are no more, or the time is over.

    A thread that reads can be woken only by the end of what it reads from, and httpx fixes the timeout of all reads
    when the request is sent: so the connection is shut when the time is over.

    Args:
        items: what is read.
        response: from which.
        until: the moment of the monotonic clock when the time is over; None: never.
    """

    def __init__(self, items: Iterator[T], response: httpx.Response, until: float | None) -> None:
        self._items = items
        self._response = response
        self._until = math.inf
        self._timer: threading.Timer | None = None
        if until is not None:
            self._set_timer(until)

    def next(self) -> T | None:
        """The next item, or None if there are no more or the time is over.

        Raises:
            httpx.TransportError: if the connection breaks.
        """
        try:
            return next(self._items, None)
        except httpx.TransportError:
            if time.monotonic() < self._until:
                raise
            return None

    def hurry(self, seconds: float) -> None:
        """Let the time be over in so many seconds."""
        self._set_timer(min(self._until, time.monotonic() + seconds))

    def close(self) -> None:
        """Read no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self, until: float) -> None:
        self.close()
        self._until = until
        self._timer = threading.Timer(max(0.0, until - time.monotonic()), self._shut)
        self._timer.daemon = True
        self._timer.start()

    def _shut(self) -> None:
        stream = self._response.extensions.get("network_stream")
        connection = stream and stream.get_extra_info("socket")
        # Once the response has been read, its connection serves another.
        if connection is not None and not self._response.is_closed:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
