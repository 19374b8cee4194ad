"""Publishing in bounded time, with the broker's word that it has the message."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from amqp.exceptions import AMQPError, ChannelError
from kombu import Connection, Producer
from kombu.exceptions import KombuError, OperationalError

from async_tasks.engine import topology
from async_tasks.errors import BrokerUnavailable, Undeliverable
from async_tasks.ledger import Envelope
from async_tasks.settings import Settings

log = structlog.get_logger(__name__)

#: Seconds for which confirms are gathered before the ledger is told.
GATHER: Final = 0.02
#: Seconds for which a broker that was away is not tried again by a caller; the dispatcher has the record.
REST: Final = 1.0

#: Reply codes of a definite refusal: no such exchange, no queue bound, no consumer.
_UNROUTABLE: Final = (404, 312, 313)
#: From this version on RabbitMQ's quorum queues know two priorities (5 and above is the higher); before, none.
_PRIORITIES_SINCE: Final = 4


class Publisher:
    """One connection in confirm mode, used by one caller at a time.

    Publishing has three ends: it returns (the broker has the message), Undeliverable (no queue takes it, and
    never will), or BrokerUnavailable (nobody knows; the record stays due and a dispatcher publishes it again,
    which a claim's compare-and-set makes harmless).
    """

    def __init__(self, settings: Settings, connect: Callable[..., Connection]) -> None:
        self.settings = settings
        self._connect = connect
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._resting_until = 0.0
        self._amqp = topology.is_amqp(settings)
        self._rabbitmq_major: int | None = None

    def publish(self, task_id: str, envelope: Envelope) -> None:
        """Publish and wait for the broker's confirm.

        Raises:
            Undeliverable: if no queue takes it.
            BrokerUnavailable: if the broker did not confirm within ``publish_timeout``.
        """
        timeout = self.settings.publish_timeout
        started = time.monotonic()
        if started < self._resting_until:
            raise BrokerUnavailable("The broker did not answer a moment ago")
        if not self._lock.acquire(timeout=timeout):
            raise BrokerUnavailable(f"The broker did not confirm other messages within {timeout:g} s")
        try:
            self._publish(task_id, envelope, timeout)
        finally:
            self._lock.release()

    def _publish(self, task_id: str, envelope: Envelope, timeout: float) -> None:
        fresh = self._producer is None
        try:
            producer = self._producer or self._open(timeout)
            self._send(producer, envelope, timeout)
        except ChannelError as exc:
            self._discard()
            if exc.code in _UNROUTABLE:
                if not fresh:
                    # The broker may have lost its queues since we declared them: a new connection declares again.
                    self._publish(task_id, envelope, timeout)
                    return
                raise Undeliverable(task_id, str(exc)) from exc
            raise BrokerUnavailable(f"The broker refused the message: {exc}") from exc
        except self._failures() as exc:
            self._discard()
            if not fresh and not isinstance(exc, TimeoutError):
                # The connection was an old one that died while idle: once more on a new one, in what time is left.
                log.info("broker connection was gone, opening another", reason=repr(exc))
                self._publish(task_id, envelope, timeout)
                return
            self._resting_until = time.monotonic() + REST
            raise BrokerUnavailable(f"The broker did not confirm: {type(exc).__name__}: {exc}") from exc

    def _send(self, producer: Producer, envelope: Envelope, timeout: float) -> None:
        options: dict[str, Any] = {}
        properties = dict(envelope.properties)
        priority = properties.pop("priority", None)
        if self._amqp:
            options = {"mandatory": True, "timeout": timeout, "confirm_timeout": timeout}
            if priority:
                options["priority"] = priority
        else:
            # Kombu's Redis transport serves the lowest number first; ours, like RabbitMQ's, the highest.
            options["priority"] = 9 - (priority or 0)
        producer.publish(
            envelope.body,
            exchange=envelope.exchange,
            routing_key=envelope.routing_key,
            headers=dict(envelope.headers),
            retry=False,
            **properties,
            **options,
        )

    def _open(self, timeout: float) -> Producer:
        connection = self._connect(connect_timeout=timeout, transport_options=self._bounds(timeout))
        try:
            connection.ensure_connection(max_retries=0, timeout=timeout)
            topology.declare(connection, [*topology.queues(self.settings), *topology.dead_queues(self.settings)])
            self._learn_version(connection)
            self._producer = Producer(connection.channel(), auto_declare=False, on_return=None)
        except BaseException:
            connection.collect(socket_timeout=0.1)
            raise
        return self._producer

    def _bounds(self, timeout: float) -> dict[str, Any]:
        """Options of a connection on which every read and write ends: a peer may accept and then say nothing."""
        if self._amqp:
            return {"confirm_publish": True, "read_timeout": timeout, "write_timeout": timeout}
        return {"socket_timeout": timeout, "socket_connect_timeout": timeout}

    def _learn_version(self, connection: Connection) -> None:
        if self._amqp:
            version = str(connection.connection.server_properties.get("version", "0"))
            self._rabbitmq_major = int(version.partition(".")[0])

    def _discard(self) -> None:
        """Drop the connection without a farewell: closing a channel of a blocked broker waits for ever."""
        producer, self._producer = self._producer, None
        if producer is not None and producer.connection is not None:
            producer.connection.collect(socket_timeout=0.1)

    @staticmethod
    def _failures() -> tuple[type[BaseException], ...]:
        # redis-py's errors are OSErrors or come wrapped by kombu as OperationalError.
        return (AMQPError, OperationalError, KombuError, OSError, socket.timeout, *_redis_errors())

    def why_no_priorities(self) -> str | None:
        """Why this broker knows no priorities; None if it does, or if it is away and cannot be asked."""
        if self._amqp and self._rabbitmq_major is None:
            try:
                self.check(self.settings.publish_timeout)
            except BrokerUnavailable:
                return None
        if self._rabbitmq_major is not None and self._rabbitmq_major < _PRIORITIES_SINCE:
            return (
                f"quorum queues of RabbitMQ {self._rabbitmq_major} know no priorities: leave it out, "
                "use a queue of its own for what is urgent, or RabbitMQ 4"
            )
        return None

    def check(self, timeout: float) -> None:
        """Ask whether the broker is there.

        Raises:
            BrokerUnavailable: if it did not answer in that time (seconds).
        """
        connection = self._connect(connect_timeout=timeout, transport_options=self._bounds(timeout))
        try:
            connection.ensure_connection(max_retries=0, timeout=timeout)
            self._learn_version(connection)
        except self._failures() as exc:
            raise BrokerUnavailable(f"The broker did not answer: {type(exc).__name__}: {exc}") from exc
        finally:
            connection.collect(socket_timeout=0.1)

    def depth(self, queue: str) -> int:
        """How many messages wait in a queue, not counting those that workers hold.

        Raises:
            BrokerUnavailable: if the broker did not answer.
        """
        with self._lock:
            try:
                producer = self._producer or self._open(self.settings.publish_timeout)
                with producer.connection.channel() as channel:
                    return int(channel.queue_declare(queue=queue, passive=True).message_count)
            except ChannelError:
                # There is no such queue: on the Redis transport that is an empty one.
                self._discard()
                return 0
            except self._failures() as exc:
                self._discard()
                raise BrokerUnavailable(f"The broker did not tell the depth of {queue}: {exc}") from exc

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._discard()


class Confirmations:
    """Tells the ledger what the broker has, many messages at a time and off the caller's way.

    Nothing depends on it being prompt: what is not told in time is published once more, which a claim's
    compare-and-set makes harmless.
    """

    def __init__(self, note: Callable[[list[tuple[str, Envelope]]], None]) -> None:
        self._note = note
        self._queue: queue.SimpleQueue[tuple[str, Envelope] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def add(self, task_id: str, envelope: Envelope) -> None:
        """Note soon that the broker has this message."""
        if self._pid != os.getpid():
            # The first one of this process: threads do not survive a fork.
            self._pid = os.getpid()
            self._queue = queue.SimpleQueue()
            self._thread = threading.Thread(target=self._work, daemon=True, name="confirmations")
            self._thread.start()
        self._queue.put((task_id, envelope))

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
            confirmed = [entry for entry in batch if entry is not None]
            if confirmed:
                self._note(confirmed)


def _redis_errors() -> tuple[type[BaseException], ...]:
    from kombu.transport.redis import get_redis_error_classes

    connection_errors, channel_errors = get_redis_error_classes()
    return (*connection_errors, *channel_errors)
