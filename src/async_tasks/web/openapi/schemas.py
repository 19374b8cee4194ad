"""The schemas that are the same for every catalog: the record and what is made of it, batches, problems, probes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from async_tasks.ledger.record import State
from async_tasks.submission import MAX_BATCH
from async_tasks.submission.entry import FAR
from async_tasks.web.openapi.names import reference
from async_tasks.web.problems import KINDS

Schema = dict[str, Any]

TIME: Final[Schema] = {"type": "string", "format": "date-time"}
TEXT: Final[Schema] = {"type": "string"}


def nullable(schema: Schema) -> Schema:
    """The schema, or null."""
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def described(schema: Schema, text: str) -> Schema:
    """The schema with a description."""
    return {**schema, "description": text}


def of(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), **more: Any) -> Schema:
    """An object with those properties, all required but the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties, **more}


DELAY: Final[Schema] = {"type": "number", "minimum": 0, "maximum": FAR}
EXPIRES: Final[Schema] = {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": FAR}, TIME]}
PRIORITY: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": 9}

EVENT_ID: Final[Schema] = {"type": "string", "pattern": r"^([0-9]{1,15}-[0-9]{1,15})?$"}


def _event(data: str, last: str, meaning: str) -> Schema:
    # What a client makes of the lines of one event.
    content = {"type": "string", "contentMediaType": "application/json", "contentSchema": reference(data)}
    return {
        "oneOf": [
            of({"event": {"const": "change"}, "id": EVENT_ID, "data": content}, description=f"Its data is a {data}."),
            of({"event": {"const": last}, "data": {"const": "{}"}}, description=meaning),
        ]
    }


RECORD: Final[Schema] = of(
    {
        "id": TEXT,
        "name": described(TEXT, "Of the task."),
        "state": reference("State"),
        "args": described(
            {"type": "object"},
            "The arguments by name, defaults filled in; `args` and `kwargs` of a message whose names are not known.",
        ),
        "result": {"description": "What the task returned; null until then."},
        "error": nullable(reference("Error")),
        "progress": nullable(reference("Progress")),
        "attempts": described({"type": "integer", "minimum": 0}, "How often a worker started it."),
        "queue": TEXT,
        "priority": nullable(PRIORITY),
        "worker": nullable(TEXT),
        "submitted_by": nullable(TEXT),
        "submitted_at": TIME,
        "due_at": described(nullable(TIME), "Before this moment it does not run."),
        "started_at": nullable(TIME),
        "finished_at": nullable(TIME),
        "expires_at": described(nullable(TIME), "After this moment it does not start any more."),
        "parent_id": described(nullable(TEXT), "The task that sent it."),
        "replay_of": described(nullable(TEXT), "The task that was run again."),
        "batch_id": nullable(TEXT),
        "timeline": {"type": "array", "items": reference("TimelineEntry")},
        "links": of(
            {name: {"type": "string", "format": "uri-reference"} for name in ("self", "events", "page")},
        ),
    },
    description="What is known of one submission.",
)

OPTIONS: Final[Schema] = {
    "type": "object",
    "description": "How it runs, as its declaration says; null leaves it to the settings.",
}

_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}

SHARED: Final[dict[str, Schema]] = {
    "State": {
        "type": "string",
        "enum": [str(state) for state in State],
        "description": "SUCCESS, FAILURE and REVOKED are final.",
    },
    "Record": RECORD,
    "Error": of(
        {
            "type": described(TEXT, "The exception's class."),
            "message": TEXT,
            "traceback": nullable(TEXT),
            "fingerprint": described(TEXT, "The same for errors of one cause."),
        }
    ),
    "Progress": of({"done": {"type": "number"}, "total": nullable({"type": "number"}), "message": nullable(TEXT)}),
    "TimelineEntry": of(
        {"at": TIME, "event": TEXT, "worker": TEXT, "attempt": {"type": "integer"}, "detail": TEXT},
        optional=("worker", "attempt", "detail"),
    ),
    "Log": of(
        {
            "lines": {"type": "array", "items": reference("LogLine")},
            "left_out": described({"type": "integer", "minimum": 0}, "Lines that were logged and are not kept."),
        }
    ),
    "LogLine": of(
        {
            "at": TIME,
            "level": described(TEXT, "As `logging` names it, in small letters."),
            "logger": described(TEXT, "Its name; `print` for what was printed."),
            "message": TEXT,
            "attempt": described({"type": "integer", "minimum": 1}, "The run that it is of."),
        }
    ),
    "History": of(
        {
            "tasks": {"type": "array", "items": reference("Record")},
            "next_cursor": described(nullable(TEXT), "For the next page; null on the last."),
            "scanned": described({"type": "integer", "minimum": 0}, "Records that were looked at for it."),
            "searched_until": described(
                nullable(TIME), "When the last of them was submitted: how far back a search for a text has got."
            ),
        }
    ),
    "Batch": of(
        {
            "batch_id": TEXT,
            "ids": {"type": "array", "items": TEXT, "minItems": 1, "maxItems": MAX_BATCH},
        },
        description="The ids of its tasks, in the order of its entries.",
    ),
    "BatchRecord": of(
        {
            "id": TEXT,
            "names": described({"type": "array", "items": TEXT}, "Of its tasks, in the order in which they occur."),
            "file": described(nullable(TEXT), "The file that it was made of."),
            "submitted_by": nullable(TEXT),
            "submitted_at": TIME,
            "started_at": described(nullable(TIME), "When its first task started."),
            "finished_at": nullable(TIME),
            "finished": described({"type": "boolean"}, "Whether nothing of it may still run."),
            "progress": reference("Progress"),
            "states": {
                **of({str(state): _COUNT for state in State}),
                "description": "How many of its records are in each state.",
            },
            "missing": described(_COUNT, "Entries that were not accepted, as the request broke off: send it again."),
            "duplicates": described(_COUNT, "Entries for which a unique task stands that was there already."),
            "removed": described(_COUNT, "Finished records that were kept long enough."),
            "rate": described(nullable({"type": "number"}), "Tasks that finish a second, on average."),
            "expected_at": described(nullable(TIME), "When it will have finished if it goes on like that."),
            "first_failure": described(nullable(TEXT), "The id of the task that failed first."),
            "links": of(
                {name: {"type": "string", "format": "uri-reference"} for name in ("self", "results", "tasks", "page")},
            ),
        },
        description="How far a batch is.",
    ),
    "Batches": of(
        {
            "batches": {"type": "array", "items": reference("BatchRecord")},
            "next_cursor": described(nullable(TEXT), "For the next page; null on the last."),
        }
    ),
    "BatchEntryResult": of(
        {
            "index": described(_COUNT, "Its place in the batch, from 0."),
            "id": nullable(TEXT),
            "state": described(nullable(reference("State")), "Null where there is no record (any more)."),
            "args": {},
            "result": {},
            "error": nullable(reference("Error")),
        },
        description="A line of the results of a batch.",
    ),
    "Catalog": of({"tasks": {"type": "array", "items": reference("CatalogEntry")}}),
    "CatalogEntry": of(
        {
            "name": TEXT,
            "title": TEXT,
            "help": TEXT,
            "arguments": described({"type": "object"}, "JSON Schema."),
            "result": described({"type": ["object", "null"]}, "JSON Schema; null where the task does not say."),
            "options": OPTIONS,
            "links": of({name: {"type": "string", "format": "uri-reference"} for name in ("submit", "form")}),
        }
    ),
    "Alive": of({"status": {"const": "alive"}}),
    "Readiness": of(
        {
            "status": {"enum": ["ready", "unavailable"]},
            "checks": {"type": "object", "additionalProperties": TEXT},
        },
        optional=("checks",),
    ),
    "Change": of(
        {"id": TEXT, "name": TEXT, "state": reference("State"), "event": TEXT, "at": TIME, "links": {}},
        description="One change of one task.",
    ),
    "ChangeEvent": _event("Change", "lost", "What followed the last event is not kept any more: look at the history."),
    "RecordEvent": _event("Record", "end", "The state is final, and the stream ends."),
}

#: A submission of a batch, whatever its task; each task adds what its own is.
ENTRY: Final[Schema] = of(
    {
        "name": described(TEXT, "Of the task."),
        "args": described({"type": "object"}, "Its arguments by name, as its own path takes them."),
        "delay": described(DELAY, "As of one task, and so are the others."),
        "eta": TIME,
        "expires": EXPIRES,
        "priority": PRIORITY,
    },
    optional=("args", "delay", "eta", "expires", "priority"),
    **{"not": {"required": ["delay", "eta"]}},
)

PROBLEM: Final[Schema] = of(
    {
        "type": {"type": "string", "format": "uri-reference", "enum": [f"/problems/{slug}" for slug in KINDS]},
        "title": TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": described(TEXT, "What is wrong, and what would be right."),
        "instance": described(TEXT, "The path of the request."),
        "request_id": described(TEXT, "Of the request, as in the server's log."),
    },
    description="A problem document (RFC 9457).",
)

_FIELD: Final[Schema] = {"field": TEXT, "message": TEXT}
_ENTRY: Final[Schema] = {"index": {"type": "integer", "minimum": 0}, **_FIELD, "line": {"type": "integer"}}

#: What a problem has besides.
_MORE: Final[dict[str, dict[str, Schema]]] = {
    "invalid-arguments": {"errors": {"type": "array", "items": of(_FIELD)}},
    "invalid-option": {"errors": {"type": "array", "items": of(_FIELD)}},
    "invalid-batch": {"errors": {"type": "array", "items": of(_ENTRY, optional=("line",))}},
    "unknown-task": {"near": {"type": "array", "items": TEXT}},
    "unknown-record": {"id": TEXT},
    "already-finished": {"id": TEXT},
    "not-finished": {"id": TEXT},
    "undeliverable": {"id": TEXT},
    "idempotency-conflict": {"id": TEXT},
}


def pascal(slug: str) -> str:
    """``unknown-task`` as ``UnknownTask``."""
    return "".join(word.capitalize() for word in slug.split("-"))


def problems(slugs: Collection[str]) -> dict[str, Schema]:
    """A schema for each of those problems, and the one that they share."""
    found = {"Problem": PROBLEM}
    for slug in sorted(slugs):
        kind = KINDS[slug]
        own: dict[str, Schema] = {"type": {"const": f"/problems/{slug}"}, "status": {"const": kind.status}}
        found[f"{pascal(slug)}Problem"] = {
            "title": kind.title,
            "description": kind.advice,
            "allOf": [reference("Problem"), of({**own, **_MORE.get(slug, {})})],
        }
    return found
