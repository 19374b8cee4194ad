"""What is submitted, checked before anything is stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from async_tasks import catalog
from async_tasks.engine import App
from async_tasks.errors import IdempotencyConflict, InvalidOption, PayloadTooLarge, StoreUnavailable
from async_tasks.ledger import Record, Submitted

#: Seconds that a delay or an expiry may lie ahead: ten years.
FAR: Final = 10 * 366 * 86400


@dataclass(frozen=True, slots=True)
class Entry:
    """One submission: what ``submit`` takes, and a batch many of."""

    name: str
    arguments: Mapping[str, Any]
    delay: float | None = None
    eta: datetime | None = None
    expires: float | datetime | None = None
    priority: int | None = None


def checked(app: App, entry: Entry, *, strict: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check one submission.

    Returns:
        The values to send, defaults filled in, and Celery's options.

    Raises:
        UnknownTask: if the catalog has no such task.
        InvalidArguments: if the arguments do not fit it.
        InvalidOption: if an option is unusable.
        PayloadTooLarge: if the arguments are larger than the settings allow.
    """
    spec = catalog.get(entry.name)
    _check_options(app, entry)
    values = spec.validate(entry.arguments, strict=strict)
    size = len(json.dumps(values, ensure_ascii=False).encode())
    limit = app.settings.max_payload_bytes
    if size > limit:
        raise PayloadTooLarge("The arguments", size, limit)
    priority = spec.options.priority if entry.priority is None else entry.priority
    options = {"countdown": entry.delay, "eta": entry.eta, "expires": entry.expires, "priority": priority}
    return values, {name: value for name, value in options.items() if value is not None}


def digest(of: Any) -> str:
    """What tells two submissions apart that came with the same idempotency key."""
    text = json.dumps(of, sort_keys=True, default=lambda moment: moment.astimezone(UTC).isoformat())
    return hashlib.sha256(text.encode()).hexdigest()


def recorded(submitted: Submitted) -> Record:
    """The record of a submission.

    Raises:
        IdempotencyConflict: if its key was used for something else.
        StoreUnavailable: if there is none.
    """
    if submitted.record is None:
        raise StoreUnavailable("The store gave no record of the submission; ask again")
    if submitted.outcome == "conflict":
        raise IdempotencyConflict(submitted.record.id)
    return submitted.record


def _check_options(app: App, entry: Entry) -> None:
    delay, eta, expires = entry.delay, entry.eta, entry.expires
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
    _check_priority(app, entry.priority)


def _check_priority(app: App, priority: int | None) -> None:
    if priority is None:
        return
    if not 0 <= priority <= 9:  # noqa: PLR2004 - said in the message
        raise InvalidOption("priority", "must be between 0 (normal) and 9 (most urgent)")
    refusal = app.publisher.why_no_priorities()
    if refusal:
        raise InvalidOption("priority", refusal)
