"""Schedules: what is submitted by itself, when it runs next, and what became of the last run."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, current_app, flash, redirect, render_template, request
from flask import url_for as address
from werkzeug.wrappers import Response as BaseResponse

from async_tasks import operations
from async_tasks.ledger import Record
from async_tasks.submission import submit
from async_tasks.web import api, auth, inputs

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("schedules", __name__)


@bp.get("/schedules")
def index() -> str:
    """Every schedule."""
    return render_template("schedules.html", schedules=operations.schedules(_app()), once=secrets.token_urlsafe(9))


@bp.post("/schedules/<name>/pause")
def pause(name: str) -> BaseResponse:
    """Pause a schedule."""
    operations.pause_schedule(_app(), name, auth.visitor())
    flash(f"{name} is paused: it is not submitted by itself until you resume it.")
    return redirect(address(".index"), 303)


@bp.post("/schedules/<name>/resume")
def resume(name: str) -> BaseResponse:
    """Let a schedule go on."""
    operations.resume_schedule(_app(), name)
    flash(f"{name} goes on with its next run.")
    return redirect(address(".index"), 303)


@bp.post("/schedules/<name>/run")
def run(name: str) -> BaseResponse:
    """Submit what a schedule says, now."""
    visitor, once = auth.visitor(), request.form.get("_once", "")[:32]
    record = _run(name, visitor, f"form:{visitor}:{once}:run:{name}" if visitor and once else None)
    flash(record.id, "submitted")
    return redirect(address(".index"), 303)


@bp.get("/api/v1/schedules")
def list_schedules() -> dict[str, Any]:
    """Every schedule, for programs."""
    inputs.parameters()
    return {"schedules": [schedule.public() for schedule in operations.schedules(_app())]}


@bp.post("/api/v1/schedules/<name>/pause")
def pause_schedule(name: str) -> dict[str, Any]:
    """Pause a schedule, for programs."""
    inputs.parameters()
    return operations.pause_schedule(_app(), name).public()


@bp.post("/api/v1/schedules/<name>/resume")
def resume_schedule(name: str) -> dict[str, Any]:
    """Let a schedule go on, for programs."""
    inputs.parameters()
    return operations.resume_schedule(_app(), name).public()


@bp.post("/api/v1/schedules/<name>/run")
def run_schedule(name: str) -> Response:
    """Submit what a schedule says, now; for programs."""
    inputs.parameters()
    return api.accepted(_run(name, None, inputs.idempotency_key()), 202)


def _run(name: str, by: str | None, key: str | None) -> Record:
    found = operations.schedule(_app(), name)
    record = submit(_app(), name, found.schedule.arguments, submitted_by=by, idempotency_key=key)
    operations.note_run(_app(), name, record.id)
    return record


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
