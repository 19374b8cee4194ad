"""``GET /api/v1/stats`` and ``GET /api/v1/failures``: how it goes, and what fails, for programs. Times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from flask import Blueprint, current_app

from async_tasks import measures
from async_tasks.errors import InvalidOption
from async_tasks.ledger import State, rfc3339
from async_tasks.measures import PERIODS, Failures, Overview, Period, Totals
from async_tasks.web import inputs

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("stats", __name__, url_prefix="/api/v1")


@bp.get("/stats")
def show_stats() -> dict[str, Any]:
    """Rates, waiting and run times and queues over a period."""
    given = inputs.parameters("period", "name")
    app: App = current_app.extensions["async_tasks"]
    return _overview(measures.overview(app, period(given), given.get("name") or None))


@bp.get("/failures")
def show_failures() -> dict[str, Any]:
    """Failures of a period by cause, the one seen last first."""
    given = inputs.parameters("period", "name")
    app: App = current_app.extensions["async_tasks"]
    chosen, name = period(given, "day"), given.get("name") or None
    since, until, found = measures.failures(app, chosen, name)
    return {
        **_frame(chosen, name, since, until),
        "failures": [_failures(each) for each in found],
    }


def period(given: Mapping[str, str], usual: str = "hour") -> Period:
    """The period that a query asks for; ``usual`` if it asks for none.

    Raises:
        InvalidOption: if there is no such period.
    """
    text = given.get("period") or usual
    if text not in PERIODS:
        raise InvalidOption("period", f"{text!r} is no period; there are {', '.join(PERIODS)}")
    return PERIODS[text]


def _frame(chosen: Period, name: str | None, since: int, until: int) -> dict[str, Any]:
    return {
        "period": chosen.name,
        "name": name,
        "since": rfc3339(since),
        "until": rfc3339(until),
        "bucket": chosen.bucket // 1000,
    }


def _overview(overview: Overview) -> dict[str, Any]:
    return {
        **_frame(overview.period, overview.name, overview.since, overview.until),
        "totals": _totals(overview.totals),
        "now": {
            "running": overview.running,
            "waiting": overview.waiting,
            "due": overview.due,
        },
        "series": [{"at": rfc3339(each.at), **_totals(each.totals), "depth": each.depth} for each in overview.series],
        "tasks": [{"name": name, **_totals(totals)} for name, totals in overview.tasks.items()],
    }


def _totals(totals: Totals) -> dict[str, Any]:
    return {
        "submitted": totals.submitted,
        "started": totals.started,
        "succeeded": totals.succeeded,
        "failed": totals.failed,
        "revoked": totals.revoked,
        "retried": totals.retried,
        "failure_rate": totals.failure_rate,
        "wait": _seconds(totals.wait),
        "run": _seconds(totals.run),
    }


def _seconds(percentiles: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if ms is None else round(ms / 1000, 4) for name, ms in percentiles.items()}


def _failures(failures: Failures) -> dict[str, Any]:
    group = failures.group
    alike = urlencode({"state": State.FAILURE, "fingerprint": group.fingerprint})
    return {
        "fingerprint": group.fingerprint,
        "type": group.type,
        "message": group.message,
        "where": group.where or None,
        "count": failures.count,
        "tasks": failures.tasks,
        "first_seen": rfc3339(group.first),
        "last_seen": rfc3339(group.last),
        "series": failures.series,
        "links": {
            "example": f"/api/v1/tasks/{quote(group.example, safe='')}",
            "tasks": f"/api/v1/tasks?{alike}",
            "page": f"/history?{alike}",
        },
    }
