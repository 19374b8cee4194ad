"""How many of a task may start, and run at a time, over all workers together."""

from __future__ import annotations

import re
from typing import Any, Final

#: As the ledger holds it: ``rate_limit`` (words), ``every`` (ms between two starts), ``concurrency``.
Limit = dict[str, Any]

#: What a rate must be.
RATE: Final = "how many in a second, a minute or an hour, such as '100/s', '10/m' or '3/h'"

#: The same as a pattern, for schemas too.
PATTERN: Final = "^([1-9][0-9]{0,5})/([smh])$"

_RATE: Final = re.compile(PATTERN)
_PERIODS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000}


def every(rate: str) -> float | None:
    """Milliseconds between two starts at a rate, "10/m"; None: it is none."""
    found = _RATE.fullmatch(rate)
    return None if found is None else _PERIODS[found[2]] / int(found[1])


def read(rate_limit: str | None, concurrency: int | None) -> Limit | None:
    """A limit as the ledger holds it; None: there is none."""
    limit: Limit = {}
    if rate_limit is not None:
        limit |= {"rate_limit": rate_limit, "every": every(rate_limit)}
    if concurrency is not None:
        limit["concurrency"] = concurrency
    return limit or None


def words(limit: Limit) -> str:
    """A limit for people."""
    parts = []
    if limit.get("rate_limit"):
        parts.append(str(limit["rate_limit"]))
    if limit.get("concurrency"):
        parts.append(f"{limit['concurrency']} at a time")
    return ", ".join(parts) or "no limit"
