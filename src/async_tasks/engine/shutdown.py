"""How a worker stops: short tasks finish, long ones are handed back, and it ends in bounded time.

Celery's soft shutdown sleeps for the whole grace period and then talks to the broker and the pool from within a
signal handler, that is in the middle of whatever the main process was doing: leases are not renewed meanwhile,
and now and then it never ends. Here the handler takes note, and the event loop does the work as it goes on.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog
from billiard.common import TERM_SIGNAL
from celery import signals
from celery.apps import worker as celery_worker
from celery.concurrency.prefork import TaskPool as PreforkPool
from celery.platforms import EX_OK
from celery.worker import state

from async_tasks.errors import StoreUnavailable
from async_tasks.ledger import Ledger, StoreConnection

if TYPE_CHECKING:
    from async_tasks.engine.app import App

log = structlog.get_logger(__name__)

#: What the timeline of a task says that its worker gave back.
HANDED_BACK: Final = "its worker was asked to stop"
#: Seconds between two looks whether the tasks that run have finished.
LOOK: Final = 0.2
#: Seconds that the process of a task which is handed back has for its ``finally`` clauses.
CLEAN_UP: Final = 1.0
#: Seconds beyond the grace period after which the process ends whatever holds it: a broker that says nothing,
#: or a pool that cannot be joined.
SLACK: Final = 4.0
#: Seconds that the last call of a process that is forced to end waits for the store.
LAST_CALL: Final = 1.0


class Worker(celery_worker.Worker):
    """Celery's worker, which stops by :class:`GracefulStop`."""

    def install_platform_tweaks(self, worker: Any) -> None:
        """Celery's, and our handlers in place of its."""
        super().install_platform_tweaks(worker)
        GracefulStop(self).install()


class GracefulStop:
    """Stops a worker: at the first signal in its grace period, at another one at once.

    Args:
        worker: to be stopped.
    """

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.app: App = worker.app
        self._pid = os.getpid()
        self._asked_by: signal.Signals | None = None
        self._until = 0.0
        self._consuming = True

    def install(self) -> None:
        """Take SIGTERM, SIGINT and SIGQUIT."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGALRM, self._on_alarm)
        self.worker.timer.call_repeatedly(LOOK, self._look)

    def _on_signal(self, number: int, _frame: Any) -> None:
        # Nothing that locks: the main process may be anywhere.
        if os.getpid() != self._pid:
            return  # a pool process that has no handlers of its own yet
        first, self._asked_by = self._asked_by is None, signal.Signals(number)
        grace = self.app.settings.shutdown_grace if first and number != signal.SIGQUIT else 0
        self._until = time.monotonic() + grace
        self.app.stopping = True
        signal.setitimer(signal.ITIMER_REAL, grace + SLACK)
        if not state.reserved_requests:
            # Also seen where the worker waits for a broker, and no loop runs.
            state.should_stop = EX_OK

    def _look(self) -> None:
        if self._asked_by is None:
            return
        consumer = self.worker.consumer
        if self._consuming:
            self._consuming = False
            log.info(
                "stopping",
                running=len(state.reserved_requests),
                grace=round(max(0.0, self._until - time.monotonic()), 1),
            )
            signals.worker_shutting_down.send(
                sender=self.worker.hostname, sig=self._asked_by.name, how="Warm", exitcode=EX_OK
            )
            consumer.call_soon(self._stop_consuming)
        late = time.monotonic() - self._until
        if late < 0:
            running = set(state.reserved_requests)
        elif isinstance(self.worker.pool, PreforkPool):
            # What no process has taken up yet goes back to the broker with the connection.
            running = {request for request in set(state.reserved_requests) if request.worker_pid}
            self._end_processes(running, TERM_SIGNAL if late < CLEAN_UP else signal.SIGKILL)
        else:
            self._end()  # a thread cannot be ended but with its process
        if not running:
            state.should_stop = EX_OK

    def _stop_consuming(self) -> None:
        consumer = self.worker.consumer
        if consumer.task_consumer is not None:
            with suppress(*consumer.connection_errors, *consumer.channel_errors):
                consumer.task_consumer.cancel()

    def _end_processes(self, requests: set[Any], number: int) -> None:
        # The pool tells Request.on_failure, which gives the record back.
        for request in requests:
            self.worker.pool.terminate_job(request.worker_pid, number)

    def _on_alarm(self, _number: int, _frame: Any) -> None:
        if os.getpid() == self._pid:
            os.write(2, b"worker: did not stop in order, ends now; what it runs is handed back\n")
            self._end()

    def _end(self) -> None:
        """Hand back what runs and end at once."""
        pool = getattr(getattr(self.worker.pool, "_pool", None), "_pool", None) or ()
        for process in tuple(pool) if isinstance(self.worker.pool, PreforkPool) else ():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        try:
            # A connection of its own: ours may be in the middle of a call.
            url = self.app.ledger.connection.url
            ledger = Ledger(StoreConnection(url, timeout=LAST_CALL, patience=LAST_CALL))
            with suppress(StoreUnavailable):
                for request in set(state.reserved_requests):
                    ledger.release(request.id, self.app.owner, HANDED_BACK)
                ledger.workers.leave(self.worker.hostname, self.app.owner)
        finally:
            # Whatever went wrong: the leases run out, and the process must not stay.
            os._exit(EX_OK)
