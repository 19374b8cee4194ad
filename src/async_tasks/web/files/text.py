"""A file's bytes as text, or why it is none that can be read."""

from __future__ import annotations

import codecs
from typing import Final

#: What files begin with that are no text of ours, and what they are.
_KNOWN: Final = (
    (b"PK\x03\x04", "a spreadsheet or another ZIP archive. Save the sheet as “CSV UTF-8”"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet. Save the sheet as “CSV UTF-8”"),
    (b"\x1f\x8b", "compressed. Unpack it first"),
    (b"%PDF", "a PDF. Save its table as CSV in UTF-8"),
    (codecs.BOM_UTF16_LE, "text in UTF-16. Save it as UTF-8; Excel calls that “CSV UTF-8”"),
    (codecs.BOM_UTF16_BE, "text in UTF-16. Save it as UTF-8; Excel calls that “CSV UTF-8”"),
)


class Unreadable(Exception):
    """Raised when a file as a whole cannot be taken; says what would be right."""


def decoded(raw: bytes) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Raises:
        Unreadable: if it is empty, or anything else.
    """
    for start, what in _KNOWN:
        if raw.startswith(start):
            raise Unreadable(f"The file is {what}.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise Unreadable(
            f"The file is not UTF-8: byte {exc.object[exc.start]:#04x} in line {line:,} does not fit. "
            "Save it as UTF-8; Excel calls that “CSV UTF-8”."
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise Unreadable(f"The file is no text: there is a NUL byte in line {line:,}. Save it as CSV or JSON in UTF-8.")
    if not text.strip():
        raise Unreadable("The file is empty.")
    return text
