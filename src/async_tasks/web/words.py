"""Values as people read them: the filters of the templates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from async_tasks.ledger.record import Record, rfc3339


def readable(value: Any) -> str:
    """A JSON value: text as it is, anything else as indented JSON; always text that can be sent."""
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, indent=2)
    # Half a surrogate pair cannot be encoded.
    return str(value).encode("utf-8", "replace").decode()


def in_one_line(arguments: Any) -> str:
    """Arguments by name in one line, to be recognised by."""
    if not isinstance(arguments, Mapping):
        return readable(json.dumps(arguments, ensure_ascii=False)) if arguments else ""
    parts = (
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in arguments.items()
    )
    return readable(" · ".join(parts))


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a docstring, without its line breaks."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]


def sentences(parts: Iterable[str]) -> str:
    """Notes as sentences, whether or not they were written as such."""
    return " ".join(
        part[:1].upper() + part[1:] + ("" if part[-1] in ".!?…:" else ".") for part in map(str.strip, parts) if part
    )


def utc(at: int) -> str:
    """A moment, for those without JavaScript; with it, the page says it in their own zone."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%d %b %Y, %H:%M:%S UTC")


def page_link(record: Record) -> str:
    """Where the page of a task is."""
    return f"/tasks/{quote(record.id, safe='')}"


FILTERS: Final = {
    "readable": readable,
    "in_one_line": in_one_line,
    "paragraphs": paragraphs,
    "sentences": sentences,
    "rfc3339": rfc3339,
    "utc": utc,
    "page_link": page_link,
}
