"""Dates and times as HTML's inputs take them, and the zone that goes with a moment."""

from __future__ import annotations

import re
from typing import Final

#: What a moment without a zone is marked with.
NO_ZONE: Final = "none"

UTC: Final = "Z"

_DATE: Final = r"\d{4,6}-\d\d-\d\d"
_TIME: Final = r"\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?"

#: What an input of a type can show; anything else has to stand in a line of text, or it would be lost.
SHOWABLE: Final = {
    "date": re.compile(_DATE, re.ASCII),
    "time": re.compile(_TIME, re.ASCII),
    "datetime": re.compile(f"{_DATE}T{_TIME}", re.ASCII),
}

_MOMENT: Final = re.compile(rf"({_DATE}T{_TIME})(Z|[+-]\d\d:\d\d)?", re.ASCII)
_ZONE: Final = re.compile(r"Z|[+-]\d\d:\d\d", re.ASCII)


def split(value: str) -> tuple[str, str] | None:
    """A moment of JSON as the time on a clock and the zone of that clock; None: no input can show it."""
    found = _MOMENT.fullmatch(value)
    return (found[1], found[2] or NO_ZONE) if found else None


def joined(clock: str, zone: str | None) -> str:
    """A moment from what two inputs hold; a zone that was typed in the first stays."""
    if zone is not None and _ZONE.fullmatch(zone) and SHOWABLE["datetime"].fullmatch(clock):
        return clock + zone
    return clock
