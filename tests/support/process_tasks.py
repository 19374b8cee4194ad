"""Tasks that end otherwise than by a result, and one that runs until the test lets it go."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from async_tasks import task
from tests.support.files import write_line


@task
def hold(path: str, seconds: float = 120) -> int:
    """Write the id of the process, wait for a file of that name with ``.go`` behind it, and leave one with ``.over``."""
    write_line(path, str(os.getpid()))
    deadline = time.monotonic() + seconds
    while not Path(f"{path}.go").exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody let it go within {seconds:g} s")
        time.sleep(0.02)
    Path(f"{path}.over").touch()
    return os.getpid()


def _raise(exc: BaseException) -> NoReturn:
    raise exc


#: What a task may raise, and its run has an end all the same.
RAISES: dict[str, Callable[[], object]] = {
    "MemoryError": lambda: _raise(MemoryError("no more memory")),
    "more memory than there is": lambda: bytearray(1 << 60),
    "sys.exit(3)": lambda: sys.exit(3),
    "sys.exit()": sys.exit,
    "KeyboardInterrupt": lambda: _raise(KeyboardInterrupt()),
    "GeneratorExit": lambda: _raise(GeneratorExit()),
    "CancelledError": lambda: _raise(asyncio.CancelledError()),
    "BaseException": lambda: _raise(BaseException("of no known kind")),
    "recursion without end": lambda: _recurse(0),
}

#: What ends the process that runs the task.
KILLS: dict[str, Callable[[], object]] = {
    "os._exit(0)": lambda: os._exit(0),
    "os._exit(3)": lambda: os._exit(3),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGABRT": os.abort,
    "SIGSEGV": lambda: ctypes.string_at(0),
}


def _recurse(depth: int) -> int:
    return _recurse(depth + 1) + 1


@task
def end_by(how: str, path: str) -> str:
    """Write a line, and end in one of those ways."""
    write_line(path, how)
    (RAISES | KILLS)[how]()
    return "went on"
