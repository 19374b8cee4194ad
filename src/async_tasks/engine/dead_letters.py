"""Messages that will not be delivered any more: what became of their tasks is written into the records.

On RabbitMQ a queue's dead letters (expired, delivered too often, rejected) go to a queue of their own, which a
dispatcher reads. What belongs to no record is kept in the ledger for an operator to look at.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from kombu import Connection

from async_tasks.engine import topology
from async_tasks.engine.publisher import failures
from async_tasks.ledger import MESSAGE_KEY, State

if TYPE_CHECKING:
    from async_tasks.engine.app import App

log = structlog.get_logger(__name__)

#: Bytes kept of a body.
KEPT: Final = 64 * 1024
#: Dead letters read in one round.
ROUND: Final = 100
#: Seconds between two looks at the dead queues.
EVERY: Final = 1.0

#: RabbitMQ's reasons in words; https://www.rabbitmq.com/docs/dlx names them.
WORDS: Final[Mapping[str, str]] = {
    "expired": "expired in its queue",
    "delivery_limit": "the broker gave up after too many deliveries",
    "rejected": "a worker rejected the message",
    "maxlen": "its queue was full",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that nobody will run. ``body`` is its beginning, base64."""

    queue: str
    why: str
    task_id: str
    message_key: str
    expired: bool
    headers: str
    body: str

    @classmethod
    def of(cls, message: Any, why: str = "") -> DeadLetter:
        """Read what can be read of a message; ``why`` none: what the broker says."""
        headers = message.headers if isinstance(message.headers, Mapping) else {}
        deaths = headers.get("x-death")
        death = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], Mapping) else {}
        reason = str(death.get("reason", ""))
        body = message.body if isinstance(message.body, bytes) else str(message.body).encode("utf-8", "replace")
        return cls(
            queue=str(death.get("queue") or (message.delivery_info or {}).get("routing_key") or ""),
            why=why or WORDS.get(reason, reason or "it came to the dead letters without a reason"),
            task_id=_text(headers.get("id")),
            message_key=_text(headers.get(MESSAGE_KEY)),
            expired=reason == "expired",
            headers=repr(dict(headers))[:KEPT],
            body=base64.b64encode(body[:KEPT]).decode(),
        )


def set_aside(app: App, letter: DeadLetter) -> None:
    """End the record of a message that nobody will run; without a record, keep the message.

    Raises:
        StoreUnavailable: if the ledger did not answer; the message must not be given up then.
    """
    outcome = "unknown"
    if letter.task_id:
        state = State.REVOKED if letter.expired else State.FAILURE
        outcome = app.ledger.bury(letter.task_id, letter.message_key, state, letter.why)
    if outcome == "unknown":
        app.ledger.keep_dead_letter(asdict(letter))


class DeadLetters:
    """Reads the dead queues of RabbitMQ; the dispatcher calls it."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._connection: Connection | None = None
        self._queues = topology.dead_queues(app.settings)
        self._next = 0.0

    def collect(self, *, at_once: bool = False) -> None:
        """Read what has come, at most once in ``EVERY`` seconds; ``at_once``: whenever it was read last.

        Raises:
            StoreUnavailable: if the ledger did not answer; what was read comes again.
        """
        now = time.monotonic()
        if not self._queues or (now < self._next and not at_once):
            return
        self._next = now + EVERY
        try:
            self._collect()
        except failures() as exc:
            log.debug("dead letters not read", reason=str(exc))
            self.close()
        except BaseException:
            self.close()  # what is not acknowledged goes back to its queue
            raise

    def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                connection.collect(socket_timeout=0.1)

    def _collect(self) -> None:
        if self._connection is None:
            timeout = self.app.settings.publish_timeout
            bounds = {"read_timeout": timeout, "write_timeout": timeout}
            connection = self.app.connection_for_read(connect_timeout=timeout, transport_options=bounds)
            connection.ensure_connection(max_retries=0, timeout=timeout)
            self._connection = connection
            topology.declare(connection, self._queues)
        for queue in self._queues:
            bound = queue.bind(self._connection.default_channel)
            for _ in range(ROUND):
                message = bound.get(no_ack=False)
                if message is None:
                    break
                letter = DeadLetter.of(message)
                log.error("dead letter", queue=letter.queue, task_id=letter.task_id or None, reason=letter.why)
                set_aside(self.app, letter)
                message.ack()
        self._connection.heartbeat_check()


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() else ""
