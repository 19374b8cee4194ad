"""Tasks with limits that hold across workers; each leaves a trace of when it ran."""

from __future__ import annotations

import os
import time

from async_tasks import task


def _trace(path: str, line: str) -> None:
    # One write of a short line with O_APPEND is atomic, whatever other processes do.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{time.monotonic()} {line}\n".encode())
    finally:
        os.close(descriptor)


@task(concurrency=2)
def narrow(path: str, number: int, seconds: float = 0.05) -> int:
    """Run two at a time."""
    _trace(path, f"start {number}")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.01)
    _trace(path, f"end {number}")
    return number


@task(rate_limit="20/s")
def steady(path: str, number: int) -> int:
    """Start twenty times a second."""
    _trace(path, f"start {number}")
    return number


@task
def unlimited(path: str, number: int) -> int:
    """Run without a limit."""
    _trace(path, f"start {number}")
    return number
