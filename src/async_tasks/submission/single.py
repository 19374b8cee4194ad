"""One task: submit, submit again, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from async_tasks.engine import App
from async_tasks.engine.recording import Provenance
from async_tasks.errors import NotFinished, UnknownRecord
from async_tasks.ledger import Record
from async_tasks.submission.entry import Entry, checked, digest, recorded


def submit(
    app: App,
    name: str,
    arguments: Mapping[str, Any],
    *,
    delay: float | None = None,
    eta: datetime | None = None,
    expires: float | datetime | None = None,
    priority: int | None = None,
    submitted_by: str | None = None,
    idempotency_key: str | None = None,
    strict: bool = False,
) -> Record:
    """Validate, record and publish one task. Never waits for its result.

    A broker that is away is no error: the record stays PENDING and a dispatcher publishes it.

    Args:
        app: the engine's application.
        name: of a task of the catalog.
        arguments: JSON values by parameter name.
        delay: seconds from now before which it is not to run.
        eta: the same as a moment, with a time zone; not together with ``delay``.
        expires: seconds from now, or a moment, after which it is not to start any more.
        priority: 0 (normal) to 9 (most urgent).
        submitted_by: who submits, for the record.
        idempotency_key: as long as the first submission with it has a record, the same again answers that record.
        strict: take JSON values of the types that the task's schema says only.

    Raises:
        UnknownTask: if the catalog has no such task.
        InvalidArguments: if the arguments do not fit it; nothing is stored then.
        InvalidOption: if an option is unusable; nothing is stored then.
        PayloadTooLarge: if the arguments are larger than the settings allow.
        IdempotencyConflict: if the key was used for something else.
        Undeliverable: if no queue takes it; its record is a FAILURE then.
        StoreUnavailable: if the ledger did not answer in time.
    """
    entry = Entry(name, arguments, delay, eta, expires, priority)
    values, options = checked(app, entry, strict=strict)
    return _send(app, entry, values, options, submitted_by=submitted_by, idempotency_key=idempotency_key)


def replay(
    app: App,
    task_id: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    submitted_by: str | None = None,
    idempotency_key: str | None = None,
    strict: bool = False,
) -> Record:
    """Submit a finished task again; the two records name each other.

    Args:
        app: the engine's application.
        task_id: of the finished one.
        arguments: JSON values by parameter name, all of them; None: those of its record.
        submitted_by: who submits, for the record.
        idempotency_key: as for :func:`submit`.
        strict: as for :func:`submit`.

    Raises:
        UnknownRecord: if there is no such record.
        NotFinished: if it may still run.
        InvalidArguments: if the arguments do not fit the task as it is declared today.
        Exception: what else :func:`submit` raises.
    """
    first = app.ledger.get(task_id)
    if first is None:
        raise UnknownRecord(task_id)
    if not first.finished:
        raise NotFinished(task_id, first.state)
    entry = Entry(first.name, first.args if arguments is None else arguments)
    values, options = checked(app, entry, strict=strict and arguments is not None)
    return _send(
        app,
        entry,
        values,
        options,
        submitted_by=submitted_by,
        idempotency_key=idempotency_key,
        replay_of=task_id,
    )


def cancel(app: App, task_id: str) -> Record:
    """Revoke a waiting task, or ask a running one to stop (``cancel_requested`` in its record).

    Raises:
        UnknownRecord: if there is no such record.
        AlreadyFinished: if it is final.
        StoreUnavailable: if the ledger did not answer in time.
    """
    return app.ledger.cancel(task_id)


def _send(
    app: App,
    entry: Entry,
    values: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    submitted_by: str | None,
    idempotency_key: str | None,
    replay_of: str | None = None,
) -> Record:
    provenance = Provenance(
        submitted_by=submitted_by,
        replay_of=replay_of,
        idempotency_key=idempotency_key,
        fingerprint=idempotency_key and digest([entry.name, values, options, replay_of]),
    )
    return recorded(app.send_task(entry.name, kwargs=values, provenance=provenance, **options).submitted)
