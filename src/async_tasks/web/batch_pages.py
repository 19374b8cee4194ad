"""The pages of batches: the newest, and one with its progress, what failed of it, and its results as files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

from flask import Blueprint, current_app, flash, redirect, render_template, request
from flask import url_for as address
from werkzeug.wrappers import Response

from async_tasks import queries
from async_tasks.ledger import BatchRecord, Record, State
from async_tasks.submission import cancel_batch
from async_tasks.web import auth

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("batch_pages", __name__, url_prefix="/batches")

#: Batches on one page, and tasks on the page of a batch.
LISTED: Final = 40
SHOWN: Final = 20

#: What a bar is made of, from the left, and what people call it.
PARTS: Final = (
    (State.SUCCESS, "succeeded"),
    (State.FAILURE, "failed"),
    (State.REVOKED, "cancelled"),
    (State.STARTED, "running"),
)

#: In the order of the bar, and then what waits.
ORDER: Final = (*(state for state, _ in PARTS), State.RETRY, State.PENDING, State.SCHEDULED)


class Part(NamedTuple):
    """A part of a bar, in hundredths of its length."""

    name: str
    start: float
    length: float


class Bar(NamedTuple):
    """How far a batch is, to be drawn and to be read."""

    parts: Sequence[Part]
    percent: int
    words: str


@bp.get("")
def index() -> str:
    """The newest batches."""
    page = queries.batches(_app(), limit=LISTED, cursor=request.args.get("cursor") or None)
    return render_template("batches.html", page=page, bar=bar)


@bp.get("/<name:batch_id>")
def show(batch_id: str) -> str:
    """One batch: how far it is, and its tasks, those that failed first."""
    found, now = queries.batch(_app(), batch_id)
    return render_template(
        "batch.html",
        batch=found,
        bar=bar(found),
        counts=[(state, found.states[state]) for state in ORDER if found.states.get(state)],
        rate=found.rate(now),
        expected_at=found.expected_at(now),
        failed=_tasks(batch_id, State.FAILURE) if found.states.get(State.FAILURE) else [],
        running=_tasks(batch_id, State.STARTED) if found.states.get(State.STARTED) else [],
        mine=found.submitted_by is not None and found.submitted_by == auth.visitor(),
        history=_history,
    )


@bp.post("/<name:batch_id>/cancel")
def cancel_form(batch_id: str) -> Response:
    """Cancel what has not finished: back to the page of the batch."""
    stopping = cancel_batch(_app(), batch_id)
    flash(
        f"Cancelled. {stopping:,} that run are being stopped." if stopping else "Cancelled: what waited never starts."
    )
    return redirect(address(".show", batch_id=batch_id), 303)


def bar(batch: BatchRecord) -> Bar:
    """How far a batch is."""
    parts = []
    start = 0.0
    for state, _ in PARTS:
        length = 100 * batch.states.get(state, 0) / batch.total
        if length:
            parts.append(Part(str(state).lower(), round(start, 3), round(length, 3)))
        start += length
    said = [f"{count:,} {words}" for state, words in PARTS if (count := batch.states.get(state, 0))]
    # Not before all is done is it a hundred.
    percent = 100 if batch.finished else min(99, 100 * batch.done // batch.total)
    return Bar(parts, percent, f"{batch.done:,} of {batch.total:,} done" + (f": {', '.join(said)}" if said else ""))


def _tasks(batch_id: str, state: State) -> list[Record]:
    return queries.page(_app(), batch_id=batch_id, state=state, limit=SHOWN).tasks


def _history(batch_id: str, state: State | None = None) -> str:
    return f"/history?{urlencode({'batch_id': batch_id, **({'state': str(state)} if state else {})})}"


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
