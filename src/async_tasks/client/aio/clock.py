"""Waiting, in an event loop."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

import httpx

T = TypeVar("T")

sleep = asyncio.sleep


class Reader(Generic[T]):
    """Reads items from a response until there are no more, or the time is over.

    Args:
        items: what is read.
        response: from which.
        until: the moment of the monotonic clock when the time is over; None: never.
    """

    def __init__(self, items: AsyncIterator[T], response: httpx.Response, until: float | None) -> None:  # noqa: ARG002
        self._items = items
        self._until = math.inf if until is None else until

    async def next(self) -> T | None:
        """The next item, or None if there are no more or the time is over.

        Raises:
            httpx.TransportError: if the connection breaks.
        """
        seconds = self._until - time.monotonic()
        try:
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                return await anext(self._items, None)
        except TimeoutError:
            return None

    def hurry(self, seconds: float) -> None:
        """Let the time be over in so many seconds."""
        self._until = min(self._until, time.monotonic() + seconds)

    def close(self) -> None:
        """Read no more."""
