"""Supervised processes: each in a session of its own, known by a marker, ended with all that it started."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psutil
from pydantic import SecretStr

from async_tasks.settings import ENV_PREFIX, Settings

#: In the environment of every supervised process, and so of all that it starts: the absolute data folder.
MARKER: Final = "_ASYNC_TASKS_DATA_DIR"

FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 30.0
#: One that ends by itself within this many seconds of its first start has probably been set up wrongly.
FIRST_STEPS: Final = 10.0
#: A process that lived this long, in seconds, did start; when it ends, the delays begin anew.
SETTLED: Final = 30.0

_PR_SET_PDEATHSIG: Final = 1


class Child:
    """One supervised process through all its restarts.

    Args:
        name: what people call it.
        command: program and arguments.
        environment: the whole environment.
        log: file that its output is appended to; none: the supervisor's own output.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path | None = None
    ) -> None:
        self.name = name
        self.restart_at: float | None = None
        self._command = list(command)
        self._environment = dict(environment)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._started_at = math.inf
        self._delay = FIRST_DELAY

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int:
        """How it ended: the exit status, or minus the signal's number; 127 if it could not be started."""
        return 127 if self._process is None or self._process.returncode is None else self._process.returncode

    @property
    def first_steps(self) -> bool:
        """Whether it has only just been started, for the first time."""
        return self._starts == 1 and time.monotonic() - self._started_at < FIRST_STEPS

    def start(self) -> None:
        """Start it.

        Raises:
            OSError: if the program cannot be run.
        """
        self.restart_at = None
        self._starts += 1
        self._started_at = time.monotonic()
        self._process = None
        output = self._log.open("ab") if self._log else None
        try:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                # A terminal's Ctrl-C shall reach the supervisor alone: it ends the others in their order.
                start_new_session=True,
                preexec_fn=_end_with_parent(),  # noqa: PLW1509 - the supervisor has one thread
            )
        finally:
            if output:
                output.close()

    def restart_later(self) -> float:
        """Note when it shall be started again.

        Returns:
            The delay in seconds; it doubles from start to start until one lived for ``SETTLED`` seconds.
        """
        now = time.monotonic()
        if now - self._started_at >= SETTLED:
            self._delay = FIRST_DELAY
        delay = self._delay
        self._delay = min(delay * 2, LONGEST_DELAY)
        self.restart_at = now + delay
        return delay

    def terminate(self) -> None:
        """Ask it to end, in its own way."""
        if self._process:
            self._process.terminate()

    def kill_group(self) -> None:
        """End it and whatever it started in its session's group, at once."""
        if self._process is None:
            return
        # Nothing may be left, and macOS says "not permitted" of a group of zombies.
        with suppress(ProcessLookupError, PermissionError):
            # Also when the leader has ended: its group lives on in what it left behind.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def in_words(status: int) -> str:
    """How a process ended, from its exit status or minus the number of its signal."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was ended by {name}"


def environment(settings: Settings, data_dir: Path) -> dict[str, str]:
    """The environment of a supervised process: this one's, the settings in force, and the marker.

    Args:
        settings: those that were set, by whatever way, are handed on; defaults are the child's own.
        data_dir: the absolute data folder.
    """
    variables = dict(os.environ)
    for field in settings.model_fields_set & set(type(settings).model_fields):
        name = ENV_PREFIX + field.upper()
        value = getattr(settings, field)
        if value is None:
            variables.pop(name, None)
        else:
            variables[name] = _as_text(value)
    variables[ENV_PREFIX + "DATA_DIR"] = str(data_dir)
    variables[MARKER] = str(data_dir)
    return variables


def kill_marked(data_dir: Path, *, within: float = 5) -> int:
    """End every process of this user that a supervisor of this data folder has started, at once.

    Args:
        data_dir: the absolute data folder.
        within: seconds after which to give up: what does not die of SIGKILL waits for the kernel.

    Returns:
        How many there were.
    """
    ended: set[int] = set()
    deadline = time.monotonic() + within
    # Again and again, because the first ones may have started others while they were looked for.
    while found := marked(data_dir):
        for process in found:
            try:
                process.kill()
            except psutil.Error:
                continue
            ended.add(process.pid)
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return len(ended)


def marked(data_dir: Path) -> list[psutil.Process]:
    """This user's processes that carry the marker of this data folder; not this one and its ancestors."""
    me = psutil.Process()
    spared = {me.pid, *(ancestor.pid for ancestor in me.parents())}
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.pid not in spared and process.uids().real == os.getuid()
            if ours and process.environ().get(MARKER) == str(data_dir):
                found.append(process)
        except (psutil.Error, OSError):
            # It ended meanwhile, or is none that we may look into.
            continue
    return found


def _as_text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


def _end_with_parent() -> Callable[[], None] | None:
    """What a child runs before its program: on Linux, ask for SIGTERM at the supervisor's end, of any kind.

    Elsewhere nothing does this; there, and for what a child has started itself, the next start finds the
    marker.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before it could be asked
            os._exit(1)

    return before_exec
