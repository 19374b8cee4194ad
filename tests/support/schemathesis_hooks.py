"""What a schema cannot say of our API, said to schemathesis; it imports this by its configuration."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import schemathesis
from hypothesis import strategies
from schemathesis.openapi.checks import RejectedPositiveData

#: Longest that an answer is held back here: a task that is due in years would use up the time of the run.
WAIT = 0.1

#: Entries of a batch here; one of the largest would keep the worker busy for the rest of the run.
BATCH = 50

#: Bulk actions hardly begin here.
SLOWEST: Final = 0.1


# Names that no mail reaches are refused, such as those below .test and .example.
schemathesis.openapi.format(
    "email", strategies.from_regex(r"[a-z0-9]{1,20}@[a-z]{1,20}\.(com|org|net)", fullmatch=True)
)


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context: Any, value: Any) -> bytes | None:
    """An entry a line; what is no list is sent as it is, to be refused."""
    if isinstance(value, bytes):
        return value
    lines = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(line) for line in lines).encode()


@schemathesis.deserializer("application/x-ndjson")
def first_entry(_context: Any, response: Any) -> Any:
    """The schema is an entry's; one is in every batch."""
    return json.loads(response.content.partition(b"\n")[0])


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: dict[str, Any]) -> None:
    """Keep valid requests valid in what OpenAPI has no words for."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    query, headers = case.query or {}, case.headers or {}
    _choose_a_moment(query)
    with suppress(KeyError, ValueError):
        query["wait"] = min(float(query["wait"]), WAIT)
    # Any text is a cursor to the schema, and few are ours.
    if "cursor" in query and not _is_cursor(query["cursor"]):
        del query["cursor"]
    # The same key with another body is refused, which no schema can tell.
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = case.id
    # Whatever has finished would be run again, and that again.
    if isinstance(case.body, dict) and case.operation.definition.raw.get("operationId") == "create_action":
        case.body["rate"] = SLOWEST
    if isinstance(case.body, list):
        case.body = case.body[:BATCH]
    for entry in case.body if isinstance(case.body, list) else ():
        if isinstance(entry, dict):
            _choose_a_moment(entry)


@schemathesis.hook
def filter_failure(_context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Keep every failure but one: which arguments a task takes that is run again depends on its id."""
    is_replay = case.operation.definition.raw.get("operationId") == "replay_task"
    return not (is_replay and isinstance(failure, RejectedPositiveData) and response.status_code == 422)


def _is_cursor(text: Any) -> bool:
    # Of tasks a number, of batches a time and an id.
    return re.fullmatch(r"[0-9]{1,15}(-.*)?", str(text)) is not None


def _choose_a_moment(options: dict[str, Any]) -> None:
    # One of the two, which OpenAPI cannot say of a query; and within ten years, which JSON Schema cannot say.
    if "delay" in options:
        options.pop("eta", None)
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for name in ("eta", "expires"):
        if isinstance(options.get(name), str):
            options[name] = soon
