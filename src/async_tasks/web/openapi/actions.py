"""The schemas of bulk actions."""

from __future__ import annotations

from typing import Any, Final, get_args

from async_tasks.ledger.actions import Kind, Status
from async_tasks.ledger.record import State
from async_tasks.submission.bulk import FASTEST, MAX_IDS, RATE, SLOWEST
from async_tasks.web.filters import EARLIEST, LATEST
from async_tasks.web.openapi.names import reference
from async_tasks.web.openapi.schemas import TEXT, TIME, Schema, described, nullable, of

_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_COUNTS: Final[Schema] = {"type": "object", "additionalProperties": _COUNT}
_KIND: Final[Schema] = {"enum": list(get_args(Kind))}
_RATE: Final[Schema] = {"type": "number", "minimum": SLOWEST, "maximum": FASTEST, "default": RATE}
_TEXTS: Final = ("name", "queue", "worker", "submitted_by", "batch_id", "fingerprint", "q")


def _filter(moment: Schema) -> Schema:
    properties: dict[str, Schema] = {
        "state": {"enum": [str(state) for state in State]},
        **{name: {**TEXT, "pattern": r"\S"} for name in _TEXTS},
        "since": moment,
        "until": moment,
    }
    return of(properties, optional=tuple(properties), additionalProperties=False)


_MOMENT: Final[Schema] = {
    "anyOf": [
        TIME,
        {"type": "integer", "minimum": EARLIEST, "maximum": LATEST},
        described({"type": "string", "pattern": "^-[0-9]{1,5}[mhd]$"}, "So long ago: `-30m`, `-24h`, `-7d`."),
    ]
}

_ACTION: Final[dict[str, Schema]] = {
    "id": TEXT,
    "action": _KIND,
    "filter": described(_filter(TIME), "Which tasks; none submitted after the request."),
    "rate": _RATE,
    "requested_by": nullable(TEXT),
    "requested_at": TIME,
    "state": {"enum": list(get_args(Status))},
    "matched": described(_COUNT, "How many matched as it was asked for."),
    "eligible": described(_COUNT, "Of those, with how many it could be done."),
    "done": _COUNT,
    "skipped": described(_COUNTS, "How many it was not meant for, by the reason."),
    "failed": described(_COUNTS, "How many it could not be done with, by the reason."),
    "finished_at": nullable(TIME),
    "links": of({name: {"type": "string", "format": "uri-reference"} for name in ("self", "page")}),
}

SCHEMAS: Final[dict[str, Any]] = {
    "ActionRequest": of(
        {
            "action": described(_KIND, "`cancel` leaves alone what has finished, `replay` what has not."),
            "filter": described(_filter(_MOMENT), "As the parameters of the history; `{}` means every task."),
            "ids": {"type": "array", "items": TEXT, "minItems": 1, "maxItems": MAX_IDS},
            "rate": described(_RATE, "How many in a second, at most."),
        },
        optional=("filter", "ids", "rate"),
        additionalProperties=False,
        oneOf=[{"required": ["filter"]}, {"required": ["ids"]}],
    ),
    "ActionPreview": of(
        {
            "action": _KIND,
            "filter": _filter(TIME),
            "rate": _RATE,
            "matched": _COUNT,
            "eligible": _COUNT,
            "exact": described({"type": "boolean"}, "Otherwise there are more: a search for a text takes time."),
        }
    ),
    "Action": of(_ACTION),
    "Actions": of({"actions": {"type": "array", "items": reference("Action")}}),
    "ActionTold": of(
        {
            **_ACTION,
            "problems": described(
                {"type": "array", "items": of({"id": TEXT, "reason": TEXT}), "maxItems": 100},
                "Of those that failed, the last.",
            ),
        }
    ),
}
