"""Arguments from a command line: ``key=value`` and ``key@file`` by the task's own schema."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from async_tasks.catalog import TaskSpec
from async_tasks.catalog.branches import branches, takes_text
from async_tasks.errors import InvalidOption

Schema = Mapping[str, Any]


def parse_arguments(spec: TaskSpec, pairs: Sequence[str], document: str | None) -> dict[str, Any]:
    """The arguments as JSON values by name; not yet validated.

    Args:
        spec: the task, whose schema says which values are text.
        pairs: ``key=value``, or ``key@path`` for the text of a file (``key@-``: standard input); they win over the
            document. A value that begins with ``@`` is a value: no text from elsewhere makes a file be read.
        document: a JSON object, or ``-`` to read one from standard input.

    Raises:
        InvalidOption: if a pair is none, a file cannot be read, or the document is no JSON object.
    """
    if [document, *(pair.partition("@")[2] for pair in pairs if _is_file(pair))].count("-") > 1:
        raise InvalidOption("-", "standard input can be read once")
    values = {} if document is None else _object(document)
    schema = spec.arguments_schema()
    seen = set()
    for pair in pairs:
        key, raw = _split(pair)
        if key in seen:
            raise InvalidOption(key, "is given twice")
        seen.add(key)
        values[key] = raw if takes_text(schema.get("properties", {}).get(key, {}), schema) else _json_or_text(raw)
    return values


def choices(schema: Schema, whole: Schema) -> list[str]:
    """The values that can be typed, where there are only so many: those of enumerations and switches."""
    found = []
    for option in branches(schema, whole):
        if "enum" in option or "const" in option:
            found += option.get("enum", [option.get("const")])
        elif option.get("type") == "boolean":
            found += [True, False]
        elif option.get("type") != "null":
            return []
    return [value if isinstance(value, str) else json.dumps(value) for value in found]


def _object(document: str) -> dict[str, Any]:
    try:
        values = json.loads(read_text("--args", "-") if document == "-" else document)
    except (ValueError, RecursionError) as exc:
        raise InvalidOption("--args", f"is no JSON: {exc}") from exc
    if not isinstance(values, dict):
        raise InvalidOption("--args", 'must be a JSON object, such as \'{"text": "hello"}\'')
    return values


def read_text(option: str, path: str) -> str:
    """The text of a file, or of standard input for ``-``: UTF-8, whatever the locale.

    Raises:
        InvalidOption: if it cannot be read, or is none.
    """
    try:
        raw = sys.stdin.buffer.read() if path == "-" else Path(path).expanduser().read_bytes()
        return raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise InvalidOption(option, f"{_named(path)} is no UTF-8: byte {exc.start} does not fit") from exc
    except (OSError, ValueError, RuntimeError) as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else None) or exc
        raise InvalidOption(option, f"{_named(path)} cannot be read: {reason}") from exc


def _named(path: str) -> str:
    return "standard input" if path == "-" else path


def _is_file(pair: str) -> bool:
    # No parameter's name holds either sign, so the first one tells.
    return "@" in pair.partition("=")[0]


def _split(pair: str) -> tuple[str, str]:
    if _is_file(pair):
        key, _, path = pair.partition("@")
        return key, read_text(key, path)
    key, separator, raw = pair.partition("=")
    if not separator:
        raise InvalidOption(pair, "must be key=value, or key@path for the text of a file")
    return key, raw


def _json_or_text(raw: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return raw
