"""The HTTP API under ``/api/v1``. Every error is a problem document; see ``problems.py``."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from flask import Blueprint, Response, current_app, jsonify

from async_tasks import catalog, queries
from async_tasks.catalog import TaskSpec
from async_tasks.errors import InvalidOption, StoreUnavailable
from async_tasks.ledger.record import Record, State
from async_tasks.submission import cancel, submit
from async_tasks.web import inputs, streams

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("api", __name__, url_prefix="/api/v1")

MAX_WAIT: Final = 60.0  # seconds that an answer is held back for a result
MAX_LIMIT: Final = 200  # records on one page of history


@bp.post("/tasks/<name:name>")
def submit_task(name: str) -> tuple[Response, int]:
    """Submit a task: 202 and its record, or with ``wait`` 200 if it finished within it."""
    app = _app()
    catalog.get(name)  # an unknown name is said before anything about the body
    given = inputs.parameters("delay", "eta", "expires", "priority", "wait")
    wait = _wait(given)
    record = submit(app, name, inputs.arguments(app.settings.max_payload_bytes), **_options(given))
    if wait:
        with suppress(StoreUnavailable):  # it is accepted all the same, and a 503 would say the contrary
            record = queries.wait(app, record.id, wait)
    answer = jsonify(record.public())
    answer.headers["Location"] = record.public()["links"]["self"]
    return answer, 200 if wait and record.finished else 202


@bp.get("/tasks/<name:task_id>")
def show_task(task_id: str) -> dict[str, Any]:
    """One record."""
    inputs.parameters()
    return queries.get(_app(), task_id).public()


@bp.get("/tasks")
def list_tasks() -> dict[str, Any]:
    """A page of history, newest first."""
    given = inputs.parameters("state", "name", "q", "since", "until", "limit", "cursor")
    given = {name: text for name, text in given.items() if text}
    page = queries.page(
        _app(),
        state=inputs.state("state", given["state"]) if "state" in given else None,
        name=given.get("name"),
        q=given.get("q"),
        since=inputs.milliseconds("since", given["since"]) if "since" in given else None,
        until=inputs.milliseconds("until", given["until"]) if "until" in given else None,
        limit=_limit(given.get("limit", "50")),
        cursor=given.get("cursor"),
    )
    return {"tasks": [record.public() for record in page.tasks], "next_cursor": page.next_cursor}


@bp.delete("/tasks/<name:task_id>")
def cancel_task(task_id: str) -> tuple[dict[str, Any], int]:
    """Cancel: 200 if it will never start, 202 if it runs and is being stopped, 409 if it has finished."""
    inputs.parameters()
    record: Record = cancel(_app(), task_id)
    return record.public(), 200 if record.state is State.REVOKED else 202


@bp.get("/tasks/<name:task_id>/events")
def watch_task(task_id: str) -> Response:
    """The changes of one task, as server-sent events."""
    inputs.parameters("last_event_id")
    return streams.of_task(task_id, streams.last_event_id())


@bp.get("/events")
def watch_all() -> Response:
    """The changes of all tasks, as server-sent events."""
    inputs.parameters("last_event_id")
    return streams.of_all(streams.last_event_id())


@bp.get("/catalog")
def show_catalog() -> dict[str, Any]:
    """What can be submitted, with the schema of its arguments and of its result."""
    return {"tasks": [_described(spec) for spec in catalog.specs()]}


def _described(spec: TaskSpec) -> dict[str, Any]:
    options = spec.options
    path = quote(spec.name, safe="")
    return {
        "name": spec.name,
        "title": spec.title,
        "help": spec.help,
        "arguments": spec.arguments_schema(),
        "result": spec.result_schema(),
        "options": {
            "queue": options.queue,
            "priority": options.priority,
            "max_retries": options.max_retries,
            "retry_for": [f"{kind.__module__}.{kind.__qualname__}" for kind in options.retry_for],
            "backoff": options.backoff,
            "backoff_max": options.backoff_max,
            "jitter": options.jitter,
            "time_limit": options.time_limit,
            "soft_time_limit": options.soft_time_limit,
        },
        "links": {"submit": f"/api/v1/tasks/{path}", "form": f"/#{path}"},
    }


def _options(given: dict[str, str]) -> dict[str, Any]:
    found: dict[str, float | int | datetime] = {}
    if "delay" in given:
        found["delay"] = inputs.seconds("delay", given["delay"])
    if "eta" in given:
        found["eta"] = inputs.moment("eta", given["eta"])
    if "expires" in given:
        found["expires"] = inputs.seconds_or_moment("expires", given["expires"])
    if "priority" in given:
        found["priority"] = inputs.whole("priority", given["priority"])
    return found


def _wait(given: dict[str, str]) -> float:
    wait = inputs.seconds("wait", given["wait"]) if "wait" in given else 0.0
    if not 0 <= wait <= MAX_WAIT:
        raise InvalidOption("wait", f"must be between 0 and {MAX_WAIT:g} seconds; watch the task's events for longer")
    return wait


def _limit(text: str) -> int:
    limit = inputs.whole("limit", text)
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidOption("limit", f"must be between 1 and {MAX_LIMIT}")
    return limit


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
