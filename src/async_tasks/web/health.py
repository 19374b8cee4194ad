"""Probes: is the process alive, and can it do its work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Blueprint, current_app

from async_tasks.errors import Unavailable
from async_tasks.web.auth import is_trusted

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("health", __name__, url_prefix="/health")


@bp.get("/live")
def live() -> dict[str, str]:
    """The process answers; no server is asked."""
    return {"status": "alive"}


@bp.get("/ready")
def ready() -> tuple[dict[str, Any], int]:
    """Whether ledger and broker answer; 503 and which of them does not."""
    app: App = current_app.extensions["async_tasks"]
    checks = {
        "ledger": _verdict(app.ledger.ping),
        "broker": _verdict(lambda: app.broker_ready(app.settings.store_timeout)),
    }
    is_ready = all(verdict == "ok" for verdict in checks.values())
    answer: dict[str, Any] = {"status": "ready" if is_ready else "unavailable"}
    if is_trusted():
        answer["checks"] = checks
    return answer, 200 if is_ready else 503


def _verdict(check: Callable[[], None]) -> str:
    try:
        check()
    except Unavailable:
        # Its words may name hosts, and a probe is answered to everybody.
        return "does not answer"
    return "ok"
