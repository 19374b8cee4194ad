"""Whether a queue is paused, for the pages of what waits in it: a list asks for each of its lines."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from async_tasks.errors import StoreUnavailable

if TYPE_CHECKING:
    from async_tasks.engine import App

#: Seconds for which an answer of the store is good.
GOOD: Final = 1.0


class PausedQueues:
    """Asks the store at most once in ``GOOD`` seconds.

    Args:
        app: the engine's application.
    """

    def __init__(self, app: App) -> None:
        self.app = app
        self._queues: frozenset[str] = frozenset()
        self._until = 0.0

    def __contains__(self, queue: object) -> bool:
        now = time.monotonic()
        if now > self._until:
            self._until = now + GOOD
            with suppress(StoreUnavailable):  # what was known is the best guess
                self._queues = frozenset(self.app.ledger.controls.paused())
        return queue in self._queues
