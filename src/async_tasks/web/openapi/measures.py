"""The schemas of what is measured."""

from __future__ import annotations

from typing import Final

from async_tasks.measures import PARTS, PERIODS
from async_tasks.web.openapi.names import reference
from async_tasks.web.openapi.schemas import TEXT, TIME, Schema, described, nullable, of

_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_LINK: Final[Schema] = {"type": "string", "format": "uri-reference"}

#: Of what time and which tasks it tells.
_FRAME: Final[dict[str, Schema]] = {
    "period": {"enum": list(PERIODS)},
    "name": described(nullable(TEXT), "Of the task; null: of all."),
    "since": TIME,
    "until": TIME,
    "bucket": described({"type": "integer"}, "Seconds that each entry of a series stands for; the last is still open."),
}

_TOTALS: Final[dict[str, Schema]] = {
    "submitted": _COUNT,
    "started": described(_COUNT, "Attempts."),
    "succeeded": _COUNT,
    "failed": _COUNT,
    "revoked": described(_COUNT, "Cancelled, or expired."),
    "retried": described(_COUNT, "Attempts that failed, and were followed by another."),
    "failure_rate": described(
        nullable({"type": "number", "minimum": 0, "maximum": 1}),
        "The part that failed of what succeeded or failed; null where nothing did.",
    ),
    "wait": described(reference("Percentiles"), "From when a task could run to its start, of every attempt."),
    "run": described(reference("Percentiles"), "From the last start to the end."),
}

SHARED: Final[dict[str, Schema]] = {
    "Percentiles": of(
        {part: nullable({"type": "number", "minimum": 0}) for part in PARTS},
        description="Seconds within which so many lie; null where there are none.",
    ),
    "Stats": of(
        {
            **_FRAME,
            "totals": of(_TOTALS),
            "now": of(
                {
                    "running": _COUNT,
                    "waiting": {"type": "object", "additionalProperties": _COUNT, "description": "In each queue."},
                    "due": described(_COUNT, "Delayed, to be tried again, or on the way to a queue."),
                },
                description="Of all tasks.",
            ),
            "series": {
                "type": "array",
                "items": of(
                    {
                        "at": TIME,
                        **_TOTALS,
                        "depth": {
                            "type": "object",
                            "additionalProperties": nullable(_COUNT),
                            "description": "How many waited in each queue at most; null where nobody looked.",
                        },
                    }
                ),
            },
            "tasks": described({"type": "array", "items": of({"name": TEXT, **_TOTALS})}, "By name."),
        },
    ),
    "Failures": of({**_FRAME, "failures": {"type": "array", "items": reference("FailureGroup")}}),
    "FailureGroup": of(
        {
            "fingerprint": TEXT,
            "type": described(TEXT, "The exception's class."),
            "message": described(TEXT, "Of the newest."),
            "where": described(nullable(TEXT), "File, line and function of the newest; null: it arose in no code."),
            "count": _COUNT,
            "tasks": {"type": "object", "additionalProperties": _COUNT, "description": "How many of each task."},
            "first_seen": described(TIME, "Of all that are known, as of any time."),
            "last_seen": TIME,
            "series": {"type": "array", "items": _COUNT},
            "links": of(dict.fromkeys(("example", "tasks", "page"), _LINK)),
        },
        description="Failures of one type that arose in one place.",
    ),
}
