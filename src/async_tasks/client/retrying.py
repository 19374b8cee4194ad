"""When a call is tried again: exponential backoff with full jitter, within a bound in seconds."""

from __future__ import annotations

import math
import random
import time
from typing import Final

from async_tasks.client.errors import Unavailable

FIRST: Final = 0.2  # seconds: the most that the first pause takes; doubled with each
LONGEST: Final = 5.0
LEAST_TIMEOUT: Final = 1.0  # seconds that an attempt gets even at the very end of the time


def pause(count: int, retry_after: float | None = None) -> float:
    """Seconds before the next attempt.

    Drawn between 0 and a doubling bound ("full jitter"), so that clients whom one outage hit do not come back together.

    Args:
        count: how many attempts have failed before, from 0.
        retry_after: seconds that the server asked for, which are added.
    """
    most = min(LONGEST, FIRST * 2.0 ** min(count, 32))
    return random.uniform(0, most) + (retry_after or 0)  # noqa: S311 - to spread, not to hide


class Late(Exception):
    """Raised when the time that a caller gave is over; its cause is what went wrong last."""


class Attempts:
    """The attempts of one call.

    Args:
        retry_for: seconds after which the last one is begun.
        until: a moment of the monotonic clock after which none is begun either; None: there is no such moment.
    """

    def __init__(self, retry_for: float, until: float | None = None) -> None:
        self._began = time.monotonic()
        self._bound = self._began + retry_for
        self._until = math.inf if until is None else until
        self._failed = 0

    def timeout(self, longest: float) -> float:
        """Seconds that the next attempt may wait for the network at each step."""
        bound = min(self._bound, self._until) if self._failed else self._until
        return max(min(longest, bound - time.monotonic()), LEAST_TIMEOUT)

    def pause_after(self, error: Unavailable) -> float:
        """Seconds to wait after a failed attempt.

        Raises:
            Late: if it is past ``until``.
            Unavailable: ``error``, if it is past ``retry_for``, or would be by what the server asked for.
        """
        seconds = pause(self._failed, error.retry_after)
        self._failed += 1
        now = time.monotonic()
        if now >= self._until:
            raise Late from error
        if (error.retry_after or 0) < self._bound - now:
            return min(seconds, self._bound - now, self._until - now)
        error.add_note(f"Attempts: {self._failed} in {now - self._began:.1f} s.")
        if error.idempotency_key is not None:
            error.add_note(
                "It may have been accepted or not. Submit the same again with "
                f"idempotency_key={error.idempotency_key!r}, and it is accepted once."
            )
        raise error
