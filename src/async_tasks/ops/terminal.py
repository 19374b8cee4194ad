"""Text that is harmless to a terminal, and as wide as it looks there."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any, Final

#: Colours a piece of text by what it is: a state's name, or one of ``STYLES``.
Ink = Callable[[str, str], str]

STYLES: Final = ("title", "faint", "wrong")

#: Controls of a terminal (ESC and its one-character forms among them), marks that turn the direction of what
#: follows, separators of lines that are none, and halves of characters. Tab and line feed stand apart.
_HARMFUL: Final = "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff"
_CONTROLS: Final = re.compile(f"[{_HARMFUL}]")
_CONTROLS_AND_BREAKS: Final = re.compile(f"[{_HARMFUL}\\t\\n]")


def plain(text: str, style: str) -> str:  # noqa: ARG001 - an Ink
    """No colour at all."""
    return text


def harmless(text: str, *, one_line: bool = False) -> str:
    r"""The text with every control character written as an escape, such as ``\x1b``.

    Args:
        text: from a task, a worker or a caller: anybody's.
        one_line: whether tabs and line breaks are written as escapes too.
    """
    pattern = _CONTROLS_AND_BREAKS if one_line else _CONTROLS
    return pattern.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def json_text(value: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """JSON that is harmless to a terminal as it stands; read again, it is the same value."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    # What is left outside of strings is of JSON's own making, so every match is within one.
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def shown(value: Any, *, one_line: bool = False) -> str:
    """A JSON value for people: text as it is, anything else as JSON."""
    if isinstance(value, str):
        return harmless(value, one_line=one_line)
    return json_text(value)


def cells(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def clip(text: str, width: int) -> str:
    """The text, or as much of it as fits into so many columns, with an ellipsis at its end."""
    if cells(text) <= width:
        return text
    room = width - 1
    kept = []
    for character in text:
        room -= _cells(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…" if width > 0 else ""


def pad(text: str, width: int) -> str:
    """The text with spaces up to so many columns."""
    return text + " " * max(0, width - cells(text))


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
