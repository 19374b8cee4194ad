"""Publishing in bounded time, with the broker's word that it has the message."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import structlog
from amqp.exceptions import ChannelError
from kombu import Connection, Producer

from async_tasks.engine import topology
from async_tasks.engine.group_commit import FAILURES as AMQP_FAILURES
from async_tasks.engine.group_commit import REST, GroupCommit, publish
from async_tasks.engine.pushing import push_of, transport_priority
from async_tasks.errors import BrokerUnavailable, Undeliverable
from async_tasks.ledger import Envelope, Push
from async_tasks.settings import QUEUE, Settings

log = structlog.get_logger(__name__)

#: From this version on RabbitMQ's quorum queues know two priorities (5 and above is the higher); before, none.
_PRIORITIES_SINCE: Final = 4


class Publisher:
    """Publishes what is recorded.

    A message has three ends: the broker has it, Undeliverable (no queue takes it, and never will), or
    BrokerUnavailable (nobody knows; the record stays due and a dispatcher publishes it again, which a claim's
    compare-and-set makes harmless).
    """

    def __init__(self, settings: Settings, connect: Callable[..., Connection]) -> None:
        self.settings = settings
        self._connect = connect
        self._amqp = topology.is_amqp(settings)
        self._rabbitmq_major: int | None = None
        self._shared = settings.broker() == settings.store()
        self._queues = frozenset(topology.queue_names(settings))
        timeout = settings.publish_timeout
        self._way: GroupCommit | _Pushes = (
            GroupCommit(self._open, self._declare, timeout) if self._amqp else _Pushes(self._open, timeout)
        )

    def publish(self, task_id: str, envelope: Envelope, *, within: float | None = None) -> None:
        """Publish and wait for the broker's confirm, at most ``within`` seconds if that is less than the timeout.

        Raises:
            Undeliverable: if no queue takes it.
            BrokerUnavailable: if the broker did not confirm within ``publish_timeout``.
        """
        (error,) = self._way.publish([(task_id, envelope)], within)
        if error is not None:
            raise error

    def publish_many(
        self, messages: Sequence[tuple[str, Envelope]], *, within: float | None = None
    ) -> list[Exception | None]:
        """Publish at once, and wait for all, as :meth:`publish` does for one.

        Returns:
            For each None, an Undeliverable or a BrokerUnavailable.
        """
        return self._way.publish(messages, within)

    def push(self, envelope: Envelope) -> Push | None:
        """The message as the broker keeps it, where that is the ledger's own store and has a queue for it."""
        if not self._shared or envelope.exchange != QUEUE or envelope.routing_key not in self._queues:
            return None
        return push_of(envelope)

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
        self._ask(lambda _: None, timeout)

    def depths(self, queues: Iterable[str]) -> dict[str, int]:
        """How many messages wait in each of these queues, not counting those that workers hold.

        Raises:
            BrokerUnavailable: if the broker did not answer.
        """

        def count(connection: Connection, queue: str) -> int:
            try:
                with connection.channel() as channel:
                    return int(channel.queue_declare(queue=queue, passive=True).message_count)
            except ChannelError:
                # There is no such queue: on the Redis transport that is an empty one.
                return 0

        def count_all(connection: Connection) -> dict[str, int]:
            return {queue: count(connection, queue) for queue in queues}

        counted: dict[str, int] = self._ask(count_all, self.settings.publish_timeout)
        return counted

    def close(self) -> None:
        """Give the connections back."""
        self._way.close()

    def _ask(self, question: Callable[[Connection], Any], timeout: float) -> Any:
        connection = self._connection(timeout)
        try:
            connection.ensure_connection(max_retries=0, timeout=timeout)
            self._learn_version(connection)
            return question(connection)
        except failures() as exc:
            raise BrokerUnavailable(f"The broker did not answer: {type(exc).__name__}: {exc}") from exc
        finally:
            connection.collect(socket_timeout=0.1)

    def _open(self) -> Connection:
        timeout = self.settings.publish_timeout
        connection = self._connection(timeout, heartbeat=self.settings.broker_heartbeat)
        try:
            connection.ensure_connection(max_retries=0, timeout=timeout)
            self._declare(connection)
            self._learn_version(connection)
        except BaseException:
            connection.collect(socket_timeout=0.1)
            raise
        return connection

    def _connection(self, timeout: float, heartbeat: float = 0) -> Connection:
        # On which every read and write ends: a peer may accept and then say nothing.
        bounds = (
            {"read_timeout": timeout, "write_timeout": timeout}
            if self._amqp
            else {"socket_timeout": timeout, "socket_connect_timeout": timeout}
        )
        return self._connect(connect_timeout=timeout, heartbeat=heartbeat, transport_options=bounds)

    def _declare(self, connection: Connection) -> None:
        topology.declare(connection, [*topology.queues(self.settings), *topology.dead_queues(self.settings)])

    def _learn_version(self, connection: Connection) -> None:
        if self._amqp:
            version = str(connection.connection.server_properties.get("version", "0"))
            self._rabbitmq_major = int(version.partition(".")[0])


class _Pushes:
    """Kombu's Redis transport: a push is its own confirm; one connection, used by one caller at a time."""

    def __init__(self, connect: Callable[[], Connection], timeout: float) -> None:
        self._connect = connect
        self._timeout = timeout
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._resting_until = 0.0

    def publish(self, messages: Iterable[tuple[str, Envelope]], within: float | None = None) -> list[Exception | None]:
        """See :meth:`Publisher.publish_many`; each call to the broker is bounded by its sockets' timeouts."""
        patience = self._timeout if within is None else max(0.0, min(within, self._timeout))
        until = time.monotonic() + patience
        return [self._publish(task_id, envelope, until - time.monotonic()) for task_id, envelope in messages]

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._discard()

    def _publish(self, task_id: str, envelope: Envelope, patience: float) -> Exception | None:
        if time.monotonic() < self._resting_until:
            return BrokerUnavailable("The broker did not answer a moment ago")
        if patience <= 0 or not self._lock.acquire(timeout=patience):
            return BrokerUnavailable(f"The broker did not take other messages within {self._timeout:.2g} s")
        try:
            return self._push(task_id, envelope)
        finally:
            self._lock.release()

    def _push(self, task_id: str, envelope: Envelope) -> Exception | None:
        fresh = self._producer is None
        try:
            if self._producer is None:
                self._producer = Producer(self._connect().channel(), auto_declare=False)
            publish(self._producer, envelope, priority=transport_priority(envelope))
        except ChannelError as exc:
            self._discard()
            if not fresh:
                # The store may have lost what we declared: a new connection declares again.
                return self._push(task_id, envelope)
            return Undeliverable(task_id, str(exc))
        except failures() as exc:
            self._discard()
            if not fresh and not isinstance(exc, TimeoutError):
                log.info("broker connection was gone, opening another", reason=repr(exc))
                return self._push(task_id, envelope)
            self._resting_until = time.monotonic() + REST
            return BrokerUnavailable(f"The broker did not take the message: {type(exc).__name__}: {exc}")
        return None

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None and producer.connection is not None:
            producer.connection.collect(socket_timeout=0.1)


def failures() -> tuple[type[BaseException], ...]:
    """What a broker that is away makes of a call; redis-py's errors are OSErrors or come wrapped by kombu."""
    from kombu.transport.redis import get_redis_error_classes

    connection_errors, channel_errors = get_redis_error_classes()
    return (*AMQP_FAILURES, *connection_errors, *channel_errors)
