"""When a task is submitted by itself: by a cron expression, or at an interval."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from async_tasks.errors import DeclarationError

Missed = Literal["skip", "once", "all"]

#: Shorter intervals are a loop's business.
SHORTEST: Final = 1.0
#: Runs of the past that are made up for at most.
MOST_MISSED: Final = 100
#: Milliseconds by which a run may be late and still be on time.
ON_TIME: Final = 60_000

_MEMBERS: Final = ("cron", "every", "timezone", "missed", "arguments")
_RIGHT: Final = (
    "write a cron expression such as '*/5 * * * *', a number of seconds, or a dict with 'cron' or 'every', and with "
    "'timezone', 'missed' ('once', 'skip' or 'all') and 'arguments' where they are needed"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a task is submitted by itself; either ``cron`` or ``every`` is given.

    A cron expression is read in its time zone. Where the clock is put forward, what falls into the gap runs right after
    it; where it is put back, what runs at fixed hours runs once, as Debian's cron does. An interval counts from the
    epoch, so that every dispatcher comes to the same moments.
    """

    cron: str | None = None
    every: float | None = None  # seconds
    timezone: str = "UTC"
    missed: Missed = "once"  # what becomes of runs that fell due while nobody was there
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.every is not None:
            return f"every {self.every:g} s"
        return f"{self.cron} {self.timezone}"

    def words(self) -> str:
        """For people: "every 5 min", "At 03:00 every day"."""
        if self.every is not None:
            for seconds, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
                if self.every % seconds == 0:
                    number = round(self.every / seconds)
                    return f"Every {number} {unit}"
            return f"Every {self.every:g} s"
        return str(CronSim(str(self.cron), datetime.fromtimestamp(0, UTC)).explain())

    def after(self, at: int) -> int:
        """The first moment after ``at``; milliseconds since the epoch."""
        if self.every is not None:
            step = round(self.every * 1000)
            return (at // step + 1) * step
        moment = datetime.fromtimestamp(at / 1000, ZoneInfo(self.timezone))
        return round(next(CronSim(str(self.cron), moment)).timestamp() * 1000)

    def due(self, first: int, now: int) -> list[int]:
        """The moments from ``first`` to ``now`` for which it is to run, by what is said of missed ones."""
        if self.missed == "all":
            moments: deque[int] = deque(maxlen=MOST_MISSED)
            at = first
            while at <= now:
                moments.append(at)
                at = self.after(at)
            return list(moments)
        last = max(first, self.last(now))
        return [] if self.missed == "skip" and now - last > ON_TIME else [last]

    def last(self, now: int) -> int:
        """The last moment up to ``now``; milliseconds since the epoch."""
        if self.every is not None:
            step = round(self.every * 1000)
            return now // step * step
        # From the next full second: backwards is strictly before.
        moment = datetime.fromtimestamp(now // 1000 + 1, ZoneInfo(self.timezone))
        return round(next(CronSim(str(self.cron), moment, reverse=True)).timestamp() * 1000)


def parse(given: Any) -> Schedule:
    """Read what was given to ``@task(schedule=…)``.

    Raises:
        DeclarationError: with what is wrong, and what would be right.
    """
    if isinstance(given, str):
        given = {"cron": given}
    elif isinstance(given, int | float) and not isinstance(given, bool):
        given = {"every": given}
    if not isinstance(given, Mapping):
        raise DeclarationError(f"option 'schedule' is {given!r}: {_RIGHT}")
    unknown = [name for name in given if name not in _MEMBERS]
    if unknown or ("cron" in given) == ("every" in given):
        raise DeclarationError(f"option 'schedule' is {dict(given)!r}: {_RIGHT}")
    schedule = Schedule(**given)
    _check(schedule)
    return schedule


def _check(schedule: Schedule) -> None:
    every = schedule.every
    if every is not None:
        number = isinstance(every, int | float) and not isinstance(every, bool)
        if not number or not math.isfinite(every) or every < SHORTEST:
            raise DeclarationError(f"option 'schedule': 'every' is {every!r}, and must be {SHORTEST:g} seconds or more")
    if schedule.missed not in get_args(Missed):
        raise DeclarationError(f"option 'schedule': 'missed' is {schedule.missed!r}: {_RIGHT}")
    if not isinstance(schedule.arguments, Mapping):
        raise DeclarationError("option 'schedule': 'arguments' must be a dict of parameters by name")
    try:
        zone = ZoneInfo(schedule.timezone)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise DeclarationError(
            f"option 'schedule': {schedule.timezone!r} is no time zone; write one such as 'Europe/Berlin'"
        ) from None
    if schedule.cron is not None:
        try:
            next(CronSim(schedule.cron, datetime.now(UTC).astimezone(zone)))
        except (CronSimError, TypeError, AttributeError) as exc:
            raise DeclarationError(f"option 'schedule': {schedule.cron!r} is no cron expression: {exc}") from None
        except StopIteration:
            raise DeclarationError(f"option 'schedule': {schedule.cron!r} never comes") from None
