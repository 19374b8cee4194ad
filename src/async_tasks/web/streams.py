"""The streams that programs see: of one task, and of all tasks. Pages have their own, see ``updates.py``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask import Response, current_app, request

from async_tasks import queries
from async_tasks.ledger.record import Record
from async_tasks.web import sse
from async_tasks.web.live import Hub
from async_tasks.web.subscriptions import LOST, PAGE, Event, Subscription


def last_event_id() -> str | None:
    """Where the client was when its stream broke; the query parameter is for those that can set no header."""
    return request.headers.get("Last-Event-ID") or request.args.get("last_event_id") or None


def of_task(task_id: str, last: str | None) -> Response:
    """Every change of one task, each with the whole record; ends when it has finished.

    Args:
        task_id: the task.
        last: the id of the last event that the client has; None: it begins with the record as it is.

    Raises:
        InvalidOption: if ``last`` is no id of an event.
        UnknownRecord: if there is no such task.
        StoreUnavailable: if the store does not answer.
    """
    hub = _hub()
    subscription = hub.subscribe({task_id}, after=last)
    try:
        missed = None if last is None else hub.missed(last)
        if last is not None and missed is None:
            subscription.close()
            subscription, last = hub.subscribe({task_id}), None
        record = hub.ask(queries.get, task_id)
        if record.finished and last is not None and not _has_more(hub, task_id, last, missed or ()):
            subscription.close()
            return Response(status=204)  # which tells an EventSource to stay away
    except BaseException:
        subscription.close()
        raise
    return response_of(subscription, _task_events(subscription, record if last is None else None))


def of_all(last: str | None) -> Response:
    """Every change of every task, in brief; never ends by itself."""
    subscription = _hub().subscribe(after=last)

    def events() -> Iterator[bytes]:
        yield sse.opening(subscription.cursor)
        for batch in subscription.batches():
            yield sse.PING if batch is None else b"".join(event.in_brief for event in batch)

    return response_of(subscription, events())


def _task_events(subscription: Subscription, first: Record | None) -> Iterator[bytes]:
    yield sse.opening(subscription.cursor)
    if first is not None:
        yield sse.event(first.public(), cursor=subscription.cursor)
        if first.finished:
            yield sse.END
            return
    for batch in subscription.batches():
        if batch is None:
            yield sse.PING
        elif LOST in batch:
            return  # the client comes back, and begins with the record as it is
        else:
            yield b"".join(event.with_record for event in batch)
            if any(event.is_end for event in batch):
                yield sse.END
                return


def _has_more(hub: Hub, task_id: str, last: str, missed: Sequence[Event]) -> bool:
    if any(event.concerns(task_id) for event in missed):
        return True
    # The record may know of its end before the hub does.
    cursor = missed[-1].cursor if missed else last
    while changes := hub.ask(queries.changes, cursor, block=0, count=PAGE):
        if any(change.id == task_id for change in changes):
            return True
        cursor = changes[-1].cursor
    return False


def response_of(subscription: Subscription, events: Iterator[bytes]) -> Response:
    """The answer that hands on the events, and closes the subscription when its client is gone."""
    if request.method == "HEAD":
        # Nothing is handed on, and nobody would say that the client is gone.
        subscription.close()
        return Response(mimetype=sse.MIMETYPE, headers=sse.HEADERS)
    response = Response(events, mimetype=sse.MIMETYPE, headers=sse.HEADERS)
    # Not in the generator: one that was never begun is not ended either.
    response.call_on_close(subscription.close)
    return response


def _hub() -> Hub:
    hub: Hub = current_app.extensions["async_tasks_live"]
    return hub
