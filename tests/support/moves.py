"""Moves of records without a broker or a worker, and what the store holds of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from async_tasks.ledger import Draft, Envelope, Ledger, Sending, Submitted
from async_tasks.ledger.connection import ENTRY, PREFIX
from async_tasks.ledger.redis import Claim

QUEUE = "celery_see"
ENVELOPE = Envelope(
    exchange=QUEUE,
    routing_key=QUEUE,
    body=b'[[],{"text":"hello"},{}]',
    headers={"id": "a", "async_tasks_key": "k1"},
    properties={"delivery_mode": 2},
)


def submit(ledger: Ledger, task_id: str = "a", **options: Any) -> Submitted:
    """Record a task; options are those of a draft, of its sending, and ``grace``."""
    draft: dict[str, Any] = {"name": "reverse_text", "queue": QUEUE, "args": {"text": "hello"}, "message_key": "k1"}
    draft |= {key: options.pop(key) for key in tuple(options) if key in Draft.__dataclass_fields__}
    grace = options.pop("grace", 5)
    return ledger.submit(Sending(draft=Draft(id=task_id, **draft), envelope=ENVELOPE, **options), grace=grace)


def claim(ledger: Ledger, task_id: str = "a", message_key: str = "k1", **options: Any) -> Claim:
    """Start it as a worker does."""
    given: dict[str, Any] = {
        "token": "t1",
        "owner": "w1",
        "worker": "celery@here",
        "lease": 60,
        "max_losses": 5,
    } | options
    return ledger.claim(task_id, message_key, **given)


def keys_of(ledger: Ledger, task_id: str = "a") -> set[str]:
    """Every sorted set that holds the id, and every index that holds its number."""
    client: Any = ledger.client
    found = {
        key.decode().removeprefix(PREFIX)
        for key in client.scan_iter()
        if client.type(key) == b"zset" and client.zscore(key, task_id) is not None
    }
    return found.union(*(indexes_of(ledger, *number) for number in _numbers_of(ledger, task_id)))


def indexes_of(ledger: Ledger, segment: int, at: int) -> set[str]:
    """Every index that holds this number."""
    client: Any = ledger.client
    start = f"{PREFIX}idx:{segment}:"
    return {
        f"idx:{key.decode().removeprefix(start)}"
        for key in client.scan_iter(f"{start}*")
        if (client.sismember(key, at) if client.type(key) == b"set" else client.getbit(key, at))
    }


def _numbers_of(ledger: Ledger, task_id: str) -> Iterator[tuple[int, int]]:
    client: Any = ledger.client
    for key in client.scan_iter(f"{PREFIX}ids:*"):
        for at, entry in enumerate(client.lrange(key, 0, -1)):
            if entry[ENTRY:].decode() == task_id:
                yield int(key.decode().rpartition(":")[2]), at


#: What is counted of all records together, and not of one.
COUNTED: Final = ("measured:", "failure:", "failures")


def begin_segment(ledger: Ledger, segment: int, size: int) -> None:
    """Let the next record be the first of that segment, as if those before were full."""
    ledger.client.set(f"{PREFIX}numbers", segment * size)


def everything(ledger: Ledger) -> dict[str, Any]:
    """What the store holds, by key, but for ``COUNTED``; of a record's document, see :meth:`Ledger.get`."""
    client: Any = ledger.client
    read = {
        b"string": client.get,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"hash": client.hgetall,
        b"stream": client.xlen,
    }
    names = {key: key.decode().removeprefix(PREFIX) for key in client.scan_iter(f"{PREFIX}*")}
    return {name: read[client.type(key)](key) for key, name in names.items() if not name.startswith(COUNTED)}
