"""One thing for many records: cancelled, or run again, by the dispatchers, at a rate."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, get_args

import uuid_utils

from async_tasks.engine import App
from async_tasks.errors import InvalidOption, UnknownAction
from async_tasks.ledger.actions import Action, Actions, Kind
from async_tasks.ledger.filters import Filter

#: Done in a second, unless something else is asked for: what a broker and a store hardly notice.
RATE: Final = 50.0
SLOWEST: Final = 0.1
FASTEST: Final = 1000.0

#: Records that can be named one by one.
MAX_IDS: Final = 1000


def start(
    app: App,
    kind: Kind,
    chosen: Filter,
    *,
    ids: Sequence[str] = (),
    rate: float = RATE,
    matched: int,
    eligible: int,
    requested_by: str | None = None,
    key: str | None = None,
) -> Action:
    """Have the dispatchers do something to all records that match now, those submitted later excepted.

    Args:
        app: the engine's application.
        kind: cancel: what has finished stays as it is; replay: what has not finished is left alone.
        chosen: which records.
        ids: the records one by one, instead.
        rate: how many in a second, at most.
        matched: how many there are, as whoever asks was told.
        eligible: with how many of them it can be done, as they were told.
        requested_by: who asks for it; of what is run again, the submitter.
        key: the same once more with it is the same action.

    Raises:
        InvalidOption: if the kind, the rate or the number of ids is unusable.
        StoreUnavailable: if the ledger did not answer in time.
    """
    check(kind, ids, rate)
    now = app.ledger.now()
    until = now if chosen.until is None else min(chosen.until, now)
    return Actions(app.ledger.connection).create(
        str(uuid.uuid5(uuid.NAMESPACE_OID, key)) if key else str(uuid_utils.uuid7()),
        kind,
        replace(chosen, until=until),
        ids=list(dict.fromkeys(ids)),
        rate=rate,
        by=requested_by,
        matched=matched,
        eligible=eligible,
    )


def check(kind: str, ids: Sequence[str], rate: float) -> None:
    """Fail unless :func:`start` would take these.

    Raises:
        InvalidOption: if the kind, the rate or the number of ids is unusable.
    """
    if kind not in get_args(Kind):
        raise InvalidOption("action", f"must be one of {', '.join(get_args(Kind))}")
    if not SLOWEST <= rate <= FASTEST:
        raise InvalidOption("rate", f"must be between {SLOWEST:g} and {FASTEST:g} a second")
    if len(ids) > MAX_IDS:
        raise InvalidOption("ids", f"name at most {MAX_IDS:,}, or use a filter")


def stop(app: App, action_id: str, *, requested_by: str | None = None) -> Action:
    """Let nothing more of a bulk action be begun; of one that has ended, nothing.

    Raises:
        UnknownAction: if there is none of that id.
        StoreUnavailable: if the ledger did not answer in time.
    """
    action = Actions(app.ledger.connection).stop(action_id, requested_by)
    if action is None:
        raise UnknownAction(action_id)
    return action
