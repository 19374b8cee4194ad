"""An OpenAPI document as the page ``/docs`` shows it: calls in groups, schemas as rows."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from async_tasks.web.batches import NDJSON
from async_tasks.web.openapi.names import BETWEEN, SCHEMAS

#: How deep the rows of a schema go; what is deeper is in the document.
_DEPTH: Final = 4

#: Keywords in words.
_LIMITS: Final[Mapping[str, str]] = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "{} characters or more",
    "maxLength": "{} characters or fewer",
    "pattern": "matches {}",
    "minItems": "{} items or more",
    "maxItems": "{} items or fewer",
    "uniqueItems": "each once",
    "default": "default {}",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One property, or what stands in its place."""

    name: str
    kind: str
    required: bool
    text: str
    limits: str


@dataclass(frozen=True, slots=True)
class Example:
    """A call that can be made as it stands. ``command`` begins after the server's address."""

    title: str
    options: str
    path: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One status."""

    status: str
    text: str
    media: str
    headers: Sequence[str]
    problems: Sequence[str]  # slugs
    schema: str  # its name among the shared ones, or ""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation."""

    id: str
    method: str
    path: str
    title: str
    text: str
    parameters: Sequence[tuple[str, str]]  # where it goes, and its name
    body: Sequence[Row]
    body_needed: bool
    medias: Sequence[str]
    result: str  # of a task, in words; "" elsewhere
    examples: Sequence[Example]
    answers: Sequence[Answer]


def groups(document: Mapping[str, Any]) -> list[tuple[str, str, list[Call]]]:
    """The tags that have calls: name, description, calls."""
    reader = _Reader(document)
    found = []
    for tag in document["tags"]:
        calls = [
            reader.call(path, method, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        if calls:
            found.append((tag["name"], tag["description"], calls))
    return found


def shared(document: Mapping[str, Any]) -> list[tuple[str, str, list[Row]]]:
    """The schemas that belong to no task and to no single problem: name, description, rows."""
    reader = _Reader(document)
    return [
        (name, schema.get("description", ""), list(reader.rows(schema)))
        for name, schema in document["components"]["schemas"].items()
        if BETWEEN not in name and (name == "Problem" or not name.endswith("Problem"))
    ]


def parameters(document: Mapping[str, Any]) -> list[tuple[str, list[Row]]]:
    """The parameters of calls by where they go, each once."""
    reader = _Reader(document)
    every = document["components"]["parameters"].values()
    return [
        (place, [reader.parameter(each) for each in every if each["in"] == place])
        for place in ("path", "query", "header")
    ]


class _Reader:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def call(self, path: str, method: str, operation: Mapping[str, Any]) -> Call:
        body = operation.get("requestBody", {})
        content = body.get("content", {})
        schema = _first(content).get("schema", {})
        return Call(
            id=operation["operationId"],
            method=method.upper(),
            path=path,
            title=operation["summary"],
            text=operation.get("description", ""),
            parameters=self._parameters(operation),
            body=list(self.rows(schema)) if content else [],
            body_needed=body.get("required", False),
            medias=list(content),
            result=self._result(operation),
            examples=list(self._examples(path, method, operation, content)),
            answers=[self._answer(status, self._at(answer)) for status, answer in operation["responses"].items()],
        )

    def rows(self, schema: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[Row]:
        """The properties of a schema, those of objects within it too."""
        schema = self._whole(schema)
        if schema.get("type") == "array" and not prefix:
            yield from self.rows(schema.get("items", {}), "[]", depth + 1)
            return
        for name, part in schema.get("properties", {}).items():
            full = f"{prefix}.{name}" if prefix else name
            yield self._row(full, part, required=name in schema.get("required", ()))
            inner, mark = self._whole(part), ""
            while inner.get("type") == "array":
                inner, mark = self._whole(inner.get("items", {})), f"{mark}[]"
            if depth < _DEPTH and not self._is_shared(part):
                yield from self.rows(inner, full + mark, depth + 1)

    def _row(self, name: str, schema: Mapping[str, Any], *, required: bool) -> Row:
        whole = self._whole(schema)
        limits = [text.format(_plain(whole[key])) for key, text in _LIMITS.items() if key in whole]
        return Row(name, self.kind(schema), required, whole.get("description", ""), ", ".join(limits))

    def parameter(self, parameter: Mapping[str, Any]) -> Row:
        """A parameter, whose description is its own and not its schema's."""
        row = self._row(parameter["name"], parameter["schema"], required=False)
        return Row(row.name, row.kind, row.required, parameter["description"], row.limits)

    def kind(self, schema: Any) -> str:
        """The type in words."""
        if not isinstance(schema, dict):
            return "anything"
        if self._is_shared(schema):
            return str(schema["$ref"].removeprefix(SCHEMAS))
        schema = self._whole(schema)
        values = [schema["const"]] if "const" in schema else schema.get("enum", ())
        choices = next((schema[keyword] for keyword in ("anyOf", "oneOf") if keyword in schema), ())
        if values or choices:
            return " | ".join(dict.fromkeys([*map(_plain, values), *map(self.kind, choices)]))
        kinds = schema.get("type", "object" if "properties" in schema else "anything")
        if kinds == "array":
            return f"array of {self.kind(schema.get('items', {}))}"
        text = kinds if isinstance(kinds, str) else " | ".join(kinds)
        return f"{text} ({schema['format']})" if "format" in schema else str(text)

    def _whole(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        # A reference may have words of its own beside it.
        seen = 0
        while "$ref" in schema and seen < _DEPTH:
            schema = {**self._at(schema), **{key: value for key, value in schema.items() if key != "$ref"}}
            seen += 1
        choices = schema.get("anyOf", ())
        plain = [each for each in choices if each.get("type") != "null"]
        if len(plain) == 1 and len(choices) > 1 and "properties" in (only := self._whole(plain[0])):
            return {**only, **{key: value for key, value in schema.items() if key != "anyOf"}, "anyOf": choices}
        return schema

    def _is_shared(self, schema: Mapping[str, Any]) -> bool:
        return "$ref" in schema and BETWEEN not in schema["$ref"]

    def _at(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in part:
            return part
        found: Any = self._document
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return self._at(found) if set(found) == {"$ref"} else found

    def _result(self, operation: Mapping[str, Any]) -> str:
        content = operation["responses"].get("202", {}).get("content", {})
        schema = _first(content).get("schema", {})
        if self._is_shared(schema) or not schema:
            return ""
        narrowed = self._at(schema)["allOf"][1]["properties"]["result"]
        return self.kind(narrowed)

    def _answer(self, status: str, answer: Mapping[str, Any]) -> Answer:
        content = answer.get("content", {})
        media = next(iter(content), "")
        schema = _first(content).get("schema", {})
        choices = [each["$ref"] for each in schema.get("oneOf", [schema]) if "$ref" in each]
        problems = []
        if media == "application/problem+json":
            own = [self._at({"$ref": choice})["allOf"][1]["properties"]["type"]["const"] for choice in choices]
            problems = [path.removeprefix("/problems/") for path in own]
        name = choices[0].removeprefix(SCHEMAS) if choices and not problems else ""
        if BETWEEN in name:  # a task's own record, whose result is told with the call
            name = "Record"
        return Answer(status, answer["description"], media, list(answer.get("headers", ())), problems, name)

    def _examples(
        self, path: str, method: str, operation: Mapping[str, Any], content: Mapping[str, Any]
    ) -> Iterator[Example]:
        options = [] if method == "get" else [f"-X {method.upper()}"]
        if self._document.get("security") and operation.get("security") != []:
            options.append('-H "Authorization: Bearer $ASYNC_TASKS_ADMIN_TOKEN"')
        if "text/event-stream" in operation["responses"].get("200", {}).get("content", {}):
            options.append("-N")
        shown = path.replace("{id}", "$ID")
        for media, body in content.items():
            for example in body.get("examples", {}).values():
                value = example["value"]
                parts = value if media == NDJSON else [value]
                data = shlex.quote("\n".join(json.dumps(part, ensure_ascii=False) for part in parts))
                wait = "?wait=5" if ("query", "wait") in self._parameters(operation) else ""
                sent = [*options, f"-H 'Content-Type: {media}'", f"--data-binary {data}"]
                yield Example(example["summary"], " ".join(sent).removeprefix("-X POST "), shown + wait)
        if not content or not operation["requestBody"]["required"]:
            yield Example("", " ".join(options), shown)

    def _parameters(self, operation: Mapping[str, Any]) -> list[tuple[str, str]]:
        found = [self._at(each) for each in operation.get("parameters", ())]
        return [(each["in"], each["name"]) for each in found]


def _first(content: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(iter(content.values())) if content else {}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
