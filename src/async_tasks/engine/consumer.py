"""The consumer of a worker's main process: no message, however malformed, ends it or disappears without a word."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import structlog
from celery.worker.consumer import Consumer as CeleryConsumer

from async_tasks.engine.dead_letters import DeadLetter, set_aside
from async_tasks.engine.soundness import why_unsound
from async_tasks.errors import StoreUnavailable

log = structlog.get_logger(__name__)


#: What a malformed message makes of reading it. Kombu's Redis transport counts KeyError among the errors of a
#: connection, after which the worker would connect again, and meet the message again, for ever.
MALFORMED: Final = (LookupError, TypeError, ValueError, AttributeError)


#: Seconds for which events of tasks are gathered before monitors such as Flower are told.
EVENTS_GATHER: Final = 0.1

#: Seconds between two attempts to reach a broker that is away.
RECONNECT: Final = {"interval_start": 0.2, "interval_step": 0.3, "interval_max": 1.0}


class Consumer(CeleryConsumer):
    """Celery's consumer without what this system does otherwise or not at all."""

    #: When monitors are told of the events gathered.
    _events_due = 0.0

    class Blueprint(CeleryConsumer.Blueprint):
        """Celery's steps but for two."""

        default_steps: Final = [
            step
            for step in CeleryConsumer.Blueprint.default_steps
            # Delays wait in the ledger, not in 28 more queues; and nothing here uses the gossip of workers.
            if step.rpartition(":")[2] not in ("DelayedDelivery", "Gossip")
        ]

    def on_send_event_buffered(self) -> None:
        """Celery's, which publishes the events of each task by themselves: a third of the main process's time."""
        now = time.monotonic()
        if self.hub and now >= self._events_due:
            self._events_due = now + EVENTS_GATHER
            self.hub.call_later(EVENTS_GATHER, self._flush_events)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Celery's handler, for messages that it can handle."""
        handle = super().create_task_handler(*args, **kwargs)

        def handle_any(message: Any) -> Any:
            why = why_unsound(message)
            if why:
                return self._set_aside(message, why)
            try:
                return handle(message)
            except MALFORMED as exc:
                return self._set_aside(message, f"{type(exc).__name__}: {exc}")
            except (*self.connection_errors, *self.channel_errors):
                raise
            except Exception as exc:  # noqa: BLE001 - whatever a client has sent, the next message is to be served
                return self._set_aside(message, f"{type(exc).__name__}: {exc}")

        return handle_any

    def ensure_connected(self, conn: Any) -> Any:
        """Celery's, which lets a broker that is there again wait for up to half a minute.

        Meanwhile no loop runs, and the worker must not pass for dead.
        """
        ensure = partial(conn.ensure_connection, **RECONNECT)

        def ensure_connection(*args: Any, callback: Callable[[], Any], **kwargs: Any) -> Any:
            def wait() -> None:
                callback()
                self.app.beat()

            return ensure(*args, callback=wait, **kwargs)

        conn.ensure_connection = ensure_connection
        return super().ensure_connected(conn)

    def call_soon_ack(self, p: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Celery's, for a message whose connection may be gone: then it is delivered again, and not run again.

        Celery logs what could not be acknowledged and goes on. Kombu's Redis transport counts it as delivered for
        ever, so that a worker takes one message less at a time, and in the end none. Another connection counts anew.
        """

        def acknowledge(logger: Any, errors: Any, *args: Any, **kwargs: Any) -> None:
            try:
                p(logger, (), *args, **kwargs)
            except AttributeError as error:  # kombu's Redis transport, of a channel that was closed
                log.debug("not acknowledged: the connection is gone", reason=repr(error))
            except errors as error:
                log.warning("not acknowledged: another connection is opened", reason=repr(error))
                raise

        return super().call_soon_ack(acknowledge, *args, **kwargs)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Celery's, which lets an error of closing a lost connection end the worker."""
        connection = self.connection
        close = connection.close

        def close_quietly() -> None:
            try:
                close()
            except Exception as error:  # noqa: BLE001 - kombu's Redis transport raises AttributeError, for one
                log.debug("a lost connection did not close in order", reason=repr(error))

        connection.close = close_quietly
        super().on_connection_error_after_connected(exc)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Celery acknowledges and forgets it, and logs the whole of it."""
        self._set_aside(message, f"cannot be decoded: {exc}")

    def on_unknown_message(self, body: Any, message: Any) -> None:  # noqa: ARG002 - Celery's signature
        """A message that is no task's."""
        self._set_aside(message, "is no message of a task")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002 - Celery's signature
        """A message with arguments that are none, or of a content type that is not taken."""
        self._set_aside(message, f"{type(exc).__name__}: {exc}")

    def _set_aside(self, message: Any, why: str) -> None:
        letter = DeadLetter.of(message, why)
        log.error("message set aside", queue=letter.queue, task_id=letter.task_id or None, reason=why)
        try:
            set_aside(self.app, letter)
        except StoreUnavailable as exc:
            # Neither acknowledged nor rejected: it comes again.
            log.warning("the store is away; the message waits", reason=str(exc))
            return
        message.ack_log_error(log, self.connection_errors)
