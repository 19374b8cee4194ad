"""The wire format of server-sent events, and their ids: places in the store's stream of changes."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

from async_tasks.errors import InvalidOption
from async_tasks.ledger.record import Change, rfc3339

#: A comment: keeps proxies from closing a silent stream, and shows a vanished client.
PING: Final = b": still here\n\n"
#: The task's state is final; the client closes the stream.
END: Final = b"event: end\ndata: {}\n\n"

MIMETYPE: Final = "text/event-stream"
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def position(cursor: str) -> tuple[int, int]:
    """A place in the stream of changes, in an order that can be compared.

    Raises:
        InvalidOption: if that is no place in the stream.
    """
    ms, _, sequence = cursor.partition("-")
    if not (ms.isascii() and ms.isdigit() and sequence.isascii() and sequence.isdigit() and len(cursor) <= 40):  # noqa: PLR2004
        raise InvalidOption("Last-Event-ID", f"{cursor!r} is no id of an event of this server")
    return int(ms), int(sequence)


def opening(cursor: str) -> bytes:
    """What every stream begins with: when to come back, and from where, should it break at once."""
    return f"retry: 2000\nid: {cursor}\n\n".encode()


def event(data: Any, *, name: str = "change", cursor: str | None = None) -> bytes:
    """One event with JSON as its data."""
    lines = [f"event: {name}", f"data: {json.dumps(data, separators=(',', ':'))}"]
    if cursor is not None:
        lines.insert(0, f"id: {cursor}")
    return ("\n".join(lines) + "\n\n").encode()


def brief(change: Change) -> dict[str, Any]:
    """A change as the stream of all tasks shows it."""
    return {
        "id": change.id,
        "name": change.name,
        "state": str(change.state),
        "event": change.event,
        "at": rfc3339(change.at),
        "links": {"self": f"/api/v1/tasks/{quote(change.id, safe='')}"},
    }
