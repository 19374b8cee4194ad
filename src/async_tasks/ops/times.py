"""Times as people give and read them: durations, and moments in their own time zone."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s?([smhd]?)", re.ASCII)


def parse_seconds(text: str) -> float:
    """Seconds of ``90``, ``1.5``, ``90s``, ``30m``, ``2h`` or ``7d``.

    Raises:
        ValueError: if it is none of these.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration, such as 90, 30s, 15m, 2h or 7d")
    return float(match[1]) * _UNITS[match[2] or "s"]


def parse_moment(text: str) -> datetime:
    """A point in time: RFC 3339, or the same without a zone, in the zone of this machine.

    Raises:
        ValueError: if it is none.
    """
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromisoformat(text.strip()).astimezone()
    raise ValueError(f"{text!r} is no time, such as 2027-01-31T12:00:00Z or '2027-01-31 13:00'")


def parse_past(text: str, now: datetime | None = None) -> int:
    """A moment, or how long ago it was, as milliseconds since the epoch.

    Raises:
        ValueError: if it is neither.
    """
    try:
        at = (now or datetime.now(UTC)).timestamp() - parse_seconds(text)
    except ValueError:
        try:
            at = parse_moment(text).timestamp()
        except ValueError:
            raise ValueError(
                f"{text!r} is neither a time, such as 2027-01-31T12:00:00Z, nor how long ago: 30m, 2h, 7d"
            ) from None
    return round(at * 1000)


def clock(at: int) -> str:
    """The time of day to the millisecond, in the zone of this machine."""
    return _local(at).isoformat(sep=" ", timespec="milliseconds")[11:23]


def full(at: int) -> str:
    """Day, time and zone: ``2027-01-31 13:00:00 CET``."""
    return _local(at).strftime("%Y-%m-%d %H:%M:%S %Z")


def brief(at: int, now: datetime | None = None) -> str:
    """As short as it is clear: the time of today, day and time of this year, else the day. At most 12 columns."""
    moment, today = _local(at), (now or datetime.now(UTC)).astimezone()
    if moment.date() == today.date():
        return moment.strftime("%H:%M:%S")
    # Not by %b: the names of months are the locale's, of any length.
    return moment.strftime("%m-%d %H:%M" if moment.year == today.year else "%Y-%m-%d")


def duration(milliseconds: float) -> str:
    """``12 ms``, ``2.1 s``, ``3 min 05 s``, ``2 h 05 min``, ``3 d 4 h``."""
    seconds = max(0.0, milliseconds / 1000)
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    whole = round(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if whole >= 3600:  # noqa: PLR2004 - an hour
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {whole % 60:02} s"


def stopwatch(seconds: float) -> str:
    """``0:07``, ``12:34``, ``1:02:03``."""
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _local(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone()
