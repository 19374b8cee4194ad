"""The dispatcher: one mechanism for everything that is due and not published.

Delays, retries, publishes that failed or were never confirmed, records whose worker is gone and messages
that have vanished from their queue: all are entries of the ledger that have come due. Any number of
dispatchers may run; each takes entries atomically, with a lease, so that another goes on if it dies.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Final

import structlog

from async_tasks.engine.app import DEFERRED, App, build
from async_tasks.engine.bulk import Bulk
from async_tasks.engine.dead_letters import DeadLetters
from async_tasks.engine.errands import Errands
from async_tasks.engine.schedules import Schedules
from async_tasks.errors import BrokerUnavailable, StoreUnavailable, Undeliverable
from async_tasks.ledger import Due, Envelope
from async_tasks.logs import configure_logging
from async_tasks.settings import get_settings

log = structlog.get_logger(__name__)

#: Entries taken at a time.
BATCH: Final = 100
#: Seconds that a dispatcher waits for the broker at most. What it has taken is another's a second later, should it have
#: died meanwhile.
PATIENCE: Final = 3.0
#: Seconds between two looks at the store when nothing is due and nobody wakes us.
NAP: Final = 1.0
#: Seconds that a message may be out of sight (taken from the queue, not yet claimed) before it is missed.
VANISHED_AFTER: Final = 5.0
#: Seconds between two looks at how much waits in the queues, of all dispatchers together.
MEASURE_EVERY: Final = 10.0
#: Seconds between two rounds of the trimmer.
TRIM_EVERY: Final = 60.0
#: Records removed at a time, so that nothing else waits for it.
TRIM_BATCH: Final = 500


class Dispatcher:
    """Publishes what is due until it is told to stop."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.stopping = threading.Event()
        self._errands = Errands(app)
        self._schedules = Schedules(app)
        self._bulk = Bulk(app)
        self._dead_letters = DeadLetters(app)
        self._trimmed_at = time.monotonic()
        self._looked_at = 0.0
        self._measured_at = 0.0

    def run(self) -> None:
        """Work until :attr:`stopping` is set."""
        log.info("dispatcher started")
        while not self.stopping.is_set():
            try:
                pause = self.turn()
            except StoreUnavailable as exc:
                log.warning("the store is away", reason=str(exc))
                self.stopping.wait(NAP)
                continue
            if pause > 0 and not self.stopping.is_set():
                self._sleep(pause)
        self._dead_letters.close()
        self.app.close_connections()
        log.info("dispatcher stopped")

    def turn(self) -> float:
        """Take and publish what is due, once.

        Returns:
            Seconds until there is something to do again.

        Raises:
            StoreUnavailable: if the store did not answer.
        """
        settings = self.app.settings
        now = time.monotonic()
        errands_in = self._errands.run()  # first: what it lets go is due then
        due = self.app.ledger.take_due(
            limit=BATCH,
            lease=settings.publish_timeout + 1,
            worker_lease=settings.lease,
            max_losses=settings.max_losses,
        )
        broker_away = self._publish(due)
        scheduled_in = self._schedules.submit_due()
        bulk_in = self._bulk.step()
        self._look_for_vanished(now)
        self._dead_letters.collect()
        self._measure(now)
        self._trim(now)
        if broker_away:
            return NAP
        if len(due.envelopes) == BATCH:
            return 0.0
        waits = (due.next_in, scheduled_in, errands_in, bulk_in, NAP)
        return min(seconds for seconds in waits if seconds is not None)

    def _publish(self, due: Due) -> bool:
        """Publish; returns whether the broker was away. What failed comes due again soon."""
        messages = []
        pushed = []
        for task_id, envelope in due.envelopes.items():
            if (push := self.app.publisher.push(envelope)) is not None:
                pushed.append((task_id, envelope, push))
            else:
                messages.append((task_id, envelope))
        self.app.ledger.push(pushed)
        confirmed: list[tuple[str, Envelope]] = []
        failed: list[str] = []
        reason = ""
        for (task_id, envelope), error in zip(messages, self.app.publisher.publish_many(messages), strict=True):
            if error is None:
                confirmed.append((task_id, envelope))
            elif isinstance(error, Undeliverable):
                self.app.undeliverable(task_id, error.reason)
            else:
                failed.append(task_id)
                reason = str(error)
        self.app.ledger.published(confirmed)
        if failed:
            log.warning("the broker took no messages", count=len(failed), reason=reason)
            self.app.ledger.defer(failed, DEFERRED)
        return bool(failed)

    def _look_for_vanished(self, now: float) -> None:
        if now - self._looked_at < NAP:
            return
        self._looked_at = now
        waiting = [queue for queue in self.app.queue_names if self.app.ledger.waits_longer_than(queue, VANISHED_AFTER)]
        if not waiting:
            return
        try:
            depths = self.app.publisher.depths(waiting)
        except BrokerUnavailable:
            return
        self.app.ledger.controls.note_depths(depths)
        if not all(depths.values()):
            # What has been set aside has not vanished, and its record is to say so.
            self._dead_letters.collect(at_once=True)
        for queue, depth in depths.items():
            count = self.app.ledger.republish_vanished(queue, older_than=VANISHED_AFTER, limit=BATCH, empty=depth == 0)
            if count:
                log.warning("messages had vanished from their queue", queue=queue, count=count)

    def _measure(self, now: float) -> None:
        if now - self._measured_at >= MEASURE_EVERY:
            self._measured_at = now
            self.app.ledger.measured.sample(
                self.app.queue_names, every=MEASURE_EVERY, forget_after=self.app.settings.retention
            )

    def _trim(self, now: float) -> None:
        if now - self._trimmed_at < TRIM_EVERY:
            return
        removed = self.app.ledger.trim(older_than=self.app.settings.retention, limit=TRIM_BATCH)
        if removed < TRIM_BATCH:
            # Else there is more: the next turn goes on.
            self._trimmed_at = now
        if removed:
            log.info("old records removed", count=removed)

    def _sleep(self, seconds: float) -> None:
        try:
            self.app.ledger.sleep_until_woken(seconds)
        except StoreUnavailable:
            self.stopping.wait(seconds)


def main() -> None:
    """Run beside a worker, until standard input closes: that is the worker's end, however it came."""
    # Signals of a terminal or a supervisor are for the worker; it ends us by our standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    settings = get_settings()
    patience = min(settings.publish_timeout, PATIENCE)
    app = build(settings.model_copy(update={"publish_timeout": patience}))
    configure_logging(app.settings)
    dispatcher = Dispatcher(app)

    def watch_parent() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        dispatcher.stopping.set()
        with suppress(StoreUnavailable):
            app.ledger.wake()

    threading.Thread(target=watch_parent, daemon=True, name="watch-parent").start()
    dispatcher.run()


if __name__ == "__main__":
    main()
