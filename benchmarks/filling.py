"""A store full of finished records, faster than they can be run: the ledger's own functions, many records a call."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import msgpack

from async_tasks.ledger import Ledger
from async_tasks.ledger.connection import PREFIX, with_shared

#: Records of one call.
AT_ONCE: Final = 200
WEEK: Final = 7 * 86_400_000  # milliseconds

NAMES: Final = [f"task_{n}" for n in range(30)]
QUEUES: Final = [f"queue_{n}" for n in range(5)]
WORKERS: Final = [f"celery@host-{n}" for n in range(40)]
SUBMITTERS: Final = [f"visitor-{n:06}" for n in range(20_000)]
FINGERPRINTS: Final = [f"{n:016x}" for n in range(200)]


class Spec(NamedTuple):
    """One finished record."""

    id: str
    name: str
    queue: str
    worker: str
    submitted_by: str | None
    batch_id: str | None
    args: Any
    state: str
    result: Any
    fingerprint: str | None
    ago: int  # milliseconds

    @property
    def error(self) -> dict[str, Any] | None:
        """The error of a failure."""
        if self.fingerprint is None:
            return None
        words = {"type": "builtins.ValueError", "message": f"no {self.id}", "traceback": "Traceback: …"}
        return {**words, "fingerprint": self.fingerprint}

    def pack(self) -> bytes:
        """As ``fill.lua`` takes it."""
        error, result = (value and json.dumps(value) for value in (self.error, self.result))
        parts = [*self[:4], self.submitted_by or False, self.batch_id or False, json.dumps(self.args), self.state]
        packed: bytes = msgpack.packb([*parts, result or False, error or False, self.ago])
        return packed


def specs(number: int, seed: int = 5) -> Iterator[Spec]:
    """So many records, oldest first, over a week: few values often and many seldom, as in life."""
    random = Random(seed)
    batch, left = None, 0
    for n in range(number):
        if left == 0:
            batch = random.choice((None, str(uuid.UUID(int=random.getrandbits(128)))))
            left = random.choice((5, 200, 3000))
        left -= 1
        worker = int(random.triangular(0, len(WORKERS), 0))
        # Every second worker never fails: a state and a worker with much of each, and nothing of both.
        state = "SUCCESS" if worker % 2 == 0 else random.choices(("SUCCESS", "FAILURE", "REVOKED"), (60, 30, 10))[0]
        yield Spec(
            str(uuid.UUID(int=random.getrandbits(128))),
            NAMES[int(random.triangular(0, len(NAMES), 0))],
            random.choice(QUEUES),
            WORKERS[worker],
            random.choice(SUBMITTERS[: 50 if n % 2 else None]) if n % 5 else None,
            batch,
            {"text": f"the quick brown fox {n}", "number": n},
            state,
            {"length": n} if state == "SUCCESS" else None,
            None if state == "SUCCESS" else FINGERPRINTS[int(random.triangular(0, len(FINGERPRINTS), 0))],
            WEEK - WEEK * n // number,
        )


def fill(ledger: Ledger, records: Iterable[Spec]) -> int:
    """Write these records, and return the bytes of their documents."""
    text = (Path(__file__).parent / "fill.lua").read_text(encoding="utf-8")
    script: Any = ledger.client.register_script(with_shared(text))
    total, rest = 0, iter(records)
    while chunk := list(islice(rest, AT_ONCE)):
        total += script(keys=[PREFIX], args=_packed(chunk))
    return total


def _packed(chunk: Sequence[Spec]) -> list[bytes]:
    return [spec.pack() for spec in chunk]
