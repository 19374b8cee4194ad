"""A crowd that watches: thousands of event streams, read by one process of its own with a selector.

The process is its own so that a test and its watchers do not wait for each other, and what a stream received
is timed where it was received.
"""

from __future__ import annotations

import multiprocessing
import resource
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Self

#: Connections that are being opened at a time: as many as the listening socket lets wait.
OPENING = 2000
#: Seconds that one answer of the crowd may take.
PATIENCE = 60.0


class Got(NamedTuple):
    """One event as a stream received it."""

    #: Its id; None for events without one.
    cursor: str | None
    #: ``change``, ``lost``, ``end``; ``first`` for a record as it was when the stream began.
    event: str
    #: Seconds since the epoch.
    at: float


@dataclass
class Heard:
    """What one stream received, through all of its connections."""

    #: The place in the stream of changes where its first connection began.
    began: str = ""
    got: list[Got] = field(default_factory=list)
    #: The data of the last event.
    data: bytes = b""
    #: Statuses and errors of connections that were none.
    refusals: list[str] = field(default_factory=list)

    @property
    def changes(self) -> list[str]:
        """The places of the changes that it was told, in order."""
        return [each.cursor or "" for each in self.got if each.event == "change"]

    def count(self, event: str) -> int:
        """How often an event of that name came."""
        return sum(each.event == event for each in self.got)


class Crowd:
    """Streams by their numbers; use as a context.

    Args:
        port: where the web process listens on loopback.
    """

    def __init__(self, port: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, port), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.join(10)
        self._process.kill()
        self._process.join()
        self._process.close()

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._process.pid or 0

    def open(self, paths: Mapping[int, str]) -> float:
        """Open streams; the seconds until every one of them had its opening words.

        Args:
            paths: of each stream, by its number.
        """
        return float(self._ask("open", dict(paths)))

    def cut(self, numbers: Iterable[int]) -> None:
        """Close connections at once, with what has not been read."""
        self._ask("cut", list(numbers))

    def reopen(self, numbers: Iterable[int]) -> float:
        """Open streams again with the ``Last-Event-ID`` that each has; seconds as of ``open``."""
        return float(self._ask("open", dict.fromkeys(numbers)))

    def last(self) -> dict[int, tuple[str, bool]]:
        """Of each stream the last id that it has, and whether the server still holds it open."""
        last: dict[int, tuple[str, bool]] = self._ask("last", None)
        return last

    def heard(self) -> dict[int, Heard]:
        """What each stream received."""
        heard: dict[int, Heard] = self._ask("heard", None)
        return heard

    def _ask(self, what: str, detail: Any) -> Any:
        self._connection.send((what, detail))
        assert self._connection.poll(PATIENCE), f"the crowd did not answer {what!r} within {PATIENCE:g} s"
        answer = self._connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def raise_file_limit() -> int:
    """Let this process, and what it starts, open as many files as it may; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def gaps(heard: Heard, expected: Sequence[str]) -> tuple[int, int]:
    """How many changes a stream missed, and how many came twice or out of order.

    Args:
        heard: what it received.
        expected: the places of all changes that concern it, in order.
    """
    got = heard.changes
    wanted = [place for place in expected if _position(place) > _position(heard.began)]
    missed = len(set(wanted) - set(got))
    in_order = sum(_position(a) < _position(b) for a, b in pairwise(got)) + bool(got)
    return missed, len(got) - in_order


def _position(cursor: str) -> tuple[int, int]:
    ms, _, sequence = cursor.partition("-")
    return int(ms), int(sequence)


# -- the crowd's own process ---------------------------------------------------------------------------


class _Stream:
    def __init__(self, number: int, path: str) -> None:
        self.number = number
        self.path = path
        self.heard = Heard()
        self.last = ""
        self.socket: socket.socket | None = None
        self.opening = ""  # the id that this connection began with; empty until it has
        self.unread: deque[tuple[bytes, float]] = deque()

    def request(self, port: int) -> bytes:
        lines = [f"GET {self.path} HTTP/1.0", f"Host: 127.0.0.1:{port}"]
        lines += [f"Last-Event-ID: {self.last}"] if self.last else []
        return "\r\n".join([*lines, "", ""]).encode()

    def connect(self, port: int) -> socket.socket:
        self.opening, self._buffer, self._in_body = "", b"", False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", port))
        return self.socket

    def take(self, data: bytes, at: float) -> None:
        """Note what was received, to be read when there is time: reading must not delay other streams' times."""
        self.unread.append((data, at))
        if not self.opening:
            self.read()

    def read(self) -> None:
        while self.unread:
            self._feed(*self.unread.popleft())

    def _feed(self, data: bytes, at: float) -> None:
        self._buffer += data
        if not self._in_body:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            self._in_body, self._buffer = True, rest
            status = head.split(b" ", 2)[1]
            if status == b"204":  # so a browser is told that there will be no more
                self.heard.got.append(Got(None, "end", at))
            elif status != b"200":
                self.heard.refusals.append(f"{status.decode()}: {rest.decode()}")
        *blocks, self._buffer = self._buffer.split(b"\n\n")
        for block in blocks:
            self._block(block, at)

    def _block(self, block: bytes, at: float) -> None:
        fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if not line.startswith(b":"))
        cursor = fields[b"id"].decode() if b"id" in fields else None
        if b"data" in fields:
            event = fields.get(b"event", b"message").decode()
            self.heard.got.append(Got(cursor, "first" if cursor == self.opening else event, at))
            self.heard.data = fields[b"data"]
        elif cursor is not None:
            self.opening = cursor
            self.heard.began = self.heard.began or cursor
        self.last = cursor or self.last


class _Process:
    def __init__(self, connection: Connection, port: int) -> None:
        self.connection = connection
        self.port = port
        self.selector = selectors.DefaultSelector()
        self.selector.register(connection, selectors.EVENT_READ)
        self.streams: dict[int, _Stream] = {}
        self.waiting: deque[_Stream] = deque()
        self.under_way: set[_Stream] = set()
        self.opened_since: float | None = None
        self.unread: set[_Stream] = set()

    def run(self) -> None:
        while True:
            ready = self.selector.select(0 if self.unread else None)
            if not ready:
                self.unread.pop().read()
            for key, mask in ready:
                if key.fileobj is self.connection:
                    try:
                        what, detail = self.connection.recv()
                    except EOFError:
                        return
                    while self.unread:
                        self.unread.pop().read()
                    getattr(self, what)(detail)
                elif mask & selectors.EVENT_WRITE:
                    self._send(key.data)
                else:
                    self._receive(key.data)
            self._go_on_opening()

    def open(self, paths: Mapping[int, str | None]) -> None:
        for number, path in paths.items():
            if path is not None:
                self.streams[number] = _Stream(number, path)
            self.waiting.append(self.streams[number])
        self.opened_since = time.monotonic()

    def cut(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._close(self.streams[number])
        self.connection.send(len(numbers))

    def last(self, _: None) -> None:
        self.connection.send({each.number: (each.last, each.socket is not None) for each in self.streams.values()})

    def heard(self, _: None) -> None:
        self.connection.send({each.number: each.heard for each in self.streams.values()})

    def _go_on_opening(self) -> None:
        self.under_way = {each for each in self.under_way if not each.opening and each.socket is not None}
        while self.waiting and len(self.under_way) < OPENING:
            stream = self.waiting.popleft()
            self.under_way.add(stream)
            self.selector.register(stream.connect(self.port), selectors.EVENT_WRITE, stream)
        if self.opened_since is not None and not self.waiting and not self.under_way:
            self.connection.send(time.monotonic() - self.opened_since)
            self.opened_since = None

    def _send(self, stream: _Stream) -> None:
        assert stream.socket is not None
        try:
            stream.socket.sendall(stream.request(self.port))
        except OSError as exc:
            stream.heard.refusals.append(repr(exc))
            self._close(stream)
            return
        self.selector.modify(stream.socket, selectors.EVENT_READ, stream)

    def _receive(self, stream: _Stream) -> None:
        if stream.socket is None:
            return
        try:
            data = stream.socket.recv(1 << 16)
        except OSError as exc:
            stream.heard.refusals.append(repr(exc))
            data = b""
        if data:
            stream.take(data, time.time())
            self.unread.add(stream)
        else:
            self._close(stream)

    def _close(self, stream: _Stream) -> None:
        if stream.socket is not None:
            self.selector.unregister(stream.socket)
            stream.socket.close()
            stream.socket = None


def _serve(connection: Connection, port: int) -> None:
    raise_file_limit()
    with suppress(KeyboardInterrupt):
        _Process(connection, port).run()
