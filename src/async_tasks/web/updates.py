"""What a page is told of: all that it shows, in one stream, or the same at one go for a page that polls.

Both carry the same updates: of a record, the HTML that stands for it, from the templates of the page itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flask import Response, current_app

from async_tasks import catalog, queries
from async_tasks.errors import StoreUnavailable
from async_tasks.ledger.record import Change, Record, State
from async_tasks.web import mine, sse
from async_tasks.web.live import Hub
from async_tasks.web.streams import response_of
from async_tasks.web.subscriptions import LOST, Event, Subscription

if TYPE_CHECKING:
    from jinja2 import Environment

    from async_tasks.engine import App

#: A change of the last moment before a page was made may not have been on it.
OVERLAP: Final = 1000

#: Seconds in which a page hears at most once that something changed. It looks that much later, and so misses nothing.
STIR: Final = 0.5

#: A comment would not reach the page's script, which has to know that the stream is alive.
BEAT: Final = sse.event({}, name="beat")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a page shows, and whose it is.

    Attributes:
        visitor: whose tasks are told of.
        task_id: the task whose page it is.
        everything: whether it is to hear that anything changed, whoever's.
        listed: whether it has the list of the visitor's tasks.
        after: the place in the stream of changes that it knows; None: none.
        seen: up to when the list was looked at, milliseconds since the epoch.
        context: what its forms carry.
    """

    visitor: str | None
    task_id: str | None
    everything: bool
    listed: bool
    after: str | None
    seen: int
    context: dict[str, Any]


def stream(view: View) -> Response:
    """Updates as they come; never ends by itself.

    Raises:
        InvalidOption: if the view's place is none in the stream.
        StoreUnavailable: if the store does not answer.
    """
    hub: Hub = current_app.extensions["async_tasks_live"]
    teller = _Teller(view, current_app.jinja_env)
    if view.everything:
        subscription = hub.subscribe()
    else:
        # Who watches nothing is still to be known to the hub, which ends all streams with the process.
        ids = [view.task_id or ""] if view.task_id or not view.visitor else []
        subscription = hub.subscribe(ids, submitter=view.visitor)
    try:
        first = hub.ask(teller.look, subscription.cursor)
    except BaseException:
        subscription.close()
        raise
    return response_of(subscription, _events(hub, subscription, teller, first))


def now(view: View) -> dict[str, Any]:
    """What has changed since the view's place, and the place now.

    Raises:
        InvalidOption: if the view's place is none in the stream.
        StoreUnavailable: if the store does not answer.
    """
    app: App = current_app.extensions["async_tasks"]
    return _Teller(view, current_app.jinja_env).look(app, queries.latest_change(app))


def _events(hub: Hub, subscription: Subscription, teller: _Teller, first: dict[str, Any]) -> Iterator[bytes]:
    yield sse.opening(subscription.cursor)
    yield sse.event(first, name="look", cursor=subscription.cursor)
    for batch in subscription.batches():
        if batch is None:
            yield BEAT
            continue
        if LOST in batch:
            return  # the page comes back, and begins with what is
        try:
            told = b"".join(teller.tell(hub, batch))
        except StoreUnavailable:
            return
        if told:
            yield told


class _Teller:
    """Makes the updates of one view; streams outlive their requests, so it holds what rendering needs."""

    def __init__(self, view: View, environment: Environment) -> None:
        self.view = view
        self._entry = environment.get_template("_entry.html")
        self._task = environment.get_template("_task.html")
        self._known = sse.position(view.after)[0] - OVERLAP if view.after else 0
        self._stirred_at = float("-inf")

    def look(self, app: App, cursor: str) -> dict[str, Any]:
        """All that has changed since the page was made, or may have, and the badge."""
        records = mine.listed(app, self.view.visitor)
        fresh = mine.unseen(records, self.view.seen)
        if self.view.task_id and all(record.id != self.view.task_id for record in records):
            records += queries.get_many(app, [self.view.task_id]).values()
        return {
            "cursor": cursor,
            "unseen": [[record.id, record.finished_at, record.state is State.FAILURE] for record in fresh],
            "updates": [self.update(record) for record in self._changed(records)],
        }

    def tell(self, hub: Hub, events: Sequence[Event]) -> Iterator[bytes]:
        """What the page hears of these changes.

        Raises:
            StoreUnavailable: if the store had to be asked, and does not answer.
        """
        for event in self._with_records(hub, events) if self.view.everything else events:
            if event.record is not None:
                yield sse.event(self.update(event.record), cursor=event.cursor)
        now = time.monotonic()
        if self.view.everything and events and now - self._stirred_at >= STIR:
            self._stirred_at = now
            yield sse.event({}, name="stir", cursor=events[-1].cursor)

    def _with_records(self, hub: Hub, events: Sequence[Event]) -> list[Event]:
        """Those that are told in full; who watches everything is handed no records."""
        own = [event.change for event in events if event.change and self._is_told(event.change)]
        records = hub.ask(queries.get_many, list({change.id for change in own})) if own else {}
        return [Event(change, records.get(change.id)) for change in own]

    def _is_told(self, change: Change) -> bool:
        mine = self.view.visitor is not None and change.submitted_by == self.view.visitor
        return mine or change.id == self.view.task_id

    def update(self, record: Record) -> dict[str, Any]:
        """One record as the page shows it."""
        told: dict[str, Any] = {
            "id": record.id,
            "name": record.name,
            "state": record.state,
            "mine": self.view.visitor is not None and record.submitted_by == self.view.visitor,
            "submitted_at": record.submitted_at,
            "finished_at": record.finished_at,
        }
        if self.view.listed and told["mine"]:
            told["entry"] = self._entry.render(task=record)
        if record.id == self.view.task_id:
            told["task"] = self._task.render(task_context(record, self.view.visitor), **self.view.context)
        return told

    def _changed(self, records: Iterable[Record]) -> Iterator[Record]:
        # Oldest first, as changes come. Progress leaves no time, so what runs is always told.
        for record in sorted(records, key=lambda each: each.submitted_at):
            if not record.finished or record.timeline[-1]["at"] >= self._known:
                yield record


def task_context(record: Record, visitor: str | None) -> dict[str, Any]:
    """What the template of a task's page needs beyond what its forms carry."""
    known = any(spec.name == record.name for spec in catalog.specs())
    return {"task": record, "known": known, "mine": visitor is not None and record.submitted_by == visitor}
