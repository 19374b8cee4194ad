"""Lengths of time as people write them, ``1 h 30 min``, and as JSON has them, ``PT1H30M``."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

from pydantic import TypeAdapter

_SECOND: Final = 1_000_000

#: Microseconds by the names that people use.
UNITS: Final = {
    **dict.fromkeys(("w", "week", "weeks"), 7 * 86_400 * _SECOND),
    **dict.fromkeys(("d", "day", "days"), 86_400 * _SECOND),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3_600 * _SECOND),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60 * _SECOND),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), _SECOND),
    "ms": 1_000,
}

_PART: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([a-z]{1,7})[\s,]*", re.ASCII)
_WHOLE: Final = re.compile(rf"-?\s*(?:{_PART.pattern})+", re.ASCII)


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[timedelta]:
    return TypeAdapter(timedelta)


def in_json(text: str) -> str:
    """What a person wrote as JSON has it; anything else as it is, for the task to take or refuse."""
    lower = text.strip().lower()
    if not _WHOLE.fullmatch(lower):
        return text
    found = _PART.findall(lower)
    if any(unit not in UNITS for _, unit in found):
        return text
    length = sum(Decimal(number) * UNITS[unit] for number, unit in found)
    with suppress(OverflowError):
        return str(
            _adapter().dump_python(timedelta(microseconds=int(-length if lower[0] == "-" else length)), mode="json")
        )
    return text


def in_words(value: str) -> str:
    """A value of JSON as a person would write it; what is none, as it is."""
    try:
        length = _adapter().validate_python(value)
    except ValueError:
        return value
    left = abs(length) // timedelta(microseconds=1)
    said = []
    for unit in ("d", "h", "min"):
        count, left = divmod(left, UNITS[unit])
        if count:
            said.append(f"{count} {unit}")
    if left or not said:
        said.append(f"{(Decimal(left) / _SECOND).normalize():f} s")
    return ("-" if length < timedelta(0) else "") + " ".join(said)
