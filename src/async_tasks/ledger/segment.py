"""A stretch of records by their numbers, and which of them have what is asked for: see ``scripts/indexes.lua``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import and_, or_
from typing import Final

#: Records that share the keys of their indexes: a bitmap of as many bits, 8 KB, is read at a time.
SEGMENT: Final = 65_536

Found = bytes | list[bytes]


class Segment:
    """One segment, as read from the store.

    Args:
        start: the first number.
        low: the first offset that counts.
        high: the offset after the last that counts.
        conditions: for each a bitmap of the offsets that meet it, or those offsets in a list of one text.
        union: whether one condition is enough; else all are needed.
    """

    def __init__(self, start: int, low: int, high: int, conditions: Sequence[Found], *, union: bool) -> None:
        self.start = start
        # As one large number, whose highest bit is offset 0, as in the store's bitmaps.
        within = (1 << (SEGMENT - low)) - (1 << (SEGMENT - high))
        self._bits = reduce(or_ if union else and_, map(_number, conditions)) & within

    def __len__(self) -> int:
        return self._bits.bit_count()

    def __iter__(self) -> Iterator[int]:
        """The numbers, newest first."""
        if not self._bits:
            return
        digits = format(self._bits, f"0{SEGMENT}b")
        place = SEGMENT
        while (place := digits.rfind("1", 0, place)) >= 0:
            yield self.start + place


def _number(found: Found) -> int:
    if isinstance(found, bytes):
        return int.from_bytes(found) << (SEGMENT - 8 * len(found))
    bitmap = bytearray(SEGMENT // 8)
    for offset in map(int, found[0].split()):
        bitmap[offset // 8] |= 0x80 >> offset % 8
    return int.from_bytes(bitmap)
