"""Signals as something to wait for: a process that supervises others sleeps until one comes."""

from __future__ import annotations

import select
import signal
import socket
from types import FrameType, TracebackType
from typing import Any, Final, Self

STOP: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Counts the signals that ask for the end, and wakes ``wait`` for them and for every child that ends.

    In force between ``__enter__`` and ``__exit__``, in the main thread only. Under ``nohup`` SIGHUP stays ignored;
    SIGINT is heard although a script's background ignores it, because ``kill -INT`` means it.
    """

    def __init__(self) -> None:
        self.stops = 0
        self._before: dict[signal.Signals, Any] = {}
        self._awake, self._waker = socket.socketpair()
        self._awake.settimeout(0)
        self._waker.settimeout(0)

    def __enter__(self) -> Self:
        # Written to by the interpreter itself, so that no signal between a look and the wait is missed.
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (*STOP, signal.SIGCHLD):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        self._awake.close()
        self._waker.close()

    def wait(self, timeout: float | None) -> None:
        """Sleep until a signal comes, or ``timeout`` seconds are over; None waits without a bound."""
        if select.select([self._awake], [], [], timeout)[0]:
            self._awake.recv(4096)

    def _received(self, number: int, _frame: FrameType | None) -> None:
        if number in STOP:
            self.stops += 1
