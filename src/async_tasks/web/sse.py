"""The wire format of server-sent events."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

from async_tasks.ledger.record import Change, rfc3339

#: A comment: keeps proxies from closing a silent stream, and shows a vanished client.
PING: Final = b": still here\n\n"
#: The task's state is final; the client closes the stream.
END: Final = b"event: end\ndata: {}\n\n"

MIMETYPE: Final = "text/event-stream"
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


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
