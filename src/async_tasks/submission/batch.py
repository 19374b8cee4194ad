"""Many tasks at once: all of them, or none."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from async_tasks.engine import App
from async_tasks.engine.many import RECORDED, Many
from async_tasks.engine.recording import Provenance
from async_tasks.errors import (
    BatchProblem,
    IdempotencyConflict,
    InvalidArguments,
    InvalidBatch,
    InvalidOption,
    PayloadTooLarge,
    UnknownBatch,
    UnknownTask,
)
from async_tasks.ledger import Head
from async_tasks.submission.entry import Entry, checked, digest

#: Entries of one batch.
MAX_BATCH: Final = 10_000
#: Problems of one batch that are told.
MAX_PROBLEMS: Final = 100
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
    file: str | None = None,
) -> Batch:
    """Validate all, then record and publish all; what the broker does not confirm in time is a dispatcher's.

    Args:
        app: the engine's application.
        entries: 1 to ``MAX_BATCH``.
        submitted_by: who submits, for the records.
        idempotency_key: the same batch with it again answers the same ids, and records what a lost connection
            left out.
        strict: as for :func:`submit`.
        file: name of the file that the entries were made of, for the batch's record.

    Raises:
        InvalidBatch: with what is wrong with which entry; nothing is stored then.
        IdempotencyConflict: if the key was used for something else.
        StoreUnavailable: if the ledger did not answer in time. Some may be recorded: ask again with the same key.
    """
    found = _all_checked(app, entries, strict=strict)
    # By the key: a batch that was recorded in part goes on under the same id.
    batch_id = str(uuid.uuid4()) if idempotency_key is None else batch_id_of(idempotency_key)
    whole = [[entry.name, values, options] for entry, (values, options) in zip(entries, found, strict=True)]
    fingerprint = digest(whole) if idempotency_key else None
    names = list(dict.fromkeys(entry.name for entry in entries))
    head = Head(id=batch_id, total=len(entries), names=names, file=file, submitted_by=submitted_by)
    many = Many(app, head)
    ids: list[str] = []
    # The first alone: it tells whether the key is another batch's, before anything is recorded.
    for start, end in _chunks(len(entries)):
        sendings = []
        for index in range(start, end):
            _give_way(index)
            values, options = found[index]
            provenance = Provenance(
                submitted_by=submitted_by,
                batch_id=batch_id,
                idempotency_key=idempotency_key and f"{idempotency_key}#{index}",
                fingerprint=fingerprint,
            )
            sendings.append(app.sending(entries[index].name, values, provenance=provenance, **options))
        for answer in many.send(sendings):
            if answer.outcome == "conflict":
                raise IdempotencyConflict(answer.id)
            ids.append(answer.id)
    many.flush()
    return Batch(batch_id, ids)


def cancel_batch(app: App, batch_id: str) -> int:
    """Cancel what of a batch has not finished.

    Returns:
        How many tasks run, and have been asked to stop.

    Raises:
        UnknownBatch: if there is no such batch.
        StoreUnavailable: if the ledger did not answer in time. Some may be cancelled: ask again.
    """
    if app.ledger.batches.get(batch_id)[0] is None:
        raise UnknownBatch(batch_id)
    asked = 0
    for _, stopping in app.ledger.batches.cancel(batch_id):
        time.sleep(0)
        asked += stopping
    return asked


def batch_id_of(key: str) -> str:
    """The id of the batch that is submitted with that idempotency key."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, key))


def _chunks(count: int) -> Iterator[tuple[int, int]]:
    yield 0, 1
    for start in range(1, count, RECORDED):
        yield start, min(start + RECORDED, count)


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
