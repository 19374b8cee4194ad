"""The streams that clients see: of one task, of all tasks, and of what a page shows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from flask import Response, current_app, request

from async_tasks import queries
from async_tasks.ledger.record import FINAL, Record
from async_tasks.web import sse
from async_tasks.web.live import LOST, PAGE, Hub, Subscription, is_past

#: Makes the HTML of a record.
Render = Callable[[Record], str]


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
        if last is not None and hub.ask(is_past, last):
            subscription.close()
            subscription, last = hub.subscribe({task_id}), None
        record = hub.ask(queries.get, task_id)
        if record.finished and last is not None and not _has_more(hub, task_id, last):
            subscription.close()
            return Response(status=204)  # which tells an EventSource to stay away
    except BaseException:
        subscription.close()
        raise
    return _response(subscription, _task_events(subscription, record if last is None else None))


def of_all(last: str | None) -> Response:
    """Every change of every task, in brief; never ends by itself."""
    subscription = _hub().subscribe(after=last)

    def events() -> Iterator[bytes]:
        yield sse.opening(subscription.cursor)
        for event in subscription:
            yield sse.PING if event is None else event.in_brief

    return _response(subscription, events())


def of_page(ids: Collection[str], render: Render) -> Response:
    """What a page shows of some tasks, as HTML to be put in the place of what stood there.

    Begins with all of them as they are, and ends when all have finished.
    """
    hub = _hub()
    subscription = hub.subscribe(ids)
    try:
        records = hub.ask(queries.get_many, list(ids))
    except BaseException:
        subscription.close()
        raise

    return _response(subscription, _page_events(subscription, records, render))


def _page_events(subscription: Subscription, records: Mapping[str, Record], render: Render) -> Iterator[bytes]:
    def fragment(record: Record, cursor: str) -> bytes:
        return sse.event({"id": record.id, "html": render(record)}, cursor=cursor)

    yield sse.opening(subscription.cursor)
    for record in records.values():
        yield fragment(record, subscription.cursor)
    waiting = {record.id for record in records.values() if not record.finished}
    events = iter(subscription)
    while waiting:
        event = next(events, LOST)
        if event is None:
            yield sse.PING
        elif event.change is None:
            return  # the page comes back, and begins with what is
        else:
            if event.record is not None:
                yield fragment(event.record, event.change.cursor)
            if event.change.state in FINAL:
                waiting.discard(event.change.id)
    yield sse.END


def _task_events(subscription: Subscription, first: Record | None) -> Iterator[bytes]:
    yield sse.opening(subscription.cursor)
    if first is not None:
        yield sse.event(first.public(), cursor=subscription.cursor)
        if first.finished:
            yield sse.END
            return
    for event in subscription:
        if event is None:
            yield sse.PING
        elif event.change is None:
            return  # the client comes back, and begins with the record as it is
        else:
            yield event.with_record
            if event.change.state in FINAL:
                yield sse.END
                return


def _has_more(hub: Hub, task_id: str, cursor: str) -> bool:
    while changes := hub.ask(queries.changes, cursor, block=0, count=PAGE):
        if any(change.id == task_id for change in changes):
            return True
        cursor = changes[-1].cursor
    return False


def _response(subscription: Subscription, events: Iterator[bytes]) -> Response:
    response = Response(events, mimetype=sse.MIMETYPE, headers=sse.HEADERS)
    # Not in the generator: one that was never begun is not ended either.
    response.call_on_close(subscription.close)
    return response


def _hub() -> Hub:
    hub: Hub = current_app.extensions["async_tasks_live"]
    return hub
