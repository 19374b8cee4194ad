"""A worker's heartbeat: what its main process says of itself in the ledger, and what it hears there.

It hears which queues are paused, and consumes them no more. Nothing depends on how soon: a claim of what is in a paused
queue is refused from the moment at which that was commanded.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
from celery import bootsteps
from celery.concurrency.prefork import TaskPool as PreforkPool
from celery.worker import state

from async_tasks.engine.errands import declare_limits
from async_tasks.engine.worker import DispatcherKeeper
from async_tasks.errors import StoreUnavailable
from async_tasks.ledger import BEAT, Sign, StoreConnection, Workers

if TYPE_CHECKING:
    from async_tasks.engine.app import App

log = structlog.get_logger(__name__)

#: Seconds that the main process waits for the store, and after which it tries again: it has the broker to serve.
PATIENCE: Final = 0.5
REST: Final = 5.0
#: Seconds between two looks at the memory, which costs a millisecond for each process.
WEIGH: Final = 10.0


class Heartbeat(bootsteps.StartStopStep):
    """Says every ``BEAT`` seconds that the worker lives, and lets its queues pause and go on."""

    requires = (DispatcherKeeper,)

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self.app: App = worker.app
        self.worker = worker
        # Of its own: the ledger's waits longer, and the pool's processes use it.
        self._connection = StoreConnection(self.app.settings.store(), timeout=PATIENCE, patience=0)
        self._workers = Workers(self._connection)
        self._began = time.monotonic()
        self._next = 0.0
        self._weighed_at = float("-inf")
        self._memory: int | None = None
        self._stopped = threading.Event()
        self._intake = Intake(self.app, worker)

    def start(self, worker: Any) -> None:
        """Be known before the first message is consumed, know what is paused, and let the ledger know the limits."""
        self.beat()
        with suppress(StoreUnavailable):  # a dispatcher does it when the store is back
            declare_limits(self.app)
        self.app.beat = self.beat
        if worker.use_eventloop and isinstance(worker.pool, PreforkPool):
            # No thread may live in this process while it forks children.
            worker.timer.call_repeatedly(BEAT, self.beat)
        else:
            threading.Thread(target=self._beat_for_ever, daemon=True, name="heartbeat").start()

    def _beat_for_ever(self) -> None:
        while not self._stopped.wait(BEAT):
            self.beat()

    def beat(self) -> None:
        """Say it, unless it was said a moment ago or the store is away."""
        now = time.monotonic()
        if now < self._next or self._stopped.is_set():
            return
        try:
            paused = self._workers.beat(self.worker.hostname, self.app.owner, now - self._began, self._sign(now))
        except StoreUnavailable as exc:
            log.debug("no heartbeat", reason=str(exc))
            self._next = time.monotonic() + REST
        else:
            self._next = now + BEAT / 2
            self._intake.follow(paused)

    def _sign(self, now: float) -> Sign:
        worker = self.worker
        if now - self._weighed_at >= WEIGH:
            self._weighed_at, self._memory = now, memory_of([os.getpid(), *pool_pids(worker.pool)])
        return Sign(
            host=socket.gethostname(),
            pid=os.getpid(),
            version=VERSION,
            pool=type(worker.pool).__module__.rpartition(".")[2],
            size=getattr(worker.pool, "num_processes", None) or worker.concurrency,
            queues=tuple(sorted(self._intake.queues)),
            memory=self._memory,
            taken=len(state.reserved_requests),
            done=state.all_total_count[0] - len(state.active_requests),
            dispatcher=worker.dispatcher_keeper.alive,
            stopping=self.app.stopping,
        )

    def stop(self, worker: Any) -> None:
        """Take leave: a worker that ends in order is not lost."""
        self._stopped.set()
        try:
            self._workers.leave(worker.hostname, self.app.owner)
        except StoreUnavailable as exc:
            log.debug("the worker will be shown as lost", reason=str(exc))
        self._connection.close()


class Intake:
    """The queues that a worker consumes: its own without those that are paused.

    Args:
        app: the application.
        worker: whose consumer it is.
    """

    def __init__(self, app: App, worker: Any) -> None:
        self.app = app
        self.worker = worker
        self.queues = frozenset(app.amqp.queues.consume_from)
        self._closed: set[str] = set()

    def follow(self, paused: frozenset[str]) -> None:
        """Consume what is not paused; called from anywhere in the main process."""
        wanted = self.queues & paused
        if wanted == self._closed:
            return
        if self.worker.consumer.task_consumer is None:
            self._change(wanted)  # before there is a connection; it begins with what is selected
        else:
            # In the event loop, as it may be in the middle of reading.
            self.worker.consumer.call_soon(self._change, wanted)

    def _change(self, wanted: frozenset[str]) -> None:
        consumer = self.worker.consumer
        try:
            for name in sorted(wanted - self._closed):
                self._closed.add(name)
                self.app.amqp.queues.deselect(name)
                if consumer.task_consumer is not None:
                    consumer.task_consumer.cancel_by_queue(name)
                log.info("queue paused", queue=name)
            for name in sorted(self._closed - wanted):
                self._closed.discard(name)
                queue = self.app.amqp.queues.select_add(self.app.amqp.queues[name])
                if consumer.task_consumer is not None and not self.app.stopping:
                    consumer.task_consumer.add_queue(queue)
                    consumer.task_consumer.consume()
                log.info("queue goes on", queue=name)
        except (*consumer.connection_errors, *consumer.channel_errors) as exc:
            # The next connection consumes what is selected.
            log.info("the broker went away meanwhile", reason=repr(exc))


def pool_pids(pool: Any) -> list[int]:
    """The processes of a prefork pool; other pools have none of their own."""
    processes = getattr(getattr(pool, "_pool", None), "_pool", None) if isinstance(pool, PreforkPool) else None
    return [process.pid for process in processes or ()]


def memory_of(pids: Iterable[int]) -> int | None:
    """Bytes of these processes, what they share counted once (PSS); None where the system does not tell."""
    total = 0
    for pid in pids:
        try:
            with Path(f"/proc/{pid}/smaps_rollup").open("rb") as rollup:
                total += next(int(line.split()[1]) for line in rollup if line.startswith(b"Pss:"))
        except FileNotFoundError:
            continue  # it has just ended
        except (OSError, StopIteration):
            return None
    return total * 1024 or None


VERSION: Final = version("async-tasks")
