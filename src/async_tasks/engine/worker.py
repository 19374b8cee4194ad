"""What a worker's main process does beyond Celery's: keep leases, stop what is cancelled, run a dispatcher."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog
from billiard.common import TERM_SIGNAME
from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import Terminated
from celery import bootsteps, signals
from celery.concurrency.prefork import TaskPool as PreforkPool
from celery.exceptions import Ignore, WorkerLostError
from celery.worker import request as celery_request
from celery.worker import state

from async_tasks.engine import task_logs
from async_tasks.engine.leases import RENEWALS_PER_LEASE
from async_tasks.engine.shutdown import HANDED_BACK
from async_tasks.errors import StoreUnavailable
from async_tasks.ledger import State
from async_tasks.logs import configure_logging

if TYPE_CHECKING:
    from async_tasks.engine.app import App

log = structlog.get_logger(__name__)

#: Seconds between two looks whether the dispatcher still lives.
DISPATCHER_WATCH: Final = 1.0
#: Seconds between two looks whether a pool process has died.
POOL_WATCH: Final = 0.5
#: What the pool raises SoftTimeLimitExceeded for in the task's process.
SOFT_STOP: Final = signal.SIGUSR1
#: Seconds that the main process waits for the store: it must go on serving the broker.
PARENT_PATIENCE: Final = 1.0


#: What the pool says of a process that ended while it ran a task.
ENDED: Final = WorkerLostError | SystemExit | KeyboardInterrupt


class NotYet(Ignore):
    """Raised for a message whose record is held: it may not start yet, and comes again when it may."""


class Request(celery_request.Request):
    """A request that gives its record back when its process has died, and says why when it was not run."""

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        """Called by the pool; see ``celery.worker.request.Request.on_failure``."""
        exc = exc_info.exception
        if isinstance(exc, ExceptionWithTraceback):
            exc = exc.exc
        app: App = self.app
        if app.stopping and isinstance(exc, ENDED | Terminated):
            return self._release(app)
        if isinstance(exc, ENDED):
            try:
                # Before Celery requeues the message: the next claim must find it free.
                app.ledger.hand_back(self.id, app.owner, f"its process died: {exc}", app.settings.max_losses)
            except StoreUnavailable:
                log.warning("could not hand a task back; its lease will run out", task_id=self.id)
        elif isinstance(exc, Ignore) and not isinstance(exc, NotYet):
            self._say_why_not()
        return super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)

    def _release(self, app: App) -> None:
        """Give the record to a dispatcher, as the worker stops.

        Given back to the broker the message would come nearer to its queue's delivery limit with each restart.
        """
        state.task_ready(self)
        try:
            app.ledger.release(self.id, app.owner, HANDED_BACK)
        except StoreUnavailable:
            log.warning("could not hand a task back; its lease will run out", task_id=self.id)
            self.reject(requeue=True)
        else:
            self.acknowledge()

    def _say_why_not(self) -> None:
        """Tell monitors such as Flower that the task is revoked: to them it has started, and no end would come."""
        app: App = self.app
        with suppress(StoreUnavailable):
            record = app.ledger.get(self.id)
            if record is not None and record.state is State.REVOKED:
                self.send_event("task-revoked", terminated=False, signum=None, expired=False)


class LeaseKeeper(bootsteps.StartStopStep):
    """Renews the leases of what this worker runs, and stops what has been cancelled.

    The main process does it, not the child that runs the task, so that a busy child cannot lose its claim.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self.app: App = worker.app
        self._stopped = threading.Event()
        self._asked_to_stop: dict[str, float] = {}  # ids of cancelled tasks that run, by when they were asked
        # Inherited by the pool's processes, which are forked later. Unique to this start of the worker.
        self.app.owner = f"{worker.hostname}|{uuid.uuid4().hex[:12]}"
        # What stands now is never garbage. Without this each pool process copies it all at its first collection,
        # which writes to every object: about 20 MB a process.
        gc.collect()
        gc.freeze()

    def start(self, worker: Any) -> None:
        """Take back what an earlier worker of this name left behind, and begin to renew."""
        settings = self.app.settings
        try:
            given_back = self.app.ledger.succeed_worker(worker.hostname, self.app.owner, settings.max_losses)
        except StoreUnavailable as exc:
            log.warning("tasks of an earlier worker wait until their leases run out", reason=str(exc))
        else:
            if given_back:
                log.warning("tasks of an earlier worker of this name run again", count=given_back)
        interval = settings.lease / RENEWALS_PER_LEASE
        if worker.use_eventloop and isinstance(worker.pool, PreforkPool):
            # No thread may live in this process while it forks children.
            self.app.ledger.connection.patience = PARENT_PATIENCE
            worker.timer.call_repeatedly(interval, self.renew, (worker,))
            # The pool looks only every 5 s: it stops watching a process whose end it could not yet collect.
            worker.timer.call_repeatedly(POOL_WATCH, worker.pool.maintain_pool)
        else:
            # The other pools run tasks in this process: a blocked loop must not lose their leases, and
            # they must wait for the store as a pool process would.
            self.app.ledger.connection.patience = None
            threading.Thread(target=self._renew_for_ever, args=(worker, interval), daemon=True).start()

    def _renew_for_ever(self, worker: Any, interval: float) -> None:
        while not self._stopped.wait(interval):
            self.renew(worker)

    def renew(self, worker: Any) -> None:
        """Renew once; costs nothing when nothing runs."""
        running = {request.id: request for request in (*state.active_requests, *state.reserved_requests)}
        if not running:
            return
        try:
            stop = self.app.ledger.renew(self.app.owner, self.app.settings.lease, running)
        except StoreUnavailable as exc:
            log.warning("leases not renewed", reason=str(exc))
            return
        if isinstance(worker.pool, PreforkPool):  # in other pools a task stops at its next report of progress
            self._stop_cancelled(worker, {task_id: running[task_id] for task_id in stop})

    def _stop_cancelled(self, worker: Any, requests: dict[str, Request]) -> None:
        """Softly first, as at a soft time limit; hard after a grace period."""
        now = time.monotonic()
        self._asked_to_stop = {i: since for i, since in self._asked_to_stop.items() if i in requests}
        for task_id, request in requests.items():
            since = self._asked_to_stop.setdefault(task_id, now)
            if since == now:
                log.info("stopping a cancelled task", task_id=task_id)
            if since == now and request.worker_pid:
                # Not by the pool: it would take every later death of this process for our doing, and the task that
                # it then runs for one that was revoked.
                with suppress(ProcessLookupError):
                    os.kill(request.worker_pid, SOFT_STOP)
            elif now - since >= self.app.settings.cancel_grace:
                # The pool's own signal: what SIGTERM means is another's, and its processes may ignore it.
                request.terminate(worker.pool, signal=TERM_SIGNAME)

    def stop(self, worker: Any) -> None:  # noqa: ARG002 - Celery's signature
        """Stop the thread, if there is one; the event loop's timers end with it."""
        self._stopped.set()


class DispatcherKeeper(bootsteps.StartStopStep):
    """Runs a dispatcher beside every worker, as a process of its own.

    Started by exec, not by fork: a thread here would be alive when pool processes are forked, and would
    wait for confirms where the worker's loop must not. It ends when its standard input does, that is with
    this process, however that ends.
    """

    requires = (LeaseKeeper,)

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        worker.dispatcher_keeper = self

    @property
    def alive(self) -> bool:
        """Whether the dispatcher runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, worker: Any) -> None:
        """Start it, and look after it."""
        self.watch()
        worker.timer.call_repeatedly(DISPATCHER_WATCH, self.watch)

    def watch(self) -> None:
        """Start the dispatcher if it does not run."""
        if self._stopping or self.alive:
            return
        if self._process is not None:
            log.warning("the dispatcher ended, starting another", status=self._process.returncode)
            self._close_input()
        self._process = subprocess.Popen([sys.executable, "-m", "async_tasks.engine.dispatcher"], stdin=subprocess.PIPE)

    def stop(self, worker: Any) -> None:  # noqa: ARG002 - Celery's signature
        """End it, after what it is publishing."""
        self._stopping = True
        if self._process is not None:
            self._close_input()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    terminate = stop

    def _close_input(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


def install_steps(app: App) -> None:
    """Add ours to the worker's steps."""
    from async_tasks.engine.heartbeat import Heartbeat

    app.steps["worker"].update({LeaseKeeper, DispatcherKeeper, Heartbeat})
    # Connected, this keeps Celery from setting logging up in its own way.
    signals.setup_logging.connect(_set_up_logging, weak=False, dispatch_uid="async_tasks.logging")
    signals.worker_process_init.connect(_on_pool_process_start, weak=False, dispatch_uid="async_tasks.pool")
    task_logs.install()


def _set_up_logging(loglevel: int | None = None, **_: Any) -> None:
    from celery import current_app

    app: App = current_app._get_current_object()  # noqa: SLF001 - Celery's way to the object behind the proxy
    configure_logging(app.settings, loglevel)


def _on_pool_process_start(**_: Any) -> None:
    """A pool process waits for the store as long as it takes: a task that ran must never lose its result."""
    from celery import current_app

    app: App = current_app._get_current_object()  # noqa: SLF001 - Celery's way to the object behind the proxy
    app.ledger.connection.patience = None
