"""The HTTP API under ``/api/v1``. Every error is a problem document; see ``problems.py``."""

from __future__ import annotations

import math
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from flask import Blueprint, Response, current_app, jsonify, request
from werkzeug.wrappers import Response as BaseResponse

from async_tasks import catalog, queries
from async_tasks.catalog import TaskSpec
from async_tasks.errors import InvalidOption, StoreUnavailable, UnknownRecord
from async_tasks.ledger.record import Record, State
from async_tasks.submission import cancel, replay, submit
from async_tasks.web import inputs, sse, streams
from async_tasks.web.problems import Refused

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("api", __name__, url_prefix="/api/v1")

MAX_WAIT: Final = 60.0  # seconds that an answer is held back for a result
MAX_LIMIT: Final = 200  # records on one page of history
POLL: Final = 1  # seconds after which it is worth asking again

TASK_METHODS: Final = ("OPTIONS", "POST")
RECORD_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS")


@bp.post("/tasks/<name:name>")
def submit_task(name: str) -> Response:
    """Submit a task: 202 and its record, or with ``wait`` 200 if it finished within it."""
    app = _app()
    catalog.get(name)  # an unknown name is said before anything about the body
    given = inputs.parameters("delay", "eta", "expires", "priority", "wait")
    wait = _wait(given)
    options = _options(given)
    key = inputs.idempotency_key()
    arguments = inputs.arguments(app.settings.max_payload_bytes)
    record = submit(app, name, arguments, **options, idempotency_key=key, strict=True)
    if wait:
        with suppress(StoreUnavailable):  # it is accepted all the same, and a 503 would say the contrary
            record = queries.wait(app, record.id, wait)
    return accepted(record, 200 if wait and record.finished else 202)


@bp.get("/tasks/<name:task_id>")
def show_task(task_id: str) -> BaseResponse:
    """One record."""
    inputs.parameters()
    try:
        record = queries.get(_app(), task_id)
    except UnknownRecord:
        _refuse_task(task_id)
        raise
    return tagged(jsonify(record.public()))


@bp.get("/tasks")
def list_tasks() -> dict[str, Any]:
    """A page of history, newest first."""
    given = inputs.parameters(*inputs.FILTERS, "limit", "cursor")
    limit, cursor = given.pop("limit", "") or "50", given.pop("cursor", "") or None
    return queries.page(_app(), limit=_limit(limit), cursor=cursor, **inputs.filters(given)).public()


@bp.delete("/tasks/<name:task_id>")
def cancel_task(task_id: str) -> Response:
    """Cancel: 200 if it will never start, 202 if it runs and is being stopped, 409 if it has finished."""
    inputs.parameters()
    try:
        record = cancel(_app(), task_id)
    except UnknownRecord:
        _refuse_task(task_id)
        raise
    return accepted(record, 200 if record.state is State.REVOKED else 202)


@bp.post("/tasks/<name:task_id>/replay")
def replay_task(task_id: str) -> Response:
    """Run a finished task again, with its recorded arguments or with those of the body: 202 and the new record."""
    app = _app()
    inputs.parameters()
    key = inputs.idempotency_key()
    arguments = inputs.arguments_if_any(app.settings.max_payload_bytes)
    return accepted(replay(app, task_id, arguments, idempotency_key=key, strict=True), 202)


@bp.get("/tasks/<name:task_id>/events")
def watch_task(task_id: str) -> Response:
    """The changes of one task, as server-sent events."""
    return streams.of_task(task_id, _last_event_id())


@bp.get("/tasks/<name:task_id>/logs")
def show_log(task_id: str) -> BaseResponse:
    """What a task has logged, its last lines."""
    inputs.parameters()
    found = queries.log(_app(), task_id)
    return tagged(jsonify({"lines": [line.public() for line in found.lines], "left_out": found.left_out}))


@bp.get("/events")
def watch_all() -> Response:
    """The changes of all tasks, as server-sent events."""
    return streams.of_all(_last_event_id())


@bp.get("/catalog")
def show_catalog() -> BaseResponse:
    """What can be submitted, with the schema of its arguments and of its result."""
    inputs.parameters()
    return tagged(jsonify({"tasks": [_described(spec) for spec in catalog.specs()]}))


@bp.after_request
def say_what_is_allowed(response: Response) -> Response:
    """Say in ``Allow`` what the routing cannot tell: names with slashes look like paths, and tasks like ids."""
    if request.method == "OPTIONS" and response.status_code == 200 and request.url_rule:  # noqa: PLR2004 - not refused
        allowed: Collection[str] = request.url_rule.methods or ()
        if request.endpoint in ("api.submit_task", "api.show_task", "api.cancel_task"):
            names = (request.view_args or {}).values()
            allowed = TASK_METHODS if any(map(_is_task, names)) else RECORD_METHODS
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def tagged(response: Response) -> BaseResponse:
    """The response with its ETag, or 304 without a body if the caller has the same already."""
    response.add_etag()
    return response.make_conditional(request)


def accepted(record: Record, status: int) -> Response:
    """The answer with a record: where it is looked at, and when it is worth asking again."""
    answer = jsonify(record.public())
    answer.status_code = status
    answer.headers["Location"] = record.public()["links"]["self"]
    if status == 202 and not record.finished:  # noqa: PLR2004 - the status says it
        answer.headers["Retry-After"] = str(max(POLL, math.ceil(_ahead(record))))
    return answer


def _ahead(record: Record) -> float:
    """Seconds until it is due, by the store's clock: that of this machine may say otherwise."""
    if record.due_at:
        with suppress(StoreUnavailable):  # it is accepted all the same, and a 503 would say the contrary
            return (record.due_at - _app().ledger.now()) / 1000
    return 0


def _is_task(name: str) -> bool:
    return any(spec.name == name for spec in catalog.specs())


def _refuse_task(task_id: str) -> None:
    if _is_task(task_id):
        words = (
            f"{task_id!r} is a task, and not the id of one that was submitted: POST its arguments here to submit it."
        )
        raise Refused("method-not-allowed", words, headers={"Allow": ", ".join(TASK_METHODS)})


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
        "links": {"submit": f"/api/v1/tasks/{path}", "form": f"/forms/{path}"},
    }


def _last_event_id() -> str | None:
    for given in (request.headers.get("Last-Event-ID"), inputs.parameters("last_event_id").get("last_event_id")):
        if given:
            sse.position(given)
    return streams.last_event_id()


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
