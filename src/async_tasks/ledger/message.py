"""What is recorded and published: the draft of a record, and the message exactly as the broker takes it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgpack

from async_tasks.ledger.record import VERSION

Kind = Literal["new", "retry", "replace"]

#: Message header with a key of its own for every sending. A record knows the key of its valid message: a retry
#: or a replacement is another one, and an old copy is known as such when the broker delivers it once more.
MESSAGE_KEY: Final = "async_tasks_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message exactly as the broker takes it, so that it can be published later, and again."""

    exchange: str
    routing_key: str
    body: bytes
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The message's own key; empty for one that somebody else sent."""
        return str(self.headers.get(MESSAGE_KEY) or "")

    def pack(self) -> bytes:
        """As stored beside an unfinished record."""
        packed: bytes = msgpack.packb(
            [
                self.exchange,
                self.routing_key,
                self.body,
                json.dumps(self.headers),
                json.dumps(self.properties),
            ]
        )
        return packed

    @classmethod
    def unpack(cls, raw: bytes) -> Envelope:
        """The inverse of :meth:`pack`."""
        exchange, routing_key, body, headers, properties = msgpack.unpackb(raw)
        return cls(
            exchange=exchange,
            routing_key=routing_key,
            body=body,
            headers=json.loads(headers),
            properties=json.loads(properties),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is recorded of a submission. ``args`` is any JSON value."""

    id: str
    name: str
    queue: str
    args: Any = None
    message_key: str = ""
    retries: int = 0
    priority: int | None = None
    submitted_by: str | None = None
    parent_id: str | None = None
    root_id: str | None = None
    group_id: str | None = None
    replay_of: str | None = None
    batch_id: str | None = None
    idempotency_key: str | None = None
    fingerprint: str | None = None  # of all that the key stands for
    unique_key: str | None = None
    unique_for: int | None = None  # milliseconds; None: as long as it is unfinished
    expires_at: int | None = None
    followers: Sequence[Draft] = field(default=())  # the rest of its chain, which waits for it
    bodies: Sequence[Draft] = field(default=())  # of chords that it is a part of

    def document(self) -> bytes:
        """As the scripts take it: without what is None."""
        values = {name: getattr(self, name) for name in _DRAFT_FIELDS}
        values["args"] = dumps(self.args)
        for name, drafts in (("followers", self.followers), ("bodies", self.bodies)):
            if drafts:
                values[name] = [draft.id for draft in drafts]
        return pack({"v": VERSION} | values)


_DRAFT_FIELDS: Final = (
    "id", "name", "queue", "message_key", "retries", "priority", "submitted_by", "parent_id", "root_id", "group_id",
    "replay_of", "batch_id", "idempotency_key", "fingerprint",
    "unique_key", "unique_for", "expires_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A message as a broker in the same store keeps it: to be pushed onto the list ``key``."""

    key: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What is to be recorded and published, and when; times are milliseconds since the epoch, or seconds from now.

    ``kind`` says whether the running task that holds ``token``, its claim, sends its own id again.
    """

    draft: Draft
    envelope: Envelope
    due_at: int | None = None  # before which it is not to run
    delay: float | None = None  # the same, by the store's clock
    expires_at: int | None = None  # after which it is not to start
    expires_in: float | None = None  # the same, by the store's clock
    kind: Kind = "new"
    token: str = ""

    def arguments(self, grace: float | None, push: Push | None = None) -> list[Any]:
        """Of the script ``submit``; ``grace`` in seconds, None: a dispatcher is to publish it at once.

        With ``push`` the script publishes what is due itself.
        """
        members = (*self.draft.followers, *self.draft.bodies)
        return [
            self.draft.document(),
            self.envelope.pack(),
            ms(self.due_at),
            ms(self.delay, 1000),
            ms(self.expires_at),
            ms(self.expires_in, 1000),
            ms(grace, 1000),
            self.kind,
            self.token,
            push.key if push else "",
            push.message if push else "",
            *(member.document() for member in members),
        ]


def ms(value: float | None, factor: int = 1) -> int | str:
    """Milliseconds as the scripts take them; empty for None."""
    return "" if value is None else round(value * factor)


def pack(values: Mapping[str, Any]) -> bytes:
    """A document as the scripts take it; what is None is left out."""
    packed: bytes = msgpack.packb({name: value for name, value in values.items() if value is not None})
    return packed


def dumps(value: Any) -> str | None:
    """JSON text of a value; None stays None, as "nothing is known"."""
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
