"""Parameters, headers and links, which operations name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from async_tasks.ledger.record import State
from async_tasks.measures import PERIODS
from async_tasks.web import inputs
from async_tasks.web.api import MAX_LIMIT, MAX_WAIT
from async_tasks.web.batch_records import FINISHED, FORMATS
from async_tasks.web.openapi.schemas import DELAY, EVENT_ID, EXPIRES, PRIORITY, TEXT, TIME, Schema


def _query(name: str, schema: Schema, description: str, **more: Any) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": description, **more}


def _header(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "header", "schema": schema, "description": description}


_SINCE: Final[Schema] = {"anyOf": [TIME, {"type": "integer", "minimum": -(10**15) + 1, "maximum": 10**15 - 1}]}

#: By the name that operations use.
PARAMETERS: Final[Mapping[str, Schema]] = {
    "id": {"name": "id", "in": "path", "required": True, "schema": TEXT, "description": "Of what the path names."},
    "part": {"name": "name", "in": "path", "required": True, "schema": TEXT, "description": "Of what is meant."},
    "preview": _query("preview", {"type": "boolean"}, "Only say what it would meet.", allowEmptyValue=True),
    "delay": _query("delay", DELAY, "Seconds before which it is not to run."),
    "eta": _query("eta", TIME, "The same as a moment, within ten years; not together with `delay`."),
    "expires": _query("expires", EXPIRES, "Seconds, or a moment, after which it is not to start any more."),
    "priority": _query(
        "priority", PRIORITY, "0 (normal) to 9 (most urgent); refused where the broker knows no priorities."
    ),
    "wait": _query(
        "wait",
        {"type": "number", "minimum": 0, "maximum": MAX_WAIT},
        "Seconds to hold the answer for the end of the task: 200 when it came, else 202.",
    ),
    "state": _query("state", {"enum": [str(state) for state in State]}, "Only tasks in it.", allowEmptyValue=True),
    "name": _query("name", TEXT, "Only submissions of that task."),
    "queue": _query("queue", TEXT, "Only tasks of that queue."),
    "worker": _query("worker", TEXT, "Only tasks that this worker was the last to start."),
    "submitted_by": _query("submitted_by", TEXT, "Only tasks of that submitter."),
    "fingerprint": _query("fingerprint", TEXT, "Only tasks that ended with an error of that fingerprint."),
    "period": _query(
        "period",
        {"enum": list(PERIODS)},
        "Up to now, in minutes, tens of minutes, or hours. None: the last hour; of failures, the last day.",
        allowEmptyValue=True,
    ),
    "batch_id": _query("batch_id", TEXT, "Only tasks of that batch."),
    "q": _query("q", TEXT, "Only tasks with that text in arguments, result or error, whatever the case."),
    "since": _query("since", _SINCE, "Not older: a moment, or milliseconds since 1970.", allowEmptyValue=True),
    "until": _query("until", _SINCE, "Not newer: a moment, or milliseconds since 1970.", allowEmptyValue=True),
    "limit": _query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 50},
        "At most so many.",
        allowEmptyValue=True,
    ),
    "cursor": _query("cursor", TEXT, "`next_cursor` of the page before, unchanged."),
    "format": _query("format", {"enum": list(FORMATS), "default": "ndjson"}, "Of the file.", allowEmptyValue=True),
    "last_event_id": _query("last_event_id", EVENT_ID, "As the header, for clients that can set none."),
    "Last-Event-ID": _header("Last-Event-ID", EVENT_ID, "The last event that came: what followed it is sent."),
    "Idempotency-Key": _header(
        "Idempotency-Key",
        {"type": "string", "pattern": f"^{inputs.IDEMPOTENCY_KEY}$"},
        "The same request with the same key again answers what it answered first, and submits nothing.",
    ),
    "If-None-Match": _header("If-None-Match", TEXT, "An `ETag`: 304 if nothing has changed since."),
}

#: Of answers.
HEADERS: Final[Mapping[str, Schema]] = {
    "Location": {
        "description": "Where what was submitted is looked at.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "ETag": {
        "description": "Of this very representation, for `If-None-Match`.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[^"]+"$'},
    },
    "Retry-After": {
        "description": "Seconds after which it is worth asking again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Allow": {"description": "The methods that fit.", "required": True, "schema": TEXT},
    FINISHED: {
        "description": "Whether the batch had finished when the file began.",
        "required": True,
        "schema": {"enum": ["true", "false"]},
    },
    "Content-Disposition": {"description": "A name for the file.", "required": True, "schema": TEXT},
    "WWW-Authenticate": {"description": "The scheme, `Bearer`.", "required": True, "schema": TEXT},
}


def _link(operation: str, **parameters: str) -> Schema:
    return {"operationId": operation, "parameters": parameters}


#: From an answer to what can be asked next.
LINKS: Final[Mapping[str, Schema]] = {
    "record": _link("get_task", id="$response.body#/id"),
    "cancel": _link("cancel_task", id="$response.body#/id"),
    "replay": _link("replay_task", id="$response.body#/id"),
    "events": _link("watch_task", id="$response.body#/id"),
    "batch": _link("get_batch", id="$response.body#/batch_id"),
    "tasks": _link("list_tasks", batch_id="$response.body#/id"),
    "end": _link("end_batch", id="$response.body#/id"),
    "results": _link("get_results", id="$response.body#/id"),
    "action": _link("get_action", id="$response.body#/id"),
    "stop": _link("stop_action", id="$response.body#/id"),
    "next": _link("list_tasks", cursor="$response.body#/next_cursor"),
}
OF_RECORD: Final = ("record", "cancel", "replay", "events")
