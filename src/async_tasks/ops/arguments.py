"""Arguments from a command line: ``key=value`` by the task's own schema."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from async_tasks.catalog import TaskSpec
from async_tasks.errors import InvalidOption


def parse_arguments(spec: TaskSpec, pairs: Sequence[str], document: str | None) -> dict[str, Any]:
    """The arguments as JSON values by name; not yet validated.

    Args:
        spec: the task, whose schema says which values are text.
        pairs: ``key=value`` each; they win over the document.
        document: a JSON object, or ``-`` to read one from standard input.

    Raises:
        InvalidOption: if a pair has no ``=``, or the document is no JSON object.
    """
    values: dict[str, Any] = {}
    if document is not None:
        try:
            values = json.loads(sys.stdin.read() if document == "-" else document)
        except ValueError as exc:
            raise InvalidOption("--args", f"is no JSON: {exc}") from exc
        if not isinstance(values, dict):
            raise InvalidOption("--args", 'must be a JSON object, such as \'{"text": "hello"}\'')
    properties = spec.arguments_schema().get("properties", {})
    for pair in pairs:
        key, separator, raw = pair.partition("=")
        if not separator:
            raise InvalidOption(pair, "must be key=value")
        values[key] = raw if _is_text(properties.get(key, {})) else _json_or_text(raw)
    return values


def _is_text(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "string"


def _json_or_text(raw: str) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw
