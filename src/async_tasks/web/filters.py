"""Which records a page is about: read from its address, said in words, and as the addresses of others.

The address of the History page is the view itself, so it holds what is chosen and nothing else. A time may be relative
there (``since=-1h``): tomorrow, the same address is the last hour of then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from async_tasks.errors import InvalidOption
from async_tasks.ledger.record import rfc3339
from async_tasks.queries import Filters
from async_tasks.web import inputs, words
from async_tasks.web.forms import moments

PATH: Final = "/history"

#: What each condition is called, in the order in which they are shown.
LABELS: Final[Mapping[str, str]] = {
    "state": "State",
    "name": "Task",
    "queue": "Queue",
    "worker": "Worker",
    "submitted_by": "Submitted by",
    "batch_id": "Batch",
    "fingerprint": "Error",
    "q": "Text",
    "since": "From",
    "until": "To",
}

#: Times to choose from, as ``since`` has them.
PRESETS: Final[Mapping[str, str]] = {"-1h": "Last hour", "-24h": "Last day", "-7d": "Last 7 days"}

#: How the form says that its two moments count.
BETWEEN: Final = "between"

#: Moments that can be told as RFC 3339: from the year 1 to 9999, in milliseconds since 1970.
EARLIEST: Final = -62_135_596_800_000
LATEST: Final = 253_402_300_799_999

_AGO: Final = re.compile(r"-(\d{1,5})(m|h|d)", re.ASCII)
_UNITS: Final = {"m": words.MINUTE, "h": words.HOUR, "d": words.DAY}


class Chip(NamedTuple):
    """One condition as it is shown, and the address without it."""

    label: str
    text: str
    at: int | None  # of a moment
    without: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The conditions of one page: as they were given, and as they are asked for."""

    given: Mapping[str, str]
    filters: Filters

    def address(self, **changes: str | None) -> str:
        """The page with other conditions; None leaves one out."""
        wanted = {**self.given, **changes}
        query = urlencode([(name, value) for name, value in wanted.items() if value])
        return f"{PATH}?{query}" if query else PATH

    def chips(self) -> list[Chip]:
        """The conditions as they are shown."""
        return [self._chip(name) for name in LABELS if name in self.given]

    def sentence(self) -> str:
        """The conditions in words, such as "failure · task resize · last hour"; for titles, and to be read out."""
        return " · ".join(f"{chip.label.lower()} {chip.text}".strip() for chip in self.chips()) or "all tasks"

    def _chip(self, name: str) -> Chip:
        text, without = self.given[name], self.address(**{name: None})
        if name == "state":
            return Chip("", words.STATES[self.filters["state"]], None, without)  # type: ignore[index] # it is there
        if preset := name == "since" and PRESETS.get(text):
            return Chip("", preset, None, without)
        if name in ("since", "until"):
            at = int(self.filters[name])  # type: ignore[literal-required] # one of the two
            return Chip(LABELS[name], words.utc(at), at, without)
        return Chip(LABELS[name], text, None, without)


def chosen(given: Mapping[str, str], now: int) -> Chosen:
    """What an address or a form asks for.

    Args:
        given: conditions by name, among others; what is empty is none.
        now: the store's clock, which relative times are counted back from.

    Raises:
        InvalidOption: naming the condition that cannot be read.
    """
    kept = {name: given[name].strip() for name in LABELS if given.get(name, "").strip()}
    read: dict[str, str] = {**kept, **{name: _absolute(name, kept[name], now) for name in _TIMES if name in kept}}
    return Chosen(kept, inputs.filters(read))


_TIMES: Final = ("since", "until")


def _absolute(name: str, text: str, now: int) -> str:
    if ago := _AGO.fullmatch(text):
        return str(now - int(ago[1]) * _UNITS[ago[2]])
    if text.startswith("-") and not text[1:].isdigit():
        raise InvalidOption(name, f"{text!r} is no length of time back from now, such as -30m, -24h or -7d")
    if not EARLIEST <= inputs.milliseconds(name, text) <= LATEST:
        raise InvalidOption(name, f"{text!r} is out of the years 1 to 9999")
    return text


def of_form(given: Mapping[str, str]) -> dict[str, str]:
    """The conditions of the form of filters, whose times are a preset, or two moments on a clock.

    Raises:
        InvalidOption: if a moment cannot be read.
    """
    found = {name: value for name, value in given.items() if name in LABELS}
    last = given.get("last", "")
    if last in PRESETS:
        found["since"] = last
        return found
    for field, name in (("from", "since"), ("to", "until")):
        if typed := given.get(field, "").strip():
            at = moments.joined(typed, given.get("zone") or moments.UTC)
            found[name] = str(rfc3339(inputs.milliseconds(field, at)))
    return found


def clock(at: int | None) -> str:
    """A moment as an input takes it, on a clock in UTC; the page's script puts it into the visitor's zone."""
    return "" if at is None else str(rfc3339(at))[:19]


def of_body(given: Any, now: int) -> Chosen:
    """The conditions of a JSON body.

    Raises:
        InvalidOption: naming the member that there is not, or that cannot be read.
    """
    if not isinstance(given, dict):
        raise InvalidOption("filter", "must be a JSON object: conditions by name; {} means every task")
    for name, value in given.items():
        if name not in LABELS:
            raise InvalidOption(f"filter.{name}"[:100], f"there is no such condition; there are: {', '.join(LABELS)}")
        if isinstance(value, bool) or not isinstance(value, (str, int) if name in _TIMES else str):
            raise InvalidOption(f"filter.{name}", "must be a string")
        if not str(value).strip():
            # An address may leave conditions empty. Here, a variable that was not set would mean every task.
            raise InvalidOption(f"filter.{name}", "is empty: leave it out if it is no condition")
    return chosen({name: str(value) for name, value in given.items()}, now)
