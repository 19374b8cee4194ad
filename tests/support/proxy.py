"""A TCP proxy that fails on command, so that a test decides what of a conversation gets through."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from typing import Literal, Self

from tests.support.processes import free_port

Direction = Literal["to_client", "to_server"]

#: Close at once and say so with a reset, instead of sending what is left and saying goodbye.
_ABORT = struct.pack("ii", 1, 0)


class Proxy:
    """Stands between clients and one server on loopback.

    ``pause`` is a black hole, ``reset`` a cable that is pulled, ``cut`` one that is pulled after so many bytes,
    ``refuse`` a server that is away.

    Args:
        target: the server's port.

    Attributes:
        port: where clients connect to.
        accepted: how many connections there have been.
        passed: bytes that went through, by direction.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.accepted = 0
        self.passed: dict[Direction, int] = {"to_client": 0, "to_server": 0}
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._cuts: dict[Direction, int] = {}
        self._withheld: bytes | None = None
        self._listener: socket.socket | None = None
        self.listen()

    @property
    def url(self) -> str:
        """Where an HTTP server behind it is reached, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pause(self) -> None:
        """Let nothing through in either direction; connections stay, and new ones are taken."""
        self._open.clear()

    def resume(self) -> None:
        """Let through what has waited, and what comes."""
        self._open.set()

    def reset(self) -> None:
        """Reset every connection; new ones are taken."""
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            link.abort()

    def cut(self, direction: Direction, after: int = 0) -> None:
        """Reset every connection, once, when so many more bytes went through in that direction and more are to come.

        ``cut("to_client")`` lets the server have a request and nobody have the answer.

        Args:
            direction: in which bytes are counted, over all connections.
            after: so many still go through.
        """
        with self._lock:
            self._cuts[direction] = after

    def withhold(self, answers_with: bytes | None) -> None:
        """Hold back answers that contain this, as proxies do that wait for an answer's end; None: no more of them.

        Nothing more comes on their connections, which stay.
        """
        self._withheld = answers_with

    @property
    def cut_pending(self) -> bool:
        """Whether a cut has been ordered and not been made yet."""
        return bool(self._cuts)

    def refuse(self) -> None:
        """Reset every connection and take no new ones."""
        if self._listener is not None:
            # Wakes the thread that accepts; it would hold the port otherwise.
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.reset()

    def listen(self) -> None:
        """Take connections (again)."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=(self._listener,), name="proxy", daemon=True).start()

    def close(self) -> None:
        """End it and every connection."""
        self.refuse()
        self._open.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # it was closed
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                _abort(client)
                continue
            server.settimeout(None)
            link = _Link(client, server)
            with self._lock:
                self.accepted += 1
                self._links.add(link)
            for direction in ("to_server", "to_client"):
                name = f"proxy {direction}"
                threading.Thread(target=self._pump, args=(link, direction), name=name, daemon=True).start()

    def _pump(self, link: _Link, direction: Direction) -> None:
        source, sink = (link.client, link.server) if direction == "to_server" else (link.server, link.client)
        try:
            while data := source.recv(65536):
                self._open.wait()
                if direction == "to_client" and link.is_withheld(data, self._withheld):
                    continue
                allowed = self._allowed(direction, len(data))
                sink.sendall(data[:allowed])
                if allowed < len(data):
                    self.reset()
                    return
            self._open.wait()
            sink.shutdown(socket.SHUT_WR)  # one side has said all, and the other may go on
        except OSError:  # reset, or the other side is gone
            link.abort()
        if link.ends(direction):
            with self._lock:
                self._links.discard(link)

    def _allowed(self, direction: Direction, size: int) -> int:
        with self._lock:
            left = self._cuts.get(direction)
            if left is not None and left < size:
                del self._cuts[direction]
                size = left
            elif left is not None:
                self._cuts[direction] = left - size
            self.passed[direction] += size
            return size


class _Link:
    """One client's connection and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self._lock = threading.Lock()
        self._going: set[Direction] = {"to_client", "to_server"}
        self._withheld = False
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def is_withheld(self, data: bytes, marker: bytes | None) -> bool:
        """Whether this is of an answer that is held back, or comes after one."""
        self._withheld = self._withheld or (marker is not None and marker in data)
        return self._withheld

    def ends(self, direction: Direction) -> bool:
        """Nothing more comes in that direction; whether that is so in both."""
        with self._lock:
            self._going.discard(direction)
            if self._going:
                return False
        self.client.close()
        self.server.close()
        return True

    def abort(self) -> None:
        """Reset both."""
        _abort(self.client)
        _abort(self.server)


def _abort(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    with suppress(OSError):
        # Sends nothing, and wakes the thread that reads from it: the reset goes out when nobody holds it any more.
        connection.shutdown(socket.SHUT_RD)
    connection.close()
