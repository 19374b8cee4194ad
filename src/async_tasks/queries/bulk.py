"""Bulk actions: what one would meet, and how far they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from async_tasks.engine import App
from async_tasks.errors import UnknownAction
from async_tasks.ledger import FINAL, Count, State
from async_tasks.ledger.actions import Action, Actions, Kind
from async_tasks.queries.history import Filters, count, in_state


class Preview(NamedTuple):
    """What a bulk action would meet: how many match, and with how many of them it can be done."""

    matched: Count
    eligible: Count


def preview(app: App, kind: Kind, filters: Filters, ids: Sequence[str] = ()) -> Preview:
    """What a bulk action would meet if it began now.

    Args:
        app: the engine's application.
        kind: of action.
        filters: which records.
        ids: the records one by one, instead.

    Raises:
        StoreUnavailable: if the ledger did not answer in time.
    """
    able = [state for state in State if (state in FINAL) == (kind == "replay")]
    if ids:
        known = app.ledger.get_many(ids)
        eligible = sum(record.state in able for record in known.values())
        return Preview(Count(len(known), exact=True), Count(eligible, exact=True))
    matched = count(app, **filters)
    if state := filters.get("state"):
        return Preview(matched, matched if state in able else Count(0, exact=True))
    counts = [count(app, **in_state(filters, state)) for state in able]
    return Preview(matched, Count(sum(c.number for c in counts), exact=all(c.exact for c in counts)))


def action(app: App, action_id: str) -> Action:
    """One bulk action.

    Raises:
        UnknownAction: if there is none of that id.
        StoreUnavailable: if the ledger did not answer in time.
    """
    found = Actions(app.ledger.connection).get(action_id)
    if found is None:
        raise UnknownAction(action_id)
    return found


def actions(app: App, count: int = 50) -> list[Action]:
    """The newest bulk actions.

    Raises:
        StoreUnavailable: if the ledger did not answer in time.
    """
    return Actions(app.ledger.connection).newest(count)


def not_done(app: App, action_id: str) -> list[dict[str, str]]:
    """Of what a bulk action could not do, the last: ``id`` of the record and ``reason``.

    Raises:
        StoreUnavailable: if the ledger did not answer in time.
    """
    return Actions(app.ledger.connection).told(action_id)
