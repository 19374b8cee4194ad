"""What a running task hears and says: its progress goes to the record, and the wish to stop it comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from async_tasks import effects, progress
from async_tasks.ledger import Heard, Progress

if TYPE_CHECKING:
    from async_tasks.engine.app import App

#: Seconds between two stored reports of progress of one task.
PROGRESS_INTERVAL: Final = 0.2


# Like asyncio's CancelledError no Exception: a task that goes on after any error must still stop.
class TaskCancelled(BaseException):
    """Raised by ``report_progress`` in a task that somebody has cancelled."""


class ClaimLost(BaseException):
    """Raised by ``report_progress`` and ``effect_once`` in a task that another worker runs by now."""


class _Effects:
    """The effects of one run, in the ledger."""

    def __init__(self, app: App, request: Any) -> None:
        self.app = app
        self.request = request

    def find(self, key: str) -> tuple[bool, Any]:
        answer, value = self.app.ledger.find_effect(self.request.id, self.request.claim_token, key)
        if answer == "lost":
            raise ClaimLost
        return answer == "done", value

    def keep(self, key: str, value: Any) -> None:
        self.app.ledger.keep_effect(self.request.id, key, value)


class _Reports:
    """The progress of one run: stored at most once in ``PROGRESS_INTERVAL``, and the last always."""

    def __init__(self, app: App, request: Any) -> None:
        self.app = app
        self.request = request
        self._lock = threading.Lock()
        self._waiting: Progress | None = None
        self._stored_at = float("-inf")
        self._timer: threading.Timer | None = None

    def report(self, done: float, total: float | None, message: str | None) -> None:
        """Called by the task; raises in it what it must hear."""
        heard = "ok"
        with self._lock:
            self._waiting = Progress(done=done, total=total, message=message)
            pause = PROGRESS_INTERVAL - (time.monotonic() - self._stored_at)
            if pause <= 0:
                heard = self._store()
            elif self._timer is None:
                # It may be silent for long from here on.
                self._timer = threading.Timer(pause, self._store_late)
                self._timer.daemon = True
                self._timer.start()
        if heard == "cancel":
            raise TaskCancelled
        if heard == "lost":
            raise ClaimLost

    def end(self) -> None:
        """Store what waits; the task has ended."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._store()

    def _store_late(self) -> None:
        with self._lock:
            self._timer = None
            self._store()

    def _store(self) -> Heard:
        if self._waiting is None:
            return "ok"
        report, self._waiting = self._waiting, None
        self._stored_at = time.monotonic()
        return self.app.ledger.progress(self.request.id, self.request.claim_token, report)


@contextmanager
def reporting(app: App, request: Any) -> Iterator[None]:
    """Let ``report_progress`` and ``effect_once`` reach the record while a task runs."""
    reports = _Reports(app, request)
    reset = progress.reporter.set(reports.report)
    forget = effects.keeper.set(_Effects(app, request))
    try:
        yield
    finally:
        progress.reporter.reset(reset)
        effects.keeper.reset(forget)
        reports.end()
