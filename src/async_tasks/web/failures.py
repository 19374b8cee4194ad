"""The page of failures by cause: how many, since when, an example, and the way to run all of them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from flask import Blueprint, current_app, render_template, request

from async_tasks import measures
from async_tasks.measures import Failures
from async_tasks.web.overview import choices
from async_tasks.web.stats import period

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("failures", __name__)

#: What each bar of a drawing counts, by period: how many buckets, and what they are together.
BARS: Final = {"hour": (2, "2 minutes"), "day": (6, "an hour"), "week": (6, "6 hours")}

#: How high a drawing is; a bar is one wide, and a gap a quarter.
HIGH: Final = 16


class Bar(NamedTuple):
    """One bar of a drawing; the largest fills its height."""

    x: float
    y: float
    height: float


class Cause(NamedTuple):
    """Failures of one cause as the page shows them."""

    failures: Failures
    kind: str  # the exception's class alone
    module: str
    bars: Sequence[Bar]
    most: int  # in one bar
    width: float  # of the drawing


@bp.get("/failures")
def show() -> str:
    """Failures by cause, the one seen last first; ``period`` is ``hour``, ``day`` or ``week``, ``name`` a task."""
    app: App = current_app.extensions["async_tasks"]
    chosen = period(request.args, "day")
    _, _, found = measures.failures(app, chosen, request.args.get("name") or None)
    buckets, words = BARS[chosen.name]
    return render_template(
        "failures.html",
        causes=[_cause(each, buckets) for each in found],
        total=sum(each.count for each in found),
        bar=words,
        high=HIGH,
        **choices("failures.show", chosen, request.args.get("name") or None, {n for each in found for n in each.tasks}),
    )


def _cause(failures: Failures, buckets: int) -> Cause:
    series = failures.series
    # The newest bar is whole.
    counts = [sum(series[max(0, end - buckets) : end]) for end in range(len(series), 0, -buckets)][::-1]
    most = max(counts)
    bars = [
        Bar(round(1.25 * number, 2), round(HIGH * (1 - count / most), 2), round(HIGH * count / most, 2))
        for number, count in enumerate(counts)
        if count
    ]
    module, _, kind = failures.group.type.rpartition(".")
    return Cause(failures, kind, module, bars, most, 1.25 * len(counts) - 0.25)
