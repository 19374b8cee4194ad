"""A program on a terminal of its own: what it writes as it comes, and what stands on the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.waiting import wait_until

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """A pseudo-terminal with one program on it.

    Args:
        command: program and arguments.
        env: the whole environment; TERM is set if it has none.
        cwd: its working directory.
        columns: of the terminal.
        stdout: whether standard output is the terminal too; else it is kept apart, as behind ``>``.
    """

    def __init__(
        self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, columns: int = 80, stdout: bool = True
    ) -> None:
        self.raw = ""
        self._master, slave = pty.openpty()
        self.resize(columns)
        self._bytes = b""
        self._process = subprocess.Popen(
            command,
            env={"TERM": "xterm-256color", **env},
            cwd=cwd,
            stdin=slave,
            stdout=slave if stdout else subprocess.PIPE,
            stderr=slave,
            start_new_session=True,
            # The terminal is the program's own, so that its Ctrl-C is.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - the tests start no threads
        )
        os.close(slave)

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self._process.pid

    def resize(self, columns: int, rows: int = 24) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def read(self) -> str:
        """All that has been written so far, escape sequences included."""
        with suppress(OSError):  # Linux's way to say that the program has closed the terminal
            while select.select([self._master], [], [], 0)[0]:
                chunk = os.read(self._master, 65536)
                if not chunk:
                    break
                self._bytes += chunk
        self.raw = self._bytes.decode(errors="replace")
        return self.raw

    def lines(self) -> list[str]:
        """The screen and what has scrolled out of it, without colours and empty lines."""
        return screen(self.read())

    def wait_for(self, condition: Callable[[], object], timeout: float = 20) -> None:
        """Wait until the condition holds, reading meanwhile."""
        wait_until(lambda: (self.read(), condition())[1], timeout, lambda: f"the terminal; it shows:\n{self.raw!r}")

    def wait(self, timeout: float = 20) -> int:
        """Wait for the program's end, reading meanwhile, and return its exit status."""
        wait_until(
            lambda: (self.read(), self._process.poll() is not None)[1], timeout, lambda: f"the end:\n{self.raw!r}"
        )
        self.read()
        return self._process.returncode

    def output(self) -> str:
        """Standard output, where that is kept apart."""
        assert self._process.stdout is not None, "it is the terminal"
        return self._process.stdout.read().decode()

    def close(self) -> None:
        """End the program and take the terminal away."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        os.close(self._master)


def screen(text: str) -> list[str]:
    """What a reader sees of it: carriage returns, backspaces and erased lines carried out, colours left out.

    Sequences other than those stay, so that a test sees them.
    """
    lines = [""]
    column = 0
    parts = re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|[\r\n\b\x07])", _STYLE.sub("", text))
    for part in parts:
        if part == "\r":
            column = 0
        elif part == "\n":
            lines.append("")
            column = 0
        elif part == "\b":
            column = max(0, column - 1)
        elif part in ("\x1b[K", "\x1b[0K"):
            lines[-1] = lines[-1][:column]
        elif part != "\x07":
            lines[-1] = lines[-1][:column].ljust(column) + part + lines[-1][column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in lines if line.strip()]
