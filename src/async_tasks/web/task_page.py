"""The page of one task: how it is, what it was given, where the time went, what it logged, what belongs to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import Blueprint, current_app, flash, redirect, render_template
from flask import url_for as address
from werkzeug.wrappers import Response as BaseResponse

from async_tasks import queries
from async_tasks.errors import AlreadyFinished, InvalidArguments, NotFinished
from async_tasks.ledger.record import Record
from async_tasks.submission import cancel, replay
from async_tasks.web import auth, mine, updates
from async_tasks.web.family import family
from async_tasks.web.once import key, new_once
from async_tasks.web.timeline import draw

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("task_page", __name__)


@bp.get("/tasks/<name:task_id>")
def show(task_id: str) -> str:
    """One task: its state, arguments, timeline, and result or error."""
    mine.look()  # first, so that what changes while the page is made is told afterwards
    app = _app()
    record = queries.get(app, task_id)
    return render_template(
        "task.html",
        **updates.task_context(record, auth.visitor()),
        **details(app, record),
        kin=family(app, record),
        batch_pages=any(rule.rule.startswith("/batches/<") for rule in current_app.url_map.iter_rules()),
        once=new_once(),
    )


@bp.post("/tasks/<name:task_id>/cancel")
def cancel_form(task_id: str) -> BaseResponse:
    """Cancel a task: back to its page."""
    try:
        record = cancel(_app(), task_id)
    except AlreadyFinished as exc:
        flash(str(exc))
    else:
        if record.finished:
            flash("Cancelled: it will not start.")
    return redirect(address(".show", task_id=task_id), 303)


@bp.post("/tasks/<name:task_id>/replay")
def replay_form(task_id: str) -> BaseResponse:
    """Run a finished task again with the same arguments: to the page of the new one."""
    try:
        record = replay(_app(), task_id, submitted_by=auth.visitor(), idempotency_key=key(f"again:{task_id}"))
    except NotFinished as exc:
        flash(str(exc))
        return redirect(address(".show", task_id=task_id), 303)
    except InvalidArguments as exc:
        flash("The task has changed: these arguments do not fit it any more. Correct them, and submit it.")
        return redirect(f"{address('pages.show_form', name=exc.name)}?{urlencode({'from': task_id})}", 303)
    flash(record.id, "submitted")
    return redirect(address(".show", task_id=record.id), 303)


def details(app: App, record: Record) -> dict[str, Any]:
    """What the page of a task shows beyond its record."""
    return {"drawing": draw(record, round(time.time() * 1000)), "log": queries.log(app, record.id)}


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
