"""Real processes for tests: started, tormented with signals, and ended by their id."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

#: Below the range for outgoing connections, in which a client that retries could be given its server's port.
PORTS = range(10_000, 20_000)


def free_port() -> int:
    """A port on which nobody listens on loopback."""
    for port in random.sample(PORTS, 500):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise AssertionError(f"no port is free from {PORTS.start} to {PORTS.stop}")


def accepts(port: int) -> bool:
    """Whether somebody listens on that port of loopback."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Process:
    """One program in a session of its own, with its output in a file.

    Args:
        command: program and arguments.
        log: file that its output is appended to.
        env: the whole environment; None: this one's.
        cwd: its working directory; None: this one's.
    """

    def __init__(
        self, command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.command = list(command)
        self.log = log
        self.env = None if env is None else dict(env)
        self.cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """The id of the process started last."""
        assert self._process is not None, "it has not been started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        """All that it has written since it was started last."""
        return self.log.read_bytes()[self._log_start :].decode(errors="replace") if self.log.exists() else ""

    def start(self) -> None:
        """Start it; it is not waited for."""
        assert not self.alive, "it runs already"
        # Linux ends it with the tests, however those end; elsewhere a killed test run leaves its servers.
        leash = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*leash, *self.command],
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone."""
        os.kill(self.pid, number)

    def wait(self, timeout: float = 30) -> int:
        """Wait for its end, and return its exit status (minus the number of the signal that ended it)."""
        assert self._process is not None, "it has not been started"
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command} did not end within {timeout:g} s:\n{self.tail()}") from None

    def stop(self, timeout: float = 30) -> int:
        """Ask it to end, wait, end what is left of its group, and return its exit status."""
        self.signal(signal.SIGTERM)
        status = self.wait(timeout)
        self.kill()
        return status

    def kill(self) -> None:
        """End it and its group at once, running, paused or ended."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def pause(self) -> None:
        """Stop it and its group where they stand: they keep their connections and say nothing."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it and its group go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def tail(self, lines: int = 60) -> str:
        """The end of all its output, earlier starts included."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])
