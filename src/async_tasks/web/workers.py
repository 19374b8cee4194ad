"""Workers: who runs what since when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, current_app, render_template

from async_tasks import operations
from async_tasks.web import inputs

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("workers", __name__)


@bp.get("/workers")
def index() -> str:
    """Every worker."""
    return render_template("workers.html", workers=operations.workers(_app()))


@bp.get("/workers/<name>")
def show(name: str) -> str:
    """One worker."""
    return render_template("worker.html", worker=operations.worker(_app(), name))


@bp.get("/api/v1/workers")
def list_workers() -> dict[str, Any]:
    """Every worker, for programs."""
    inputs.parameters()
    return {"workers": [worker.public() for worker in operations.workers(_app())]}


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
