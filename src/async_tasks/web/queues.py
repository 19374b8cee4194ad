"""Queues: what waits, and the commands that hold for every worker: pause, resume, purge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, current_app, flash, redirect, render_template, request
from flask import url_for as address
from werkzeug.wrappers import Response

from async_tasks import operations
from async_tasks.web import auth, inputs

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("queues", __name__)


@bp.get("/queues")
def index() -> str:
    """Every queue, and the tasks with limits."""
    limits = [each for each in operations.limits(_app()) if each.holds or each.set is not None]
    return render_template("queues.html", queues=operations.queues(_app()), limits=limits)


@bp.get("/queues/<name>")
def show(name: str) -> str:
    """One queue."""
    queue = operations.queue(_app(), name)
    return render_template("queue.html", queue=queue, line=operations.first_waiting(_app(), name))


@bp.post("/queues/<name>/pause")
def pause(name: str) -> Response:
    """Pause a queue: back to where it was commanded."""
    operations.pause(_app(), name, auth.visitor())
    flash(f"Queue {name} is paused: nothing of it starts until you resume it.")
    return _back(name)


@bp.post("/queues/<name>/resume")
def resume(name: str) -> Response:
    """Let a queue go on: back to where it was commanded."""
    operations.resume(_app(), name)
    flash(f"Queue {name} goes on.")
    return _back(name)


@bp.get("/queues/<name>/purge")
def ask_purge(name: str) -> str:
    """Ask before anything is revoked."""
    return render_template("purge.html", queue=operations.queue(_app(), name))


@bp.post("/queues/<name>/purge")
def purge(name: str) -> Response:
    """Revoke what waits: back to the queue."""
    count, more = operations.purge(_app(), name, auth.visitor())
    rest = " The rest follows." if more else ""
    flash(f"Purged {count:,} task{'' if count == 1 else 's'} from queue {name}.{rest}")
    return redirect(address(".show", name=name), 303)


@bp.get("/api/v1/queues")
def list_queues() -> dict[str, Any]:
    """Every queue, for programs."""
    inputs.parameters()
    return {"queues": [queue.public() for queue in operations.queues(_app())]}


@bp.post("/api/v1/queues/<name>/pause")
def pause_queue(name: str) -> dict[str, Any]:
    """Pause a queue, for programs."""
    inputs.parameters()
    return operations.pause(_app(), name).public()


@bp.post("/api/v1/queues/<name>/resume")
def resume_queue(name: str) -> dict[str, Any]:
    """Let a queue go on, for programs."""
    inputs.parameters()
    return operations.resume(_app(), name).public()


@bp.post("/api/v1/queues/<name>/purge")
def purge_queue(name: str) -> dict[str, Any]:
    """Revoke what waits, for programs."""
    inputs.parameters()
    count, more = operations.purge(_app(), name)
    return {"purged": count, "more": more}


def _back(name: str) -> Response:
    return redirect(address(".index") if "list" in request.form else address(".show", name=name), 303)


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
