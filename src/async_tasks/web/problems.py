"""Errors as callers see them: problem documents (RFC 9457) for programs, pages with the same words for people.

One table says what every error is; nothing else in the web package decides on a status.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from flask import Flask, Response, current_app, g, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from async_tasks import errors
from async_tasks.web.masking import masked

logger = logging.getLogger(__name__)

PROBLEM_JSON: Final = "application/problem+json"

#: Paths whose callers are programs.
PROGRAM_PATHS: Final = ("/api/", "/health/", "/openapi.json")


class Kind(NamedTuple):
    """What is the same for every occurrence of a problem."""

    status: int
    title: str
    advice: str


#: Every problem by the last part of its type, ``/problems/<slug>``.
KINDS: Final[Mapping[str, Kind]] = {
    "bad-request": Kind(400, "The request cannot be read", "Send a well-formed HTTP request."),
    "unknown-host": Kind(
        400,
        "The host is not known",
        "Use the server's own name, or add the name to ASYNC_TASKS_ALLOWED_HOSTS.",
    ),
    "invalid-json": Kind(
        400,
        "The body is no JSON object",
        "Send the arguments as one JSON object in UTF-8, each name once, numbers finite.",
    ),
    "unauthorized": Kind(
        401, "A credential is needed", "Send the header `Authorization: Bearer <ASYNC_TASKS_ADMIN_TOKEN>`."
    ),
    "foreign-origin": Kind(
        403,
        "The request comes from another site",
        "A browser may call the API only from this server's own pages; programs need no Origin header.",
    ),
    "stale-form": Kind(
        403,
        "The form does not belong to this session",
        "Allow cookies for this server, reload the page and send the form again.",
    ),
    "not-found": Kind(404, "There is nothing here", "Look at / for pages and at /api/v1/catalog for tasks."),
    "unknown-task": Kind(404, "No such task", "GET /api/v1/catalog lists the tasks that can be submitted."),
    "unknown-record": Kind(404, "No such id", "No submission with this id was accepted, or its retention is over."),
    "unknown-action": Kind(404, "No such bulk action", "The newest 500 are remembered: look at /history/actions."),
    "unknown-batch": Kind(404, "No such batch", "No batch with this id was accepted, or its retention is over."),
    "unknown-queue": Kind(404, "No such queue", "GET /api/v1/queues lists the queues."),
    "unknown-schedule": Kind(404, "No such schedule", "GET /api/v1/schedules lists the schedules."),
    "unknown-worker": Kind(404, "No such worker", "GET /api/v1/workers lists the workers."),
    "method-not-allowed": Kind(405, "The method does not fit", "The Allow header names the methods that do."),
    "already-finished": Kind(
        409, "The task has already finished", "A final state never changes; submit the task again."
    ),
    "not-finished": Kind(409, "The task has not finished", "Wait for its end, or cancel it, and then run it again."),
    "payload-too-large": Kind(
        413, "The body is too large", "Pass a reference (a path, a URL, a key) instead of the data itself."
    ),
    "uri-too-long": Kind(
        414, "The request line is too long", "Ask for less in one query; send what is long in a body."
    ),
    "unsupported-media-type": Kind(
        415, "The body's type is not taken", "Send JSON with the header `Content-Type: application/json`."
    ),
    "invalid-arguments": Kind(
        422, "The arguments do not fit the task", "`errors` names each field and says what would be right."
    ),
    "invalid-option": Kind(
        422, "An option cannot be used", "`errors` names the query parameter or header and what would be right."
    ),
    "invalid-batch": Kind(
        422, "An entry of the batch cannot be accepted", "`errors` names each entry by its index; none was accepted."
    ),
    "idempotency-conflict": Kind(
        422,
        "The idempotency key belongs to another submission",
        "Send a new key with every new submission, and the same key only to repeat one.",
    ),
    "headers-too-large": Kind(431, "The headers are too large", "Send fewer or shorter headers and cookies."),
    "internal": Kind(500, "Something went wrong here", "The server's log has the details under the request id."),
    "undeliverable": Kind(
        503, "No queue takes the task", "Start a worker for the task's queue, or correct the queue's name."
    ),
    "store-unavailable": Kind(503, "The store did not answer in time", "Ask again later."),
    "broker-unavailable": Kind(503, "The broker did not answer in time", "Ask again later."),
}

#: From the class of an error to its slug; the first that fits counts.
BY_ERROR: Final[tuple[tuple[type[errors.AsyncTasksError], str], ...]] = (
    (errors.UnknownTask, "unknown-task"),
    (errors.InvalidArguments, "invalid-arguments"),
    (errors.InvalidBatch, "invalid-batch"),
    (errors.InvalidOption, "invalid-option"),
    (errors.IdempotencyConflict, "idempotency-conflict"),
    (errors.PayloadTooLarge, "payload-too-large"),
    (errors.Undeliverable, "undeliverable"),
    (errors.UnknownRecord, "unknown-record"),
    (errors.UnknownAction, "unknown-action"),
    (errors.UnknownBatch, "unknown-batch"),
    (errors.AlreadyFinished, "already-finished"),
    (errors.NotFinished, "not-finished"),
    (errors.UnknownQueue, "unknown-queue"),
    (errors.UnknownSchedule, "unknown-schedule"),
    (errors.UnknownWorker, "unknown-worker"),
    (errors.StoreUnavailable, "store-unavailable"),
    (errors.BrokerUnavailable, "broker-unavailable"),
)

#: What Flask and Werkzeug raise themselves, by status.
BY_STATUS: Final[Mapping[int, str]] = {
    404: "not-found",
    405: "method-not-allowed",
    413: "payload-too-large",
    415: "unsupported-media-type",
}

RETRY_AFTER: Final = "2"


class Refused(errors.AsyncTasksError):
    """Raised by the web package itself for what is no error of a submission or a record."""

    def __init__(self, slug: str, detail: str = "", *, headers: Mapping[str, str] | None = None) -> None:
        self.slug = slug
        self.headers = dict(headers or {})
        super().__init__(detail or KINDS[slug].advice)


def install(app: Flask) -> None:
    """Answer every error of ``app`` as a problem."""
    app.register_error_handler(Exception, _on_error)


def wants_json() -> bool:
    """Whether the caller of the current request is a program."""
    return request.path.startswith(PROGRAM_PATHS)


def describe(error: Exception) -> tuple[dict[str, Any], dict[str, str]]:
    """The problem document of ``error`` and the headers that go with it; never a traceback or a secret."""
    slug, detail, headers = _classify(error)
    kind = KINDS[slug]
    problem: dict[str, Any] = {
        "type": f"/problems/{slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail or kind.advice,
        "instance": masked(request.path),
        "request_id": g.get("request_id"),
    }
    match error:
        case errors.InvalidArguments() | errors.InvalidBatch():
            problem["errors"] = error.problems
        case errors.InvalidOption():
            problem["errors"] = [{"field": error.option, "message": error.message}]
        case errors.UnknownTask():
            problem["near"] = error.near
        case errors.RecordError() | errors.Undeliverable() | errors.IdempotencyConflict():
            problem["id"] = error.task_id
    return problem, headers


def _classify(error: Exception) -> tuple[str, str, dict[str, str]]:
    match error:
        case Refused():
            return error.slug, str(error), error.headers
        case errors.Unavailable():
            # Its words may name hosts: they are for the log.
            logger.warning("%s %s: %s", request.method, masked(request.path), error)
            return _slug(error), "", {"Retry-After": RETRY_AFTER}
        case errors.AsyncTasksError() if slug := _slug(error):
            return slug, str(error), {}
        case HTTPException(code=int(code)) if 400 <= code < 500:  # noqa: PLR2004 - the class of statuses
            answered = error.get_response().headers
            kept = {name: answered[name] for name in ("Allow", "Retry-After") if name in answered}
            return BY_STATUS.get(code, "bad-request"), "", kept
    logger.error(
        "%s %s failed; request id %s",
        request.method,
        masked(request.path),
        g.get("request_id"),
        exc_info=error,
    )
    return "internal", "", {}


def _slug(error: errors.AsyncTasksError) -> str:
    return next((slug for kind, slug in BY_ERROR if isinstance(error, kind)), "")


def _on_error(error: Exception) -> BaseResponse | HTTPException:
    if isinstance(error, HTTPException) and (error.response or (error.code or 0) < 400):  # noqa: PLR2004
        return error  # a redirect, or an answer that somebody has made already
    problem, headers = describe(error)
    if wants_json():
        response = Response(current_app.json.dumps(problem), problem["status"], mimetype=PROBLEM_JSON)
    else:
        page = render_template("error.html", problem=problem, advice=KINDS[_last(problem["type"])].advice)
        response = Response(page, problem["status"])
    response.headers.update(headers)
    return response


def _last(path: str) -> str:
    return path.rpartition("/")[2]
