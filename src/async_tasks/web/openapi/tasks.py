"""A task's own path, its schemas and its examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from async_tasks.catalog import TaskSpec
from async_tasks.web.openapi.names import adopted, component, encode, reference
from async_tasks.web.openapi.operations import JSON, SUBMISSION, Answer, Operation
from async_tasks.web.openapi.parts import OF_RECORD
from async_tasks.web.openapi.samples import sample
from async_tasks.web.openapi.schemas import ENTRY, Schema, nullable

PARAMETERS: Final = ("delay", "eta", "expires", "priority", "wait", "Idempotency-Key")

_ID: Final = "019aab7e-7e3b-7c55-9c0f-4a2f6b1d8e90"

#: A record that has succeeded, to be filled in.
_SUCCESS: Final[Mapping[str, Any]] = {
    "id": _ID,
    "name": "",
    "state": "SUCCESS",
    "args": {},
    "result": None,
    "error": None,
    "progress": None,
    "attempts": 1,
    "queue": "celery_see",
    "priority": None,
    "worker": "celery@host",
    "submitted_by": None,
    "submitted_at": "2026-11-22T12:00:00.123Z",
    "due_at": None,
    "started_at": "2026-11-22T12:00:00.131Z",
    "finished_at": "2026-11-22T12:00:00.135Z",
    "expires_at": None,
    "parent_id": None,
    "replay_of": None,
    "batch_id": None,
    "timeline": [
        {"at": "2026-11-22T12:00:00.123Z", "event": "submitted"},
        {"at": "2026-11-22T12:00:00.131Z", "event": "started", "worker": "celery@host", "attempt": 1},
        {"at": "2026-11-22T12:00:00.135Z", "event": "succeeded", "worker": "celery@host", "attempt": 1},
    ],
    "links": {"self": f"/api/v1/tasks/{_ID}", "events": f"/api/v1/tasks/{_ID}/events", "page": f"/tasks/{_ID}"},
}


def components(spec: TaskSpec) -> dict[str, Schema]:
    """The task's schemas: its arguments, its result, and its record, each with what it refers to."""
    found = adopted(spec.arguments_schema(), spec.name, "Arguments")
    result: Schema = {}
    if (schema := spec.result_schema()) is not None:
        found |= adopted(schema, spec.name, "Result")
        result = nullable(reference(component(spec.name, "Result")))
    narrowed = {"name": {"const": spec.name}, "result": {**result, "description": "Null until it has succeeded."}}
    found[component(spec.name, "Record")] = {
        "allOf": [reference("Record"), {"type": "object", "properties": narrowed}],
        "description": f"What is known of one submission of {spec.name}.",
    }
    found[component(spec.name, "Entry")] = _entry(spec)
    return found


def entries(specs: Sequence[TaskSpec]) -> Schema:
    """An entry of a batch: what all have, and what is each task's own."""
    names = {spec.name: reference(component(spec.name, "Entry")) for spec in specs}
    mapping = {name: schema["$ref"] for name, schema in names.items()}
    own = {"oneOf": list(names.values()), "discriminator": {"propertyName": "name", "mapping": mapping}}
    return {**ENTRY, **(own if specs else {})}


def _entry(spec: TaskSpec) -> Schema:
    own = {"name": {"const": spec.name}, "args": reference(component(spec.name, "Arguments"))}
    return {
        "type": "object",
        "required": ["name", "args"] if spec.arguments_schema().get("required") else ["name"],
        "properties": {name: own.get(name, {}) for name in ENTRY["properties"]},
        "additionalProperties": False,
    }


def operation(spec: TaskSpec, examples: Mapping[str, Any]) -> Operation:
    """The call that submits the task, with those examples of its arguments."""
    schema = spec.arguments_schema()
    content: dict[str, Any] = {"schema": reference(component(spec.name, "Arguments"))}
    if examples:
        content["examples"] = examples
    record = reference(component(spec.name, "Record"))
    return Operation(
        method="post",
        path=f"/api/v1/tasks/{quote(spec.name, safe='')}",
        id=f"submit_{encode(spec.name)}",
        tag="Submit",
        summary=spec.title,
        description=spec.help,
        parameters=PARAMETERS,
        body={"required": bool(schema.get("required")), "content": {JSON: content}},
        answers={
            200: Answer(
                description="It finished within `wait`.",
                schema=record,
                headers=("Location",),
                links=OF_RECORD,
                example=_record_example(spec, examples),
            ),
            202: Answer(description="Accepted.", schema=record, headers=("Location", "Retry-After"), links=OF_RECORD),
        },
        problems=SUBMISSION,
    )


def arguments_examples(spec: TaskSpec) -> dict[str, Any]:
    """Arguments that the task accepts: all of them, and only those that it requires; none where none were found."""
    found: dict[str, Any] = {}
    for name, summary, whole in (("all", "Every argument", True), ("required", "What is required", False)):
        try:
            value = sample(spec.arguments_schema(), whole=whole)
            spec.validate(value, strict=True)
        except Exception:  # noqa: BLE001, S112 - a validator of the task's own may raise whatever it likes
            continue
        if all(example["value"] != value for example in found.values()):
            found[name] = {"summary": summary, "value": value}
    return found


def _record_example(spec: TaskSpec, examples: Mapping[str, Any]) -> dict[str, Any] | None:
    schema = spec.result_schema()
    if not examples or schema is None:
        return None
    try:
        result = sample(schema)
        spec.dump_result(result)
        args = spec.validate(next(iter(examples.values()))["value"])
    except Exception:  # noqa: BLE001 - as above
        return None
    value = {**_SUCCESS, "name": spec.name, "args": args, "result": result}
    return {"summary": "Its form; the values are made up", "value": value}
