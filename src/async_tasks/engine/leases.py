"""The leases of what a pool process runs, renewed by that process too.

A worker's main process renews them, so that a task which keeps its process busy cannot lose its claim. But it stands
still while it waits for a broker that is away or says nothing, and what its processes run goes on meanwhile.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import structlog
from billiard.process import current_process

from async_tasks.errors import StoreUnavailable

if TYPE_CHECKING:
    from async_tasks.engine.app import App

log = structlog.get_logger(__name__)

#: A lease is renewed so often within its time: two signs of life may be lost without harm.
RENEWALS_PER_LEASE: Final = 4


class _Renewal:
    """A thread that renews what this process runs for longer than a moment, as long as its main process lives."""

    def __init__(self) -> None:
        self._pid = 0
        self._running: dict[str, float] = {}  # ids, by when they began

    def begin(self, app: App, task_id: str) -> None:
        """Renew this one too."""
        if self._pid != os.getpid():  # the first task of this process
            self._pid = os.getpid()
            self._running = {}
            threading.Thread(target=self._work, args=(app, os.getppid()), daemon=True, name="leases").start()
        self._running[task_id] = time.monotonic()

    def end(self, task_id: str) -> None:
        """It has ended."""
        self._running.pop(task_id, None)

    def _work(self, app: App, main_process: int) -> None:
        interval = app.settings.lease / RENEWALS_PER_LEASE
        while True:
            time.sleep(interval)
            if os.getppid() != main_process:
                return  # nobody gives these tasks back: their leases must run out
            now = time.monotonic()
            ids = [task_id for task_id, began in tuple(self._running.items()) if now - began >= interval]
            if not ids:
                continue
            try:
                app.ledger.renew(app.owner, app.settings.lease, ids)
            except StoreUnavailable as exc:
                log.warning("leases not renewed", reason=str(exc))


_renewal: Final = _Renewal()


@contextmanager
def renewed(app: App, task_id: str) -> Iterator[None]:
    """Renew the lease of a task while this process runs it; in the main process another thread does."""
    if current_process().name == "MainProcess":
        yield
        return
    _renewal.begin(app, task_id)
    try:
        yield
    finally:
        _renewal.end(task_id)
