"""The OpenAPI document of a catalog: its tables, a path for every task, and the components that they refer to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

from async_tasks.catalog import TaskSpec
from async_tasks.web.openapi import actions, measures, operating, schemas, tasks
from async_tasks.web.openapi.names import reference
from async_tasks.web.openapi.operations import COMMON, OPERATIONS, Answer, Operation, batch
from async_tasks.web.openapi.parts import HEADERS, LINKS, PARAMETERS
from async_tasks.web.openapi.schemas import pascal
from async_tasks.web.problems import KINDS, PROBLEM_JSON

#: Of a problem's answer, by its status.
PROBLEM_HEADERS: Final[Mapping[int, str]] = {401: "WWW-Authenticate", 405: "Allow", 503: "Retry-After"}

TAGS: Final = (
    ("Submit", "A path for every task, and one for many at once."),
    ("Tasks", "What was submitted."),
    ("Batches", "What was submitted together."),
    ("Bulk actions", "What is done to all that match."),
    ("Events", "Changes as they happen."),
    ("Measures", "How it goes, and what fails."),
    ("Catalog", "What can be submitted."),
    *operating.TAGS,
    ("Health", "Probes."),
)

ABOUT: Final = (
    "Submit tasks, look at them, watch, cancel and run them again. Times are UTC, RFC 3339. Every error is a problem "
    "document (RFC 9457) with a stable `type`."
)


def build(specs: Sequence[TaskSpec], *, guarded: bool) -> dict[str, Any]:
    """The document.

    Args:
        specs: the catalog.
        guarded: whether a token is set.
    """
    maker = _Maker(guarded=guarded)
    components = {
        **schemas.SHARED,
        **actions.SCHEMAS,
        **measures.SHARED,
        **operating.SCHEMAS,
        "BatchEntry": tasks.entries(specs),
    }
    paths: dict[str, dict[str, Any]] = {}
    entries: list[dict[str, Any]] = []
    for spec in specs:
        components |= tasks.components(spec)
        examples = tasks.arguments_examples(spec)
        entries += [{"name": spec.name, "args": example["value"]} for example in examples.values()][:1]
        operation = tasks.operation(spec, examples)
        paths[operation.path] = {operation.method: maker.operation(operation)}
    for operation in (*OPERATIONS, *operating.OPERATIONS, batch(entries[:2])):
        paths.setdefault(operation.path, {})[operation.method] = maker.operation(operation)
    components |= schemas.problems(maker.slugs)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "async-tasks", "version": version("async-tasks"), "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS],
        "paths": paths,
        "components": {
            "schemas": components,
            "parameters": dict(PARAMETERS),
            "headers": dict(HEADERS),
            "links": dict(LINKS),
            "responses": maker.responses,
        },
    }
    if guarded:
        document["security"] = [{"token": []}]
        document["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "ASYNC_TASKS_ADMIN_TOKEN."}
        }
    return document


class _Maker:
    """Writes operations out, and gathers the answers that they share."""

    def __init__(self, *, guarded: bool) -> None:
        self._guarded = guarded
        self.responses: dict[str, Any] = {}
        self.slugs: set[str] = set()

    def operation(self, operation: Operation) -> dict[str, Any]:
        found: dict[str, Any] = {
            "operationId": operation.id,
            "tags": [operation.tag],
            "summary": operation.summary,
        }
        if operation.description:
            found["description"] = operation.description
        if operation.parameters:
            found["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in operation.parameters]
        if operation.body:
            found["requestBody"] = operation.body
        if operation.probe and self._guarded:
            found["security"] = []
        answers = {status: _answer(answer) for status, answer in operation.answers.items()}
        by_status: dict[int, list[str]] = {}
        for slug in self._slugs(operation):
            by_status.setdefault(KINDS[slug].status, []).append(slug)
        for status, slugs in by_status.items():
            answers[status] = self._problem(status, slugs)
        found["responses"] = {str(status): answers[status] for status in sorted(answers)}
        return found

    def _slugs(self, operation: Operation) -> list[str]:
        if operation.probe:
            return ["internal"]
        slugs = [*COMMON, *operation.problems]
        if self._guarded:
            slugs.append("unauthorized")
        if self._guarded or operation.method != "get":
            slugs.append("foreign-origin")
        return [slug for slug in KINDS if slug in slugs]

    def _problem(self, status: int, slugs: Sequence[str]) -> dict[str, str]:
        name = "Or".join(pascal(slug) for slug in slugs)
        choices = [reference(f"{pascal(slug)}Problem") for slug in slugs]
        answer: dict[str, Any] = {
            "description": ". ".join(KINDS[slug].title for slug in slugs) + ".",
            "content": {PROBLEM_JSON: {"schema": choices[0] if len(choices) == 1 else {"oneOf": choices}}},
        }
        if status in PROBLEM_HEADERS:
            answer["headers"] = _references("headers", [PROBLEM_HEADERS[status]])
        self.responses[name] = answer
        self.slugs.update(slugs)
        return {"$ref": f"#/components/responses/{name}"}


def _answer(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"description": answer.description}
    if answer.headers:
        found["headers"] = _references("headers", answer.headers)
    if answer.schema is not None:
        content: dict[str, Any] = {"schema": answer.schema}
        if answer.example is not None:
            content["examples"] = {"success": answer.example}
        found["content"] = {answer.media: content} | {
            media: {"schema": schema} for media, schema in answer.also.items()
        }
    if answer.links:
        found["links"] = _references("links", answer.links)
    return found


def _references(kind: str, names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/{kind}/{name}"} for name in names}
