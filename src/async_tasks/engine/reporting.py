"""What a running task hears and says: its progress goes to the record, and the wish to stop it comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from async_tasks import effects, progress
from async_tasks.ledger import Progress

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


@contextmanager
def reporting(app: App, request: Any) -> Iterator[None]:
    """Let ``report_progress`` reach the record while a task runs."""
    stored_at = float("-inf")
    pending: Progress | None = None

    def store(report: Progress) -> None:
        nonlocal stored_at, pending
        heard = app.ledger.progress(request.id, request.claim_token, report)
        stored_at, pending = time.monotonic(), None
        if heard == "cancel":
            raise TaskCancelled
        if heard == "lost":
            raise ClaimLost

    def report(done: float, total: float | None, message: str | None) -> None:
        nonlocal pending
        pending = Progress(done=done, total=total, message=message)
        if time.monotonic() - stored_at >= PROGRESS_INTERVAL:
            store(pending)

    reset = progress.reporter.set(report)
    forget = effects.keeper.set(_Effects(app, request))
    try:
        yield
    finally:
        progress.reporter.reset(reset)
        effects.keeper.reset(forget)
        if pending is not None:
            app.ledger.progress(request.id, request.claim_token, pending)
