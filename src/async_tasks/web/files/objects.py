"""JSON as objects with their places: one a line, or the elements of an array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from async_tasks.web.files.text import Unreadable
from async_tasks.web.inputs import MAX_DEPTH, parse_json
from async_tasks.web.problems import Refused


def lines(text: str) -> Iterator[tuple[int, Any]]:
    """The values of JSON lines; Refused stands for a line that is no JSON."""
    # Not splitlines, which breaks a text at characters that JSON may hold as they are.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, parse_json(line.strip(), what="It")
            except Refused as exc:
                yield number, exc


def elements(text: str) -> Iterator[tuple[int, Any]]:
    """The elements of an array, counted from 1.

    Raises:
        Unreadable: if it is none.
    """
    try:
        value = parse_json(text.strip(), depth=MAX_DEPTH + 1, what="The file")
    except Refused as exc:
        raise Unreadable(str(exc)) from None
    yield from enumerate(value, 1)
