"""The changes that were read last, kept for those who come back: thousands may, at once, and ask for the same."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from async_tasks.web.sse import position
from async_tasks.web.subscriptions import Event

#: Changes kept: somewhat more than the store does, so that what was fetched from it for one is there for the next.
KEPT: Final = 12_000


class History:
    """Every change from one place in the stream to what was read last, without a gap. Not thread-safe.

    Args:
        start: the place after which it begins.
    """

    def __init__(self, start: str) -> None:
        self.start = position(start)
        #: The place up to which it goes.
        self.end = start
        self._places: list[tuple[int, int]] = []
        self._events: list[Event] = []

    def after(self, place: tuple[int, int]) -> list[Event] | None:
        """What came after a place; None if that lies before the beginning."""
        if place < self.start:
            return None
        return self._events[bisect_right(self._places, place) :]

    def append(self, cursor: str, event: Event) -> None:
        """Add what has just been read."""
        self.end = cursor
        self._places.append(position(cursor))
        self._events.append(event)
        if len(self._events) > KEPT * 1.1:  # seldom, as it moves all that stays
            surplus = len(self._events) - KEPT
            self.start = self._places[surplus - 1]
            del self._places[:surplus], self._events[:surplus]

    def prepend(self, start: tuple[int, int], events: Sequence[Event]) -> None:
        """Begin further back.

        Args:
            start: the place after which it begins now.
            events: all that came after it; what is here already is left out.
        """
        older = [(position(event.change.cursor), event) for event in events if event.change]
        older = [(place, event) for place, event in older if start < place <= self.start]
        self._places[:0] = [place for place, _ in older]
        self._events[:0] = [event for _, event in older]
        self.start = start
