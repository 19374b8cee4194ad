"""Python imports this at its start, in processes whose clock libfaketime shifts: it refuses what ``time.sleep`` asks.

That is a wait until a moment of the clock that only measures how much time has passed, which is not shifted.
"""

from __future__ import annotations

import select
import time
from typing import Any


def _sleep(seconds: Any) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = _sleep
