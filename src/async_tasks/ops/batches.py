"""Many submissions from one text: a JSON array, or an object a line (NDJSON)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final

from async_tasks.errors import BatchProblem, InvalidBatch
from async_tasks.ops.times import parse_moment
from async_tasks.submission import Entry

FIELDS: Final = ("name", "args", "delay", "eta", "expires", "priority")

#: Problems that are told.
MAX_PROBLEMS: Final = 100


class NumberedProblem(BatchProblem):
    """One thing wrong with one entry; ``line`` counts from 1."""

    line: int


def read_batch(text: str) -> tuple[list[Entry], list[int]]:
    """The entries, not yet validated, and the line on which each begins.

    Args:
        text: ``{"name": …, "args": {…}}`` with ``delay``, ``eta``, ``expires`` or ``priority`` where wanted,
            as elements of one array, or one a line.

    Raises:
        InvalidBatch: with everything that is wrong with their form; the problems have lines.
    """
    entries, lines = [], []
    problems: list[BatchProblem] = []
    try:
        for index, (line, value) in enumerate(_values(text.removeprefix("\ufeff"))):
            wrong = list(_wrong(value))
            problems += [NumberedProblem(index=index, line=line, field=f, message=m) for f, m in wrong]
            entries.append(Entry("", {}) if wrong else _entry(value))
            lines.append(line)
    except RecursionError:
        problems.append(NumberedProblem(index=len(lines), line=1, field="", message="is nested too deeply"))
    if problems:
        raise InvalidBatch(problems[:MAX_PROBLEMS])
    return entries, lines


def with_lines(error: InvalidBatch, lines: Sequence[int]) -> InvalidBatch:
    """The same error, with the lines of its entries."""
    # What is wrong with the whole is told of the last.
    problems = [
        NumberedProblem(**problem, line=lines[min(problem["index"], len(lines) - 1)] if lines else 1)
        for problem in error.problems
    ]
    return InvalidBatch(problems)


def _values(text: str) -> Iterator[tuple[int, Any]]:
    if text.lstrip().startswith("["):
        yield from _elements(text)
        return
    # Not by splitlines(), which also breaks at characters that JSON allows within a text.
    for line, part in enumerate(text.split("\n"), start=1):
        if part.strip():
            try:
                yield line, json.loads(part)
            except ValueError as exc:
                yield line, exc


def _elements(text: str) -> Iterator[tuple[int, Any]]:
    try:
        json.loads(text)
    except ValueError as exc:
        yield getattr(exc, "lineno", 1), exc
        return
    decoder = json.JSONDecoder()
    at = text.index("[") + 1
    line = 1 + text.count("\n", 0, at)
    while True:
        start = at
        # The whole is JSON: between two elements stand white space and commas alone.
        while text[start] in " \t\r\n,":
            start += 1
        line += text.count("\n", at, start)
        if text[start] == "]":
            return
        value, at = decoder.raw_decode(text, start)
        yield line, value
        line += text.count("\n", start, at)


def _wrong(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, ValueError):
        yield "", f"is no JSON: {value}"
    elif not isinstance(value, Mapping):
        yield "", 'must be an object, such as {"name": "reverse_text", "args": {"text": "hello"}}'
    else:
        yield from _wrong_fields(value)


def _wrong_fields(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field in value.keys() - set(FIELDS):
        near = get_close_matches(field[:100], FIELDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(FIELDS)}"
        yield str(field)[:100], f"is not known; {hint}"
    if not isinstance(value.get("name"), str):
        yield "name", "must be the name of a task"
    if not isinstance(value.get("args", {}), Mapping):
        yield "args", "must be an object of arguments by name"
    for field in ("delay", "priority"):
        if value.get(field) is not None and not _is_number(value[field], whole=field == "priority"):
            yield field, "must be a whole number" if field == "priority" else "must be a number of seconds"
    for field in ("eta", "expires"):
        if value.get(field) is not None:
            try:
                _moment(value[field], seconds=field == "expires")
            except ValueError as exc:
                yield field, str(exc)


def _entry(value: Mapping[str, Any]) -> Entry:
    eta, expires = value.get("eta"), value.get("expires")
    return Entry(
        name=value["name"],
        arguments=value.get("args", {}),
        delay=value.get("delay"),
        eta=None if eta is None else parse_moment(eta),
        expires=None if expires is None else _moment(expires, seconds=True),
        priority=value.get("priority"),
    )


def _moment(value: Any, *, seconds: bool) -> float | datetime:
    if seconds and _is_number(value):
        return float(value)
    if isinstance(value, str):
        return parse_moment(value)
    raise ValueError("must be a time, such as 2027-01-31T12:00:00Z" + (", or a number of seconds" if seconds else ""))


def _is_number(value: Any, *, whole: bool = False) -> bool:
    return isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
