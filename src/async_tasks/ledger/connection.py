"""One way to talk to the store: scripts by name, bounded waiting, and one error when it does not answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    OutOfMemoryError,
    ReadOnlyError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)
from redis.retry import Retry

from async_tasks.errors import StoreUnavailable
from async_tasks.ledger.record import MOVES
from async_tasks.ledger.segment import SEGMENT

T = TypeVar("T")

#: Of every key. The number is the version of the layout.
PREFIX: Final = "at:1:"
#: Entries kept of a record's timeline; past it the middle is elided.
TIMELINE_CAP: Final = 50
#: Changes kept for readers that come back with a Last-Event-ID.
STREAM_CAP: Final = 10_000
#: Lengths of time are counted in bins, each so many times as wide as the one before (see ``measured.py``).
BIN: Final = 1.2
#: Seconds for which it is known what was measured.
MEASURED_FOR: Final = 8 * 86400
#: Groups of failures kept, those seen last.
GROUPS: Final = 500

#: Bytes of the time that stands before each id.
ENTRY: Final = 6

#: Connections of one process at most. Each caller that waits for an end holds one, and a web process has many;
#: redis-py's own default refuses the hundred and first at once. Servers take ten thousand by default.
MAX_CONNECTIONS: Final = 5_000

#: Scripts that do for many what another does for one; they have the other's text as a function of its arguments.
MANY: Final = {"submit_many": "submit", "cancel_many": "cancel"}

#: What a store that is away, starting, full or failing over answers; asking again later may succeed.
TRANSIENT: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    OutOfMemoryError,
    ReadOnlyError,
)


#: What every script begins with.
_HEAD: Final = (
    "local P = KEYS[1]",
    "local TIME = redis.call('TIME')",
    "local NOW = TIME[1] * 1000 + math.floor(TIME[2] / 1000)",
)


@cache
def script_source(name: str) -> str:
    """The whole text of one script of the ledger."""
    one = MANY.get(name)
    inner = f"local function {one}(ARGV)\n{_read(one)}\nend\n" if one else ""
    return with_shared(inner + _read(name))


def with_shared(text: str) -> str:
    """A script after what all share: tables and numbers from Python, indexes, what is counted, and moves."""
    legal = ", ".join(
        f"{state} = {{ {', '.join(f'{target} = true' for target in sorted(targets))} }}"
        for state, targets in MOVES.items()
    )
    numbers = {
        "TIMELINE_CAP": TIMELINE_CAP,
        "STREAM_CAP": STREAM_CAP,
        "SEGMENT": SEGMENT,
        "ENTRY": ENTRY,
        "BIN": BIN,
        "MEASURED_FOR": MEASURED_FOR,
        "GROUPS": GROUPS,
    }
    head = [*_HEAD, f"local LEGAL = {{ {legal} }}", *(f"local {key} = {value}" for key, value in numbers.items())]
    return "\n".join([*head, *map(_read, ("indexes", "counting", "common")), text])


def _read(name: str) -> str:
    return (files("async_tasks.ledger") / "scripts" / f"{name}.lua").read_text(encoding="utf-8")


class StoreConnection:
    """A pool of connections to the store, and how long a caller is prepared to wait for it.

    Args:
        url: ``redis://`` or ``rediss://``, password included.
        timeout: seconds that one command may take.
        patience: seconds that a call goes on trying while the store does not answer; None: for ever. A web
            process has little, so that it can answer 503; a worker has much, so that no result is lost.
    """

    def __init__(self, url: str, *, timeout: float, patience: float | None) -> None:
        self.url = url
        self.timeout = timeout
        self.patience = patience
        # Trying again is decided here, in one place: redis-py's own retries would multiply the bound.
        self.client: redis.Redis = redis.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=min(timeout, 2.0),
            retry=Retry(NoBackoff(), 0),
            health_check_interval=30,
            max_connections=MAX_CONNECTIONS,
        )
        self._scripts: dict[str, Any] = {}

    def script(self, name: str, *args: Any) -> Any:
        """Run one of ``scripts/*.lua``.

        Raises:
            StoreUnavailable: if the store did not answer within the patience.
        """
        script = self._script(name)
        return self.call(lambda: script(keys=[PREFIX], args=args))

    def scripts(self, name: str, calls: Iterable[Sequence[Any]]) -> list[Any]:
        """Run one of ``scripts/*.lua`` once for each list of arguments, in one round trip; not one transaction.

        Raises:
            StoreUnavailable: if the store did not answer within the patience; some may have run.
        """
        script = self._script(name)

        def run() -> list[Any]:
            with self.client.pipeline(transaction=False) as pipe:
                for args in calls:
                    script(keys=[PREFIX], args=args, client=pipe)
                answers: list[Any] = pipe.execute()
            return answers

        return self.call(run)

    def _script(self, name: str) -> Any:
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = self.client.register_script(script_source(name))
        return script

    def call(self, function: Callable[[], T]) -> T:
        """Call ``function``, again while the store is away, within the patience.

        Raises:
            StoreUnavailable: if the store did not answer within the patience.
        """
        started = time.monotonic()
        pause = 0.02
        while True:
            try:
                return function()
            except TRANSIENT as exc:
                waited = time.monotonic() - started
                if self.patience is not None and waited + pause > self.patience:
                    raise StoreUnavailable(
                        f"The store did not answer within {self.patience:g} s: {type(exc).__name__}: {exc}"
                    ) from exc
                time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads callers, guards nothing
                pause = min(pause * 2, 1.0)

    def close(self) -> None:
        """Give the connections back to the system."""
        self.client.close()
