"""What was uploaded and is looked at before it is submitted: in the store, as any web process may be asked next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from async_tasks.ledger.connection import PREFIX, StoreConnection


class Uploads:
    """One upload for each holder, in pieces, for a time. Raises StoreUnavailable when the store does not answer."""

    def __init__(self, connection: StoreConnection) -> None:
        self.connection = connection
        self.client = connection.client

    def keep(self, holder: str, pieces: Sequence[bytes], seconds: int) -> None:
        """Keep it so long, in the place of the holder's last one."""

        def keep() -> None:
            with self.client.pipeline() as pipe:
                pipe.delete(_key(holder))
                pipe.rpush(_key(holder), *pieces)
                pipe.expire(_key(holder), seconds)
                pipe.execute()

        self.connection.call(keep)

    def first(self, holder: str) -> bytes | None:
        """The first piece; None if there is none (any more)."""
        raw: Any = self.connection.call(lambda: self.client.lindex(_key(holder), 0))
        return raw  # type: ignore[no-any-return]

    def rest(self, holder: str) -> list[bytes]:
        """The other pieces."""
        raws: Any = self.connection.call(lambda: self.client.lrange(_key(holder), 1, -1))
        return list(raws)

    def drop(self, holder: str) -> None:
        """Keep it no longer."""
        self.connection.call(lambda: self.client.delete(_key(holder)))


def _key(holder: str) -> str:
    return f"{PREFIX}upload:{holder}"
