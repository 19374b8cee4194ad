"""Group commit: many messages in flight on one confirmed channel, and each caller waits for its own confirm.

    callers ──Pending──> queue ──> one thread: writes, reads confirms ──> Pending.done ──> callers

The thread watches the connection while nothing is sent too: a broker that restarts, blocks its publishers or falls
silent is known before the next caller comes.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import takewhile
from typing import Any, Final

import structlog
from amqp.exceptions import AMQPError, ChannelError
from kombu import Connection, Producer
from kombu.exceptions import KombuError, OperationalError

from async_tasks.errors import BrokerUnavailable, Undeliverable
from async_tasks.ledger import Envelope

log = structlog.get_logger(__name__)

#: What a broker that is away, going away or silent makes of a call.
FAILURES: Final = (AMQPError, OperationalError, KombuError, OSError)
#: Seconds for which a broker that was away is not tried again by a caller; the dispatcher has the record.
REST: Final = 1.0
#: Seconds between two looks at a silent connection.
TICK: Final = 1.0
#: Messages sent at a time: then confirms are read, and whoever shares this process's thread gets their turn.
TURN: Final = 50


def publish(producer: Producer, envelope: Envelope, **options: Any) -> None:
    """Hand a message to Kombu as it is, but for ``options`` of Kombu's that win."""
    properties = {name: value for name, value in envelope.properties.items() if value or name != "priority"}
    producer.publish(
        envelope.body,
        exchange=envelope.exchange,
        routing_key=envelope.routing_key,
        headers=dict(envelope.headers),
        retry=False,
        **{**properties, **options},
    )


class Pending:
    """One message on its way; ``done`` is set with the broker's answer, ``error`` is None if it has the message."""

    __slots__ = ("abandoned", "done", "envelope", "error", "sendings", "sent_at", "task_id", "turned_back")

    def __init__(self, task_id: str, envelope: Envelope) -> None:
        self.task_id = task_id
        self.envelope = envelope
        self.done = threading.Event()
        self.error: Exception | None = None
        self.sendings = 0
        self.sent_at = 0.0
        self.turned_back: list[str] = []  # why, for each sending that no queue took
        self.abandoned = False  # its caller waits no longer

    def end(self, error: Exception | None = None) -> None:
        """Tell the caller."""
        if not self.done.is_set():
            self.error = error
            self.done.set()


class GroupCommit:
    """A thread of its own in each process that publishes, begun by the first message.

    Args:
        connect: opens a connection; raises one of ``FAILURES``.
        declare: makes sure on a connection that exchanges and queues are there.
        timeout: seconds that a message may take from its caller to its confirm.
    """

    def __init__(
        self, connect: Callable[[], Connection], declare: Callable[[Connection], None], timeout: float
    ) -> None:
        self._connect = connect
        self._declare = declare
        self._timeout = timeout
        self._pid = 0
        self._begin()

    def publish(self, messages: Iterable[tuple[str, Envelope]], within: float | None = None) -> list[Exception | None]:
        """Publish messages at once and wait for the confirms.

        Args:
            messages: ids of records and what to publish.
            within: seconds that the caller waits, if less than the timeout.

        Returns:
            For each None, an Undeliverable (no queue takes it), or a BrokerUnavailable (nobody knows).
        """
        entries = [Pending(task_id, envelope) for task_id, envelope in messages]
        patience = self._timeout if within is None else max(0.0, min(within, self._timeout))
        deadline = time.monotonic() + patience
        if time.monotonic() < self._resting_until:
            return [BrokerUnavailable("The broker did not answer a moment ago") for _ in entries]
        self._hand_over(entries)
        for entry in entries:
            if not entry.done.wait(max(0.0, deadline - time.monotonic())):
                entry.abandoned = True
                entry.end(BrokerUnavailable(f"The broker did not confirm within {patience:.2g} s"))
        return [entry.error for entry in entries]

    def close(self) -> None:
        """End the thread when what is in flight has been confirmed."""
        if self._pid == os.getpid():
            self._closing = True
            self._wake()
            self._thread.join(timeout=self._timeout + 1)
            self._waker.close()
            self._woken.close()
            self._pid = 0

    def _begin(self) -> None:
        self._queue: deque[Pending] = deque()
        self._in_flight: dict[int, Pending] = {}
        self._again: list[Pending] = []
        self._exchanges: set[str] = set()
        self._tag = 0
        self._blocked = ""
        self._closing = False
        self._resting_until = 0.0

    def _hand_over(self, entries: list[Pending]) -> None:
        if self._pid != os.getpid():  # the first message of this process: threads do not survive a fork
            self._begin()
            self._pid = os.getpid()
            self._woken, self._waker = socket.socketpair()
            for end in (self._woken, self._waker):
                end.settimeout(0)
            self._thread = threading.Thread(target=self._work, daemon=True, name="publisher")
            self._thread.start()
        self._queue.extend(entries)
        self._wake()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # then it has been woken often enough
            self._waker.send(b".")

    # -- the thread ----------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._closing:
            if not self._queue:
                self._sleep(None, None)
                continue
            connection = None
            try:
                connection = self._connect()
                self._serve(connection)
            except FAILURES as exc:
                self._resting_until = time.monotonic() + REST
                self._lose(f"The broker did not confirm: {type(exc).__name__}: {exc}")
            except Exception as exc:  # the callers must hear of it, and the next ones be served
                log.exception("the publisher failed; it goes on with a new connection")
                self._lose(f"The message could not be published: {type(exc).__name__}: {exc}")
            finally:
                if connection is not None:
                    # Without a farewell: closing a channel of a blocked broker waits for ever.
                    connection.collect(socket_timeout=0.1)
        self._lose("The process is ending")

    def _serve(self, connection: Connection) -> None:
        channel = connection.channel()
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)
        connection.connection.on_blocked = self._on_blocked
        connection.connection.on_unblocked = self._on_unblocked
        producer = Producer(channel, auto_declare=False)
        self._tag, self._blocked, self._exchanges = 0, "", set()
        ticked = time.monotonic()
        while not self._closing or self._in_flight or self._queue:
            self._send_waiting(connection, producer)
            self._sleep(connection.connection.sock, TICK)
            self._read(connection)
            time.sleep(0)  # what is in the queue lets nothing above wait
            now = time.monotonic()
            self._check_overdue(now)
            if now - ticked >= TICK:
                ticked = now
                connection.heartbeat_check(rate=2)

    def _sleep(self, sock: Any, timeout: float | None) -> None:
        """Until there is something to read or to send."""
        if self._again or (self._queue and sock is not None):
            timeout = 0.0
        readable, _, _ = select.select([self._woken, *([sock] if sock is not None else [])], [], [], timeout)
        if self._woken in readable:
            with suppress(BlockingIOError):
                while self._woken.recv(4096):
                    pass

    def _read(self, connection: Connection) -> None:
        with suppress(TimeoutError):
            while True:
                connection.drain_events(timeout=0)

    def _send_waiting(self, connection: Connection, producer: Producer) -> None:
        if self._again:
            # No queue took them. The broker may have lost its queues since we declared them: once more.
            self._declare(connection)
            self._queue.extendleft(reversed(self._again))
            self._again.clear()
        sent = 0
        while self._queue and sent < TURN:
            entry = self._queue.popleft()
            if entry.abandoned:
                continue
            sent += 1
            if self._blocked:
                entry.end(BrokerUnavailable(f"The broker takes no messages now: {self._blocked}"))
            elif self._exchange_exists(connection, entry):
                self._send(producer, entry)

    def _send(self, producer: Producer, entry: Pending) -> None:
        self._tag += 1
        entry.sendings += 1
        entry.sent_at = time.monotonic()
        self._in_flight[self._tag] = entry
        publish(producer, entry.envelope, mandatory=True, timeout=self._timeout)

    def _exchange_exists(self, connection: Connection, entry: Pending) -> bool:
        # A message to an exchange that is not there closes the channel, with all that is in flight on it.
        name = entry.envelope.exchange
        if name in self._exchanges:
            return True
        try:
            with connection.channel() as scratch:
                scratch.exchange_declare(name, type="direct", passive=True)
        except ChannelError as exc:
            entry.end(Undeliverable(entry.task_id, str(exc)))
            return False
        self._exchanges.add(name)
        return True

    # -- what the broker says ------------------------------------------------------------------------

    def _answered(self, tag: int, multiple: bool) -> list[Pending]:
        # They were sent in the order of their tags: of a thousand in flight only those are looked at that are meant.
        tags = list(takewhile(lambda each: each <= tag, self._in_flight)) if multiple else [tag]
        return [entry for each in tags if (entry := self._in_flight.pop(each, None)) is not None]

    def _on_ack(self, tag: int, multiple: bool) -> None:
        for entry in self._answered(tag, multiple):
            # A message that no queue took is returned, and then confirmed.
            if len(entry.turned_back) < entry.sendings:
                entry.end()
            elif entry.sendings > 1:
                entry.end(Undeliverable(entry.task_id, entry.turned_back[-1]))
            else:
                self._again.append(entry)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        for entry in self._answered(tag, multiple):
            entry.end(BrokerUnavailable("The broker refused the message for now: its queue is full, or it failed"))

    def _on_return(self, exc: Exception, _exchange: str, _routing_key: str, message: Any) -> None:
        task_id = message.properties.get("application_headers", {}).get("id")
        for entry in self._in_flight.values():
            if entry.task_id == task_id:
                entry.turned_back.append(str(exc))

    def _on_blocked(self, reason: str) -> None:
        log.warning("the broker blocks its publishers", reason=reason)
        self._blocked = reason or "it is out of memory or disk space"

    def _on_unblocked(self) -> None:
        log.info("the broker takes messages again")
        self._blocked = ""

    def _check_overdue(self, now: float) -> None:
        overdue = [tag for tag, entry in self._in_flight.items() if now - entry.sent_at > self._timeout]
        if overdue and not self._blocked:
            raise TimeoutError(f"no confirm within {self._timeout:g} s")
        for tag in overdue:
            self._in_flight.pop(tag).end(BrokerUnavailable(f"The broker takes no messages now: {self._blocked}"))

    def _lose(self, reason: str) -> None:
        entries = [*self._in_flight.values(), *self._again]
        self._in_flight.clear()
        self._again.clear()
        while self._queue:
            entries.append(self._queue.popleft())
        for entry in entries:
            entry.end(BrokerUnavailable(reason))
