"""What the broker has, on its way to the ledger."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Final

from async_tasks.ledger import Envelope

#: Seconds for which confirms are gathered before the ledger is told.
GATHER: Final = 0.02


class Confirmations:
    """Tells the ledger what the broker has, many messages at a time and off the caller's way.

    Nothing depends on it being prompt: what is not told in time is published once more, which a claim's
    compare-and-set makes harmless.

    Args:
        note: tells the ledger.
        most: so many of them at a time.
    """

    def __init__(self, note: Callable[[list[tuple[str, Envelope]]], None], most: int) -> None:
        self._note = note
        self._most = most
        self._queue: queue.SimpleQueue[tuple[str, Envelope] | Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def add(self, task_id: str, envelope: Envelope) -> None:
        """Note soon that the broker has this message."""
        self._put((task_id, envelope))

    def make(self, move: Callable[[], None], patience: float) -> None:
        """Make another move of the ledger; the caller waits for it at most so long (seconds)."""
        made = threading.Event()

        def make() -> None:
            move()
            made.set()

        self._put(make)
        made.wait(patience)

    def _put(self, entry: tuple[str, Envelope] | Callable[[], None]) -> None:
        if self._pid != os.getpid():
            # The first one of this process: threads do not survive a fork.
            self._pid = os.getpid()
            self._queue = queue.SimpleQueue()
            self._thread = threading.Thread(target=self._work, daemon=True, name="confirmations")
            self._thread.start()
        self._queue.put(entry)

    def close(self) -> None:
        """Tell what is left."""
        if self._thread is not None and self._pid == os.getpid():
            self._queue.put(None)
            self._thread.join(timeout=5)
            self._thread = None
            self._pid = 0

    def _work(self) -> None:
        open_ = True
        while open_:
            batch = [self._queue.get()]
            time.sleep(GATHER)
            while not self._queue.empty():
                batch.append(self._queue.get())
            open_ = None not in batch
            confirmed = [entry for entry in batch if isinstance(entry, tuple)]
            for start in range(0, len(confirmed), self._most):
                self._note(confirmed[start : start + self._most])
            for entry in batch:
                if callable(entry):
                    entry()
