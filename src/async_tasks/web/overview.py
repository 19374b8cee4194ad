"""The page that says how it goes: numbers, charts and a table by task, over an hour, a day or a week."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

from flask import Blueprint, current_app, render_template, request

from async_tasks import catalog, measures
from async_tasks.measures import PARTS, PERIODS, Moment, Overview, Period, Totals
from async_tasks.web import words
from async_tasks.web.stats import period

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("overview", __name__)

#: What a bucket of each period is called.
BUCKETS: Final = {"hour": "a minute", "day": "ten minutes", "week": "an hour"}


#: Since when History is to list what a period has.
SINCE: Final = {"hour": "-1h", "day": "-24h", "week": "-7d"}

#: Stands where there is no number.
NONE: Final = "\N{EN DASH}"


class Column(NamedTuple):
    """One column of the table by task; ``value`` is what it is sorted by."""

    key: str
    title: str
    value: Callable[[str, Totals], Any]
    shown: Callable[[Any], str]


class Chart(NamedTuple):
    """One chart, and what it shows in words."""

    key: str
    title: str
    words: str


def percent(part: float | None) -> str:
    """A part of all, for people."""
    if part is None:
        return NONE
    return f"{100 * part:.{0 if part in (0, 1) else 1}f} %"


def length(ms: float | None) -> str:
    """A length of time, or that there is none."""
    return NONE if ms is None else words.duration(ms)


COLUMNS: Final = (
    Column("name", "Task", lambda name, _: name, str),
    Column("submitted", "Submitted", lambda _, totals: totals.submitted, words.count),
    Column("succeeded", "Succeeded", lambda _, totals: totals.succeeded, words.count),
    Column("failed", "Failed", lambda _, totals: totals.failed, words.count),
    Column("failure_rate", "Failure rate", lambda _, totals: totals.failure_rate, percent),
    Column("wait_p50", "Waits p50", lambda _, totals: totals.wait["p50"], length),
    Column("wait_p95", "Waits p95", lambda _, totals: totals.wait["p95"], length),
    Column("run_p50", "Runs p50", lambda _, totals: totals.run["p50"], length),
    Column("run_p95", "Runs p95", lambda _, totals: totals.run["p95"], length),
)


@bp.get("/overview")
def show() -> str:
    """How it goes; ``period`` is ``hour``, ``day`` or ``week``, ``name`` a task, ``sort`` a column."""
    app: App = current_app.extensions["async_tasks"]
    chosen = period(request.args)
    overview = measures.overview(app, chosen, request.args.get("name") or None)
    sort = next((column for column in COLUMNS if column.key == request.args.get("sort")), COLUMNS[1])
    return render_template(
        "overview.html",
        overview=overview,
        figures=figures(overview),
        charts=charts(overview),
        columns=COLUMNS,
        rows=_sorted(overview.tasks, sort),
        sort=sort.key,
        bucket=BUCKETS[chosen.name],
        since=SINCE[chosen.name],
        parts=PARTS,
        percent=percent,
        length=length,
        **choices("overview.show", chosen, overview.name, overview.tasks, sort=request.args.get("sort")),
    )


def choices(
    endpoint: str, chosen: Period, name: str | None, known: Iterable[str], **more: str | None
) -> dict[str, Any]:
    """What the visitor can choose on a page about a time: a period, and a task of the catalog or of the period."""
    kept = {key: value for key, value in (("name", name), *more.items()) if value}
    names = {spec.name for spec in catalog.specs()} | set(known) | ({name} if name else set())
    return {
        "periods": [(each, {**kept, "period": each}) for each in PERIODS],
        "period": chosen.name,
        "name": name,
        "names": sorted(names),
        "endpoint": endpoint,
        "history": history,
    }


def history(**filters: str | None) -> str:
    """Where the tasks are listed that these filters leave."""
    return f"/history?{urlencode({key: value for key, value in filters.items() if value})}"


def figures(overview: Overview) -> dict[str, Any]:
    """What the charts draw: a list of values for each line, one for each bucket; lengths of time are milliseconds."""
    series = overview.series
    return {
        "at": [moment.at // 1000 for moment in series],
        "bucket": overview.period.bucket // 1000,
        "submitted": [moment.totals.submitted for moment in series],
        "succeeded": [moment.totals.succeeded for moment in series],
        "failed": [moment.totals.failed for moment in series],
        "rate": [moment.totals.failure_rate for moment in series],
        "wait": {part: [moment.totals.wait[part] for moment in series] for part in PARTS},
        "run": {part: [moment.totals.run[part] for moment in series] for part in PARTS},
        "depth": {queue: [moment.depth[queue] for moment in series] for queue in overview.waiting},
    }


def charts(overview: Overview) -> list[Chart]:
    """The charts with what they show in words."""
    totals = overview.totals
    most = max(moment.totals.submitted for moment in overview.series)
    ended = totals.succeeded + totals.failed
    busy = f"At most {words.count(most)} submitted within {BUCKETS[overview.period.name]}."
    return [
        Chart("throughput", "Throughput", busy if most else "Nothing was submitted."),
        Chart("rate", "Failure rate", _failed(totals) if ended else "Nothing succeeded or failed."),
        Chart("wait", "Waiting time", _spread(totals.wait) or "Nothing was started."),
        Chart("run", "Run time", _spread(totals.run) or "Nothing that ran has ended."),
        Chart("depth", "Waiting in queues", _depths(overview.series, overview.waiting)),
    ]


def _failed(totals: Totals) -> str:
    ended = totals.succeeded + totals.failed
    return f"{words.count(totals.failed)} of {words.count(ended)} failed, {percent(totals.failure_rate)}."


def _spread(percentiles: Mapping[str, float | None]) -> str:
    p50, p95, p99 = (length(percentiles[part]) for part in PARTS)
    return "" if percentiles["p50"] is None else f"Half within {p50}, 95 % within {p95}, 99 % within {p99}."


def _depths(series: Sequence[Moment], waiting: Mapping[str, int]) -> str:
    parts = []
    for queue, now in waiting.items():
        most = max(now, *(moment.depth[queue] or 0 for moment in series))
        parts.append(f"{queue}: {words.count(now)} now, at most {words.count(most)}")
    return f"{'; '.join(parts)}."


def _sorted(tasks: Mapping[str, Totals], by: Column) -> list[tuple[str, Totals]]:
    """By a column: names from a on, numbers from the largest on, and last what has none."""
    if by.key == "name":
        return sorted(tasks.items())

    def place(row: tuple[str, Totals]) -> tuple[bool, float]:
        value = by.value(*row)
        return value is None, -(value or 0)

    return sorted(tasks.items(), key=place)
