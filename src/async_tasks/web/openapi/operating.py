"""What operators see and command: workers, queues, limits, schedules; tables as in ``operations`` and ``schemas``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from async_tasks.catalog import limits
from async_tasks.web.openapi.names import reference
from async_tasks.web.openapi.operations import JSON, Answer, Operation
from async_tasks.web.openapi.parts import OF_RECORD
from async_tasks.web.openapi.schemas import TEXT, TIME, Schema, described, nullable, of

_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_RATE: Final[Schema] = described(nullable({"type": "string", "pattern": limits.PATTERN}), "How many may start: 10/m.")
_SLOTS: Final[Schema] = described(nullable({"type": "integer", "minimum": 1, "maximum": 100_000}), "Running at a time.")
_LIMIT: Final[dict[str, Schema]] = {"rate_limit": _RATE, "concurrency": _SLOTS}
_WHO: Final[dict[str, Schema]] = {"at": TIME, "by": nullable(TEXT)}
_PAUSED: Final = described(nullable(of(_WHO)), "Since when, and by whom; null while it goes on.")


def _list_of(name: str, member: str) -> Schema:
    return of({member: {"type": "array", "items": reference(name)}})


SCHEMAS: Final[Mapping[str, Schema]] = {
    "Worker": of(
        {
            "name": TEXT,
            "state": {"enum": ["busy", "idle", "stopping", "lost"]},
            "host": TEXT,
            "pid": _COUNT,
            "version": TEXT,
            "pool": TEXT,
            "size": described(_COUNT, "Tasks that it runs at a time."),
            "queues": {"type": "array", "items": TEXT},
            "memory": described(nullable({"type": "integer"}), "Bytes, of its main process and its pool's."),
            "running": {
                "type": "array",
                "items": of({"id": TEXT, "name": TEXT, "queue": TEXT, "attempt": _COUNT, "started_at": TIME}),
            },
            "done": described({"type": "integer"}, "Tasks since it started."),
            "dispatcher": described({"type": "boolean"}, "Whether its dispatcher runs."),
            "started_at": TIME,
            "heard_at": TIME,
        }
    ),
    "Workers": _list_of("Worker", "workers"),
    "Queue": of(
        {
            "name": TEXT,
            "paused": _PAUSED,
            "waiting": _COUNT,
            "held": described(_COUNT, "Of those that wait: their message was taken, and they may not start yet."),
            "oldest_waits_since": nullable(TIME),
            "running": _COUNT,
            "broker": described(
                nullable(of({"messages": _COUNT, "at": TIME})),
                "Its messages as a dispatcher saw them last; one looks when something waits for longer than 5 s.",
            ),
            "consumers": described({"type": "array", "items": TEXT}, "Workers that consume it when it is not paused."),
        }
    ),
    "Queues": _list_of("Queue", "queues"),
    "Purged": of({"purged": _COUNT, "more": described({"type": "boolean"}, "Whether dispatchers go on.")}),
    "Limit": of(
        {
            "name": described(TEXT, "Of the task."),
            **_LIMIT,
            "declared": nullable(of(_LIMIT)),
            "set": described(nullable(of({**_LIMIT, **_WHO})), "By an operator, in place of what is declared."),
            "running": described(_COUNT, "Slots that are taken up, where there is a limit of concurrency."),
            "waiting": described(_COUNT, "Held for the limit."),
        }
    ),
    "Limits": _list_of("Limit", "limits"),
    "Schedule": of(
        {
            "name": described(TEXT, "Of the task."),
            "cron": nullable(TEXT),
            "every": described(nullable({"type": "number"}), "Seconds."),
            "timezone": nullable(TEXT),
            "missed": {"enum": ["skip", "once", "all"]},
            "arguments": {"type": "object"},
            "words": TEXT,
            "paused": _PAUSED,
            "next_at": described(nullable(TIME), "Null while it is paused, or until a worker has seen it."),
            "last": nullable(of({"id": TEXT, "state": reference("State"), "submitted_at": TIME})),
        }
    ),
    "Schedules": _list_of("Schedule", "schedules"),
}

_READ: Final = ("invalid-option", "store-unavailable")
_OF_QUEUE: Final = ("unknown-queue", *_READ)
_OF_SCHEDULE: Final = ("unknown-schedule", *_READ)


def _listed(what: str, tag: str, summary: str, description: str = "") -> Operation:
    return Operation(
        method="get",
        path=f"/api/v1/{what}",
        id=f"list_{what}",
        tag=tag,
        summary=summary,
        description=description,
        answers={200: Answer(description="All of them.", schema=reference(what.capitalize()))},
        problems=_READ,
    )


def _commanded(what: str, verb: str, summary: str, description: str, answer: str) -> Operation:
    return Operation(
        method="post",
        path=f"/api/v1/{what}s/{{name}}/{verb}",
        id=f"{verb}_{what}",
        tag=f"{what.capitalize()}s",
        summary=summary,
        description=description,
        parameters=("part",),
        answers={200: Answer(description="Done.", schema=reference(answer))},
        problems=_OF_QUEUE if what == "queue" else _OF_SCHEDULE,
    )


OPERATIONS: Final = (
    _listed("workers", "Workers", "Who is there", "Those that were heard of within the hour, lost ones among them."),
    _listed("queues", "Queues", "What waits"),
    _commanded("queue", "pause", "Pause a queue", "Nothing of it starts from now on, on any worker.", "Queue"),
    _commanded("queue", "resume", "Let a queue go on", "", "Queue"),
    _commanded("queue", "purge", "Purge a queue", "Revokes what waits in it at this moment.", "Purged"),
    _listed("limits", "Queues", "Limits of tasks", "They hold over all workers together."),
    Operation(
        method="put",
        path="/api/v1/limits/{name}",
        id="set_limit",
        tag="Queues",
        summary="Limit a task",
        description="In place of what it declares; what is null or left out is not limited.",
        parameters=("part",),
        body={
            "required": True,
            "content": {JSON: {"schema": of(_LIMIT, optional=tuple(_LIMIT), additionalProperties=False)}},
        },
        answers={200: Answer(description="As it is now.", schema=reference("Limit"))},
        problems=("unknown-task", "invalid-json", "payload-too-large", "unsupported-media-type", *_READ),
    ),
    Operation(
        method="delete",
        path="/api/v1/limits/{name}",
        id="unset_limit",
        tag="Queues",
        summary="Limit a task as it declares",
        parameters=("part",),
        answers={200: Answer(description="As it is now.", schema=reference("Limit"))},
        problems=("unknown-task", *_READ),
    ),
    _listed("schedules", "Schedules", "What is submitted by itself"),
    _commanded("schedule", "pause", "Pause a schedule", "It submits nothing until it is resumed.", "Schedule"),
    _commanded("schedule", "resume", "Let a schedule go on", "What fell into the pause is not run.", "Schedule"),
    Operation(
        method="post",
        path="/api/v1/schedules/{name}/run",
        id="run_schedule",
        tag="Schedules",
        summary="Run a schedule now",
        description="Submits the task with the schedule's arguments; its next run stays as it is.",
        parameters=("part", "Idempotency-Key"),
        answers={
            202: Answer(
                description="Accepted.",
                schema=reference("Record"),
                headers=("Location", "Retry-After"),
                links=OF_RECORD,
            )
        },
        problems=("unknown-schedule", "idempotency-conflict", "undeliverable", *_READ),
    ),
)

TAGS: Final = (
    ("Workers", "Who runs what."),
    ("Queues", "What waits, and what limits it."),
    ("Schedules", "What is submitted by itself."),
)
