"""What a task has logged: its last lines, kept beside its record and removed with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from async_tasks.ledger.record import rfc3339

#: Lines kept of a task, the last ones.
LOG_LINES: Final = 200
#: Bytes that they may have in all, as stored.
LOG_BYTES: Final = 64 * 1024
#: Letters of one line.
LOG_LETTERS: Final = 4_000


@dataclass(frozen=True, slots=True)
class NewLine:
    """A line as its worker hands it over: by age, since times are the store's."""

    number: int  # among the lines of its run, from 1
    age: int  # milliseconds since it was logged
    level: str
    logger: str
    text: str

    def packed(self) -> tuple[int, int, str, str, str]:
        """As the script takes it."""
        return self.number, self.age, self.level, self.logger, self.text


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that is kept."""

    place: int  # among all that the task has logged, from 1
    at: int  # milliseconds since the epoch, by the store's clock
    attempt: int
    level: str
    logger: str
    text: str

    @classmethod
    def unpack(cls, raw: bytes) -> LogLine:
        """Read what ``scripts/log.lua`` keeps."""
        place, at, attempt, _, level, logger, text = msgpack.unpackb(raw)
        return cls(int(place), int(at), int(attempt), level, logger, text)

    def public(self) -> dict[str, Any]:
        """The line as callers see it."""
        return {
            "at": rfc3339(self.at),
            "level": self.level,
            "logger": self.logger,
            "message": self.text,
            "attempt": self.attempt,
        }


def pack_lines(lines: Sequence[NewLine]) -> bytes:
    """Lines as the script takes them."""
    packed: bytes = msgpack.packb([line.packed() for line in lines])
    return packed


@dataclass(frozen=True, slots=True)
class Log:
    """The last lines of a task, oldest first, and how many before and between them are not kept."""

    lines: Sequence[LogLine] = ()

    @property
    def left_out(self) -> int:
        """Lines that were logged and are not kept."""
        return self.lines[-1].place - len(self.lines) if self.lines else 0
