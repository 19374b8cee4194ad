"""Waiting on conditions, always with a bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T],
    timeout: float = 10,
    message: str | Callable[[], str] = "the condition",
    *,
    ignoring: tuple[type[Exception], ...] = (),
) -> T:
    """Call ``condition`` until it gives something true, and return that.

    Args:
        condition: what is waited for.
        timeout: seconds after which the test fails.
        message: what is waited for in words, or a function that says what was there instead.
        ignoring: errors of ``condition`` that mean "not yet".

    Raises:
        AssertionError: when the time is over.
    """
    deadline = time.monotonic() + timeout
    pause = 0.005
    error: Exception | None = None
    while True:
        try:
            value = condition()
        except ignoring as exc:
            error = exc
        else:
            error = None
            if value:
                return value
        if time.monotonic() > deadline:
            words = message() if callable(message) else message
            raise AssertionError(f"waited {timeout:g} s in vain for {words}" + (f"; last: {error!r}" if error else ""))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
