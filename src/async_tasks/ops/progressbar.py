"""A bar that stays on the last line of a terminal while lines are printed above it."""

from __future__ import annotations

import os
import time
from typing import Any, Final, TextIO

from async_tasks.ledger import Progress, Record, State
from async_tasks.ops.terminal import Ink, cells, clip, harmless, plain
from async_tasks.ops.times import stopwatch

#: Columns of the bar itself, at most and at least; with less room there is none.
LONGEST: Final = 30
SHORTEST: Final = 8
#: Seconds between two drawings of the same.
PAUSE: Final = 0.1

_TO_COLUMN_1_AND_CLEAR: Final = "\r\x1b[K"

_WAITING: Final = {
    State.SCHEDULED: "waits for its time",
    State.PENDING: "waits for a worker",
    State.STARTED: "runs",
    State.RETRY: "waits to be tried again",
}


class Bar:
    """How far a task is, on the last line of a terminal.

    Args:
        stream: the terminal.
        ink: its colours.
    """

    def __init__(self, stream: TextIO, ink: Ink = plain) -> None:
        self._stream = stream
        self._ink = ink
        self._since = self._drawn_at = 0.0
        self._record: Record | None = None
        self._drawn = ""

    def draw(self, record: Record) -> None:
        """Show the record as it is, in place of what was shown before."""
        now = time.monotonic()
        if record is self._record and now - self._drawn_at < PAUSE:
            return
        if self._record is None or record.state != self._record.state:
            self._since = now - _age(record)
        self._record = record
        width = _width(self._stream) - 1  # in the last column a terminal would begin another line
        line = render(record, now - self._since, width, unicode=can_encode(self._stream, "█░…"), ink=self._ink)
        if line != self._drawn:
            self._write(_TO_COLUMN_1_AND_CLEAR + line)
            self._drawn, self._drawn_at = line, now

    def clear(self) -> None:
        """Take it away; the next drawing puts it back."""
        if self._drawn:
            self._write(_TO_COLUMN_1_AND_CLEAR)
            self._drawn, self._record = "", None

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def render(record: Record, seconds: float, width: int, *, unicode: bool = True, ink: Ink = plain) -> str:
    """The line.

    Args:
        record: of the task.
        seconds: that it has been in its state.
        width: columns that there are.
        unicode: whether block characters can be shown.
        ink: colours.
    """
    state, clock = record.state, stopwatch(seconds)
    progress = record.progress if state is State.STARTED else None
    words = describe_progress(progress) if progress else _WAITING.get(state, "")
    room = width - len(state) - len(clock) - 4
    bar = ""
    if progress and progress["total"]:
        length = min(LONGEST, room - cells(words) - 2)
        if length < SHORTEST:
            length = SHORTEST if room > 3 * SHORTEST else 0
        full, empty = ("█", "░") if unicode else ("#", ".")
        done = round(length * min(1.0, progress["done"] / progress["total"]))
        bar = ink(full * done, state) + ink(empty * (length - done), "faint") + "  " if length else ""
        room -= length + 2 if length else 0
    if room < 1:
        return clip(f"{state}  {clock}", width)
    if not unicode:
        words = words.encode("ascii", "backslashreplace").decode()
    clipped = clip(words, room) if unicode else words[:room]
    return f"{ink(state, state)}  {bar}{clipped}  {ink(clock, 'faint')}"


def describe_progress(progress: Progress) -> str:
    """``50 %  1/2  step 1``; without a total, what is done."""
    done, total, message = progress["done"], progress["total"], progress["message"]
    share = [f"{done / total:.0%}".replace("%", " %"), f"{done:g}/{total:g}"] if total else [f"{done:g} done"]
    return "  ".join([*share, *([harmless(message, one_line=True)] if message else [])])


def can_encode(stream: Any, text: str) -> bool:
    """Whether the stream's encoding has these characters."""
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _age(record: Record) -> float:
    """Seconds that it has been in its state, as far as this machine's clock and the store's agree."""
    since = record.started_at if record.state is State.STARTED else None
    return max(0.0, time.time() - (since or record.timeline[-1]["at"]) / 1000)


def _width(stream: TextIO) -> int:
    try:
        # Not by shutil, which believes COLUMNS: that is not told when the window changes.
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
