"""The only way in: validate, record, publish."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from async_tasks import catalog
from async_tasks.engine import App
from async_tasks.errors import InvalidOption, PayloadTooLarge, StoreUnavailable
from async_tasks.ledger import Record, Submitted

#: Seconds that a delay or an expiry may lie ahead: ten years.
FAR: Final = 10 * 366 * 86400


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

    Raises:
        UnknownTask: if the catalog has no such task.
        InvalidArguments: if the arguments do not fit it; nothing is stored then.
        InvalidOption: if an option is unusable; nothing is stored then.
        PayloadTooLarge: if the arguments are larger than the settings allow.
        Undeliverable: if no queue takes it; its record is a FAILURE then.
        StoreUnavailable: if the ledger did not answer in time.
    """
    spec = catalog.get(name)
    _check(app, delay=delay, eta=eta, expires=expires, priority=priority)
    values = spec.validate(arguments)
    size = len(json.dumps(values, ensure_ascii=False).encode())
    limit = app.settings.max_payload_bytes
    if size > limit:
        raise PayloadTooLarge("The arguments", size, limit)
    urgent = spec.options.priority if priority is None else priority
    options: dict[str, Any] = {} if urgent is None else {"priority": urgent}
    result = app.send_task(
        name,
        kwargs=values,
        countdown=delay,
        eta=eta,
        expires=expires,
        headers={"submitted_by": submitted_by} if submitted_by else None,
        **options,
    )
    submitted: Submitted = result.submitted
    if submitted.record is None:
        raise StoreUnavailable("The store gave no record of the submission; ask again")
    return submitted.record


def cancel(app: App, task_id: str) -> Record:
    """Revoke a waiting task, or ask a running one to stop (``cancel_requested`` in its record).

    Raises:
        UnknownRecord: if there is no such record.
        AlreadyFinished: if it is final.
        StoreUnavailable: if the ledger did not answer in time.
    """
    return app.ledger.cancel(task_id)


def _check(
    app: App,
    *,
    delay: float | None,
    eta: datetime | None,
    expires: float | datetime | None,
    priority: int | None,
) -> None:
    if delay is not None and eta is not None:
        raise InvalidOption("delay", "give delay or eta, not both")
    if delay is not None and not 0 <= delay <= FAR:
        raise InvalidOption("delay", f"must be between 0 and {FAR} seconds")
    for option, moment in (("eta", eta), ("expires", expires)):
        if isinstance(moment, datetime):
            if moment.tzinfo is None:
                raise InvalidOption(option, "must have a time zone, as in 2026-11-22T12:00:00Z")
            if abs((moment - datetime.now(UTC)).total_seconds()) > FAR:
                raise InvalidOption(option, f"must lie within {FAR} seconds of now")
    if isinstance(expires, int | float) and not 0 < expires <= FAR:
        raise InvalidOption("expires", f"must be more than 0 and at most {FAR} seconds")
    _check_priority(app, priority)


def _check_priority(app: App, priority: int | None) -> None:
    if priority is None:
        return
    if not 0 <= priority <= 9:  # noqa: PLR2004 - said in the message
        raise InvalidOption("priority", "must be between 0 (normal) and 9 (most urgent)")
    refusal = app.publisher.why_no_priorities()
    if refusal:
        raise InvalidOption("priority", refusal)
