"""Pydantic's errors, and what JSON cannot carry, as problems that name the field."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from pydantic import ValidationError

from async_tasks.errors import Problem

#: Pydantic's words for these suit a model's author, not a caller.
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
}

_PREFIXES: Final = ("Value error, ", "Assertion failed, ")

#: Near names are looked for within so much of a wrong one: the search is quadratic in its length.
_COMPARED: Final = 100


def of_validation(error: ValidationError, data: Any) -> list[Problem]:
    """Every problem that Pydantic found in ``data``, field paths dotted like ``items.0.name``."""
    problems = []
    for found in error.errors(include_url=False, include_context=False, include_input=False):
        message = _WORDS.get(found["type"], found["msg"])
        for prefix in _PREFIXES:
            message = message.removeprefix(prefix)
        field = ".".join(_path(found["loc"], data, missing=found["type"] == "missing"))
        problems.append(Problem(field=field, message=message))
    return problems


def of_unknown(names: Iterable[str], known: Sequence[str]) -> list[Problem]:
    """A problem for each name that is no parameter, naming near ones."""
    return [Problem(field=str(name), message=_no_parameter(str(name), known)) for name in names]


def of_json(value: Any, path: tuple[str, ...] = ()) -> Iterator[Problem]:
    """What JSON cannot carry in a value of dicts, lists and scalars: NaN, infinities, half characters."""
    if isinstance(value, float) and not math.isfinite(value):
        yield Problem(field=".".join(path), message=f"must be a finite number: JSON has no {value}")
    elif isinstance(value, str) and not _is_text(value):
        yield Problem(field=".".join(path), message="is no valid Unicode text: it holds half of a surrogate pair")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from of_json(item, (*path, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from of_json(item, (*path, str(at)))


def listed(problems: Iterable[Problem]) -> str:
    """The problems in one line."""
    return "; ".join(f"{p['field']}: {p['message']}" if p["field"] else p["message"] for p in problems)


def _path(loc: Iterable[int | str], data: Any, *, missing: bool) -> Iterator[str]:
    # Pydantic's locations also name branches of unions and tags ("int", "list[str]"), which are no fields:
    # what is not found in the data is one of them, unless it is the name of what is missing.
    parts = list(loc)
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if isinstance(part, int):
            inside = isinstance(data, Sequence) and part < len(data)
            data = data[part] if inside else None
            yield str(part)
        elif isinstance(data, Mapping) and part in data:
            data = data[part]
            yield part
        elif last and missing:
            yield part
        elif at == 0 and isinstance(data, Mapping):
            # A parameter that was left out, and whose default does not hold.
            data = None
            yield part


def _no_parameter(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name[:_COMPARED], known, n=2)
    if near:
        hint = f"Did you mean {' or '.join(map(repr, near))}?"
    elif known:
        hint = f"The parameters are {', '.join(map(repr, known))}."
    else:
        hint = "The task takes none."
    return f"There is no parameter {name[:_COMPARED]!r}. {hint}"


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
