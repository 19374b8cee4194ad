"""Every call of the API but the tasks' own, as tables; a test compares them with the routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from async_tasks.submission import MAX_BATCH
from async_tasks.web.batch_records import FINISHED
from async_tasks.web.batches import NDJSON
from async_tasks.web.inputs import FILTERS
from async_tasks.web.openapi.names import reference
from async_tasks.web.openapi.parts import OF_RECORD
from async_tasks.web.openapi.schemas import Schema
from async_tasks.web.sse import MIMETYPE as EVENT_STREAM

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer that is no problem; headers and links are named as in ``parts``."""

    description: str
    media: str = JSON
    schema: Schema | None = None  # None: no body
    also: Mapping[str, Schema] = field(default_factory=dict)  # by media, where others can be asked for
    headers: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    example: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call; parameters are named as in ``parts``, problems by their slugs, without those of every call."""

    method: str
    path: str
    id: str
    tag: str
    summary: str
    description: str = ""
    parameters: tuple[str, ...] = ()
    body: Mapping[str, Any] | None = None
    answers: Mapping[int, Answer]
    problems: tuple[str, ...] = ()
    probe: bool = False  # answers everybody, and asks little of the request


#: Every operation but the probes may answer with these.
COMMON: Final = ("bad-request", "unknown-host", "internal")
#: What a submission may meet.
SUBMISSION: Final = (
    "invalid-json",
    "payload-too-large",
    "unsupported-media-type",
    "invalid-arguments",
    "invalid-option",
    "idempotency-conflict",
    "undeliverable",
    "store-unavailable",
)

#: Of them, what a batch says as ``invalid-batch``, or its tasks in their records.
_OF_ONE: Final = ("invalid-arguments", "undeliverable")

NOT_MODIFIED: Final = Answer(description="Nothing has changed.", headers=("ETag",))
_ENTRIES: Final[Schema] = {"type": "array", "items": reference("BatchEntry"), "minItems": 1, "maxItems": MAX_BATCH}
_OPTION: Final = ("invalid-option", "store-unavailable")

OPERATIONS: Final = (
    Operation(
        method="get",
        path="/api/v1/tasks",
        id="list_tasks",
        tag="Tasks",
        summary="History, newest first",
        description="Pages do not shift when tasks are submitted meanwhile. A parameter left empty is none.",
        parameters=(*FILTERS, "limit", "cursor"),
        answers={200: Answer(description="A page.", schema=reference("History"), links=("next",))},
        problems=_OPTION,
    ),
    Operation(
        method="get",
        path="/api/v1/tasks/{id}",
        id="get_task",
        tag="Tasks",
        summary="One record",
        parameters=("id", "If-None-Match"),
        answers={
            200: Answer(description="The record.", schema=reference("Record"), headers=("ETag",), links=OF_RECORD[1:]),
            304: NOT_MODIFIED,
        },
        problems=("unknown-record", "method-not-allowed", *_OPTION),
    ),
    Operation(
        method="delete",
        path="/api/v1/tasks/{id}",
        id="cancel_task",
        tag="Tasks",
        summary="Cancel",
        description="A task that waits never starts; one that runs is stopped. Its record stays.",
        parameters=("id",),
        answers={
            200: Answer(description="It never starts.", schema=reference("Record"), headers=("Location",)),
            202: Answer(
                description="It runs, and is being stopped.",
                schema=reference("Record"),
                headers=("Location", "Retry-After"),
            ),
        },
        problems=("unknown-record", "already-finished", "method-not-allowed", *_OPTION),
    ),
    Operation(
        method="post",
        path="/api/v1/tasks/{id}/replay",
        id="replay_task",
        tag="Tasks",
        summary="Run again",
        description="With the recorded arguments where the body is empty, else with those of the body, which are all. "
        "The two records name each other.",
        parameters=("id", "Idempotency-Key"),
        body={"required": False, "content": {JSON: {"schema": {"type": "object"}}}},
        answers={
            202: Answer(
                description="The new record.",
                schema=reference("Record"),
                headers=("Location", "Retry-After"),
                links=OF_RECORD,
            )
        },
        problems=("unknown-record", "unknown-task", "not-finished", *SUBMISSION),
    ),
    Operation(
        method="get",
        path="/api/v1/tasks/{id}/events",
        id="watch_task",
        tag="Events",
        summary="The changes of one task",
        description="Begins with the record as it is.",
        parameters=("id", "last_event_id", "Last-Event-ID"),
        answers={
            200: Answer(description="The stream.", media=EVENT_STREAM, schema=reference("RecordEvent")),
            204: Answer(description="Nothing is to come: the task had finished before that event."),
        },
        problems=("unknown-record", *_OPTION),
    ),
    Operation(
        method="get",
        path="/api/v1/tasks/{id}/logs",
        id="get_task_log",
        tag="Tasks",
        summary="What it has logged",
        description="The last 200 lines at most, and 64 KiB of them, oldest first.",
        parameters=("id", "If-None-Match"),
        answers={
            200: Answer(description="The lines.", schema=reference("Log"), headers=("ETag",)),
            304: NOT_MODIFIED,
        },
        problems=("unknown-record", *_OPTION),
    ),
    Operation(
        method="get",
        path="/api/v1/events",
        id="watch_all",
        tag="Events",
        summary="The changes of all tasks",
        description="It never ends by itself.",
        parameters=("last_event_id", "Last-Event-ID"),
        answers={200: Answer(description="The stream.", media=EVENT_STREAM, schema=reference("ChangeEvent"))},
        problems=_OPTION,
    ),
    Operation(
        method="post",
        path="/api/v1/actions",
        id="create_action",
        tag="Bulk actions",
        summary="Cancel or replay all that match",
        description="Dispatchers carry it out at the rate. What is submitted after this request is left alone. With "
        "`preview=true` nothing is done: the answer says what would be met.",
        parameters=("preview", "Idempotency-Key"),
        body={"required": True, "content": {JSON: {"schema": reference("ActionRequest")}}},
        answers={
            200: Answer(description="What it would meet.", schema=reference("ActionPreview")),
            202: Answer(
                description="Accepted.",
                schema=reference("Action"),
                headers=("Location", "Retry-After"),
                links=("action", "stop"),
            ),
        },
        problems=("invalid-json", "payload-too-large", "unsupported-media-type", *_OPTION),
    ),
    Operation(
        method="get",
        path="/api/v1/actions",
        id="list_actions",
        tag="Bulk actions",
        summary="The newest actions",
        answers={200: Answer(description="At most fifty, newest first.", schema=reference("Actions"))},
        problems=_OPTION,
    ),
    Operation(
        method="get",
        path="/api/v1/actions/{id}",
        id="get_action",
        tag="Bulk actions",
        summary="How far an action is",
        parameters=("id",),
        answers={200: Answer(description="The action.", schema=reference("ActionTold"))},
        problems=("unknown-action", *_OPTION),
    ),
    Operation(
        method="delete",
        path="/api/v1/actions/{id}",
        id="stop_action",
        tag="Bulk actions",
        summary="Stop an action",
        description="Nothing more of it is begun; what it has done stays done. Of one that has ended, nothing.",
        parameters=("id",),
        answers={200: Answer(description="The action as it is now.", schema=reference("ActionTold"))},
        problems=("unknown-action", *_OPTION),
    ),
    Operation(
        method="get",
        path="/api/v1/stats",
        id="get_stats",
        tag="Measures",
        summary="Rates, waiting and run times, and queues",
        description="Percentiles are at most a tenth off.",
        parameters=("period", "name"),
        answers={200: Answer(description="How it went, and how it is.", schema=reference("Stats"))},
        problems=_OPTION,
    ),
    Operation(
        method="get",
        path="/api/v1/failures",
        id="list_failures",
        tag="Measures",
        summary="Failures by cause",
        description="Failures of one type that arose in one place have one cause. The one seen last is the first.",
        parameters=("period", "name"),
        answers={200: Answer(description="What failed.", schema=reference("Failures"))},
        problems=_OPTION,
    ),
    Operation(
        method="get",
        path="/api/v1/batches",
        id="list_batches",
        tag="Batches",
        summary="Batches, newest first",
        parameters=("limit", "cursor"),
        answers={200: Answer(description="A page.", schema=reference("Batches"))},
        problems=_OPTION,
    ),
    Operation(
        method="get",
        path="/api/v1/batches/{id}",
        id="get_batch",
        tag="Batches",
        summary="How far a batch is",
        parameters=("id",),
        answers={
            200: Answer(description="It.", schema=reference("BatchRecord"), links=("tasks", "end", "results")),
        },
        problems=("unknown-batch", *_OPTION),
    ),
    Operation(
        method="delete",
        path="/api/v1/batches/{id}",
        id="end_batch",
        tag="Batches",
        summary="Cancel what has not finished",
        description="What waits never starts; what runs is stopped. Asked again, it does the same once more.",
        parameters=("id",),
        answers={
            200: Answer(description="Nothing of it runs any more.", schema=reference("BatchRecord")),
            202: Answer(description="Some runs, and is being stopped.", schema=reference("BatchRecord")),
        },
        problems=("unknown-batch", *_OPTION),
    ),
    Operation(
        method="get",
        path="/api/v1/batches/{id}/results",
        id="get_results",
        tag="Batches",
        summary="The results of a batch as a file",
        description="An entry a line, in the order of the batch, whether or not it has finished. CSV has a column for "
        "each argument and each part of a result; what a spreadsheet would take for a formula begins with `'`.",
        parameters=("id", "format"),
        answers={
            200: Answer(
                description="The file.",
                media=NDJSON,
                schema=reference("BatchEntryResult"),
                also={"text/csv": {"type": "string"}},
                headers=(FINISHED, "Content-Disposition"),
            )
        },
        problems=("unknown-batch", *_OPTION),
    ),
    Operation(
        method="get",
        path="/api/v1/catalog",
        id="get_catalog",
        tag="Catalog",
        summary="What can be submitted",
        parameters=("If-None-Match",),
        answers={
            200: Answer(description="Every task.", schema=reference("Catalog"), headers=("ETag",)),
            304: NOT_MODIFIED,
        },
        problems=("invalid-option",),
    ),
    Operation(
        method="get",
        path="/openapi.json",
        id="get_openapi",
        tag="Catalog",
        summary="This document",
        parameters=("If-None-Match",),
        answers={
            200: Answer(description="OpenAPI 3.1.", schema={"type": "object"}, headers=("ETag",)),
            304: NOT_MODIFIED,
        },
    ),
    Operation(
        method="get",
        path="/health/live",
        id="is_alive",
        tag="Health",
        summary="Whether the process serves",
        answers={200: Answer(description="It does.", schema=reference("Alive"))},
        probe=True,
    ),
    Operation(
        method="get",
        path="/health/ready",
        id="is_ready",
        tag="Health",
        summary="Whether store and broker answer",
        answers={
            200: Answer(description="They do.", schema=reference("Readiness")),
            503: Answer(description="One does not.", schema=reference("Readiness")),
        },
        probe=True,
    ),
)


def batch(entries: Sequence[Mapping[str, Any]]) -> Operation:
    """The call that submits a batch, with those entries as its example."""
    content: dict[str, Schema] = {"schema": _ENTRIES}
    if entries:
        content["examples"] = {"batch": {"summary": "Two tasks", "value": list(entries)}}
    return Operation(
        method="post",
        path="/api/v1/batches",
        id="create_batch",
        tag="Submit",
        summary="Submit a batch",
        description="All entries are validated first: one that cannot be accepted refuses the batch, and is named. "
        f"As `{NDJSON}`, an entry is a line.",
        parameters=("Idempotency-Key",),
        body={"required": True, "content": {JSON: content, NDJSON: content}},
        answers={
            202: Answer(description="Accepted.", schema=reference("Batch"), headers=("Location",), links=("batch",))
        },
        problems=("invalid-batch", *(slug for slug in SUBMISSION if slug not in _OF_ONE)),
    )
