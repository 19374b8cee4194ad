"""Many tasks at once: all of them, or none."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from async_tasks.engine import App
from async_tasks.engine.recording import Provenance
from async_tasks.errors import (
    BatchProblem,
    InvalidArguments,
    InvalidBatch,
    InvalidOption,
    PayloadTooLarge,
    UnknownTask,
)
from async_tasks.submission.entry import Entry, checked, digest, recorded

#: Entries of one batch.
MAX_BATCH: Final = 10_000
#: Problems of one batch that are told.
MAX_PROBLEMS: Final = 100
#: Entries recorded in one round trip: the store serves nobody else for some 20 ms.
CHUNK: Final = 500
#: Entries after which others get their turn: a web process serves everybody from one thread.
TURN: Final = 50


@dataclass(frozen=True, slots=True)
class Batch:
    """An accepted batch: the ids of its tasks, in the order of its entries."""

    batch_id: str
    ids: list[str]


def submit_batch(
    app: App,
    entries: Sequence[Entry],
    *,
    submitted_by: str | None = None,
    idempotency_key: str | None = None,
    strict: bool = False,
) -> Batch:
    """Validate all, then record all; a dispatcher publishes them.

    Args:
        app: the engine's application.
        entries: 1 to ``MAX_BATCH``.
        submitted_by: who submits, for the records.
        idempotency_key: the same batch with it again answers the same ids, and records what a lost connection
            left out.
        strict: as for :func:`submit`.

    Raises:
        InvalidBatch: with what is wrong with which entry; nothing is stored then.
        IdempotencyConflict: if the key was used for something else.
        StoreUnavailable: if the ledger did not answer in time. Some may be recorded: ask again with the same key.
    """
    found = _all_checked(app, entries, strict=strict)
    batch_id = _batch_id(idempotency_key)
    whole = [[entry.name, values, options] for entry, (values, options) in zip(entries, found, strict=True)]
    fingerprint = digest(whole) if idempotency_key else None
    sendings = []
    for index, (entry, (values, options)) in enumerate(zip(entries, found, strict=True)):
        _give_way(index)
        provenance = Provenance(
            submitted_by=submitted_by,
            batch_id=batch_id,
            idempotency_key=idempotency_key and f"{idempotency_key}#{index}",
            fingerprint=fingerprint,
        )
        sendings.append(app.sending(entry.name, values, provenance=provenance, **options))
    # The first alone: it tells whether the key is another batch's, before anything is recorded.
    answers = app.ledger.submit_many(sendings[:1])
    ids = [recorded(answer).id for answer in answers]
    for start in range(1, len(sendings), CHUNK):
        answers = app.ledger.submit_many(sendings[start : start + CHUNK])
        ids += [recorded(answer).id for answer in answers]
    return Batch(batch_id, ids)


def _all_checked(app: App, entries: Sequence[Entry], *, strict: bool) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    if not 1 <= len(entries) <= MAX_BATCH:
        message = f"a batch holds 1 to {MAX_BATCH:,} entries, and this one holds {len(entries):,}"
        raise InvalidBatch([BatchProblem(index=min(len(entries), MAX_BATCH), field="", message=message)])
    found = []
    problems: list[BatchProblem] = []
    for index, entry in enumerate(entries):
        _give_way(index)
        try:
            found.append(checked(app, entry, strict=strict))
        except InvalidArguments as exc:
            problems += [
                BatchProblem(index=index, field=f"args.{p['field']}".rstrip("."), message=p["message"])
                for p in exc.problems
            ]
        except InvalidOption as exc:
            problems.append(BatchProblem(index=index, field=exc.option, message=exc.message))
        except UnknownTask as exc:
            problems.append(BatchProblem(index=index, field="name", message=str(exc)))
        except PayloadTooLarge as exc:
            problems.append(BatchProblem(index=index, field="args", message=str(exc)))
        if len(problems) >= MAX_PROBLEMS:
            break
    if problems:
        raise InvalidBatch(problems[:MAX_PROBLEMS])
    return found


def _give_way(index: int) -> None:
    if index % TURN == 0:
        time.sleep(0)


def _batch_id(key: str | None) -> str:
    # By the key: a batch that was recorded in part goes on under the same id.
    return str(uuid.uuid4() if key is None else uuid.uuid5(uuid.NAMESPACE_OID, key))
