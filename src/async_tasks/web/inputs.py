"""What a request brings, read strictly: the JSON body and the query parameters."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from async_tasks.errors import InvalidOption
from async_tasks.ledger.record import State
from async_tasks.web.problems import KINDS, Refused

#: Deeper than any sensible arguments, and far below what parsers and scripts of the store can take.
MAX_DEPTH: Final = 64

_NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,9})?", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,15}", re.ASCII)


def arguments(limit: int) -> dict[str, Any]:
    """The JSON object in the body; an empty body without a type is an empty object.

    Args:
        limit: of the body, in bytes.

    Raises:
        Refused: 400 for what is no JSON object, 413 for what is too large, 415 for another type.
    """
    body = _body(limit)
    if not body and not request.content_type:
        return {}
    kind = request.mimetype
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        given = f"The body's type is {kind!r}." if kind else "The body has no Content-Type."
        raise Refused("unsupported-media-type", f"{given} Send JSON with `Content-Type: application/json`.")
    if request.content_encoding not in (None, "", "identity"):
        raise Refused("unsupported-media-type", "Compressed bodies are not taken: send plain JSON.")
    value = parse_json(body)
    if not isinstance(value, dict):
        raise Refused("invalid-json", "The body must be a JSON object: the arguments by name.")
    return value


def _body(limit: int) -> bytes:
    # One byte more than is taken: of a body without a length, Werkzeug hands over that much and no word.
    request.max_content_length = limit + 1
    with suppress(RequestEntityTooLarge):
        body = request.get_data(cache=False)
        if len(body) <= limit:
            return body
    advice = KINDS["payload-too-large"].advice
    raise Refused("payload-too-large", f"The body is larger than the {limit:,} bytes that are taken. {advice}")


def parse_json(raw: bytes | str) -> Any:
    """JSON read strictly: UTF-8, names unique, numbers finite, nesting bounded.

    Raises:
        Refused: 400 with what is wrong and where.
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite_float)
    except UnicodeDecodeError as exc:
        raise Refused("invalid-json", f"The body is not UTF-8: byte {exc.start} does not fit.") from None
    except json.JSONDecodeError as exc:
        raise Refused(
            "invalid-json", f"The body is not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}."
        ) from None
    except RecursionError:
        _too_deep()
    except ValueError as exc:
        raise Refused("invalid-json", f"The body holds a number that cannot be kept: {exc}.") from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refused("invalid-json", f"The name {twice!r} occurs twice in one object.")
    return found


def _no_constant(name: str) -> NoReturn:
    raise Refused("invalid-json", f"{name} is not JSON: numbers must be finite.")


def _finite_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise Refused("invalid-json", f"The number {text[:40]} is too large.")
    return value


def _check_depth(value: Any) -> None:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        children = (item for parent in level for item in (parent.values() if isinstance(parent, dict) else parent))
        level = [child for child in children if isinstance(child, (dict, list))]
        if not level:
            return
    _too_deep()


def _too_deep() -> NoReturn:
    raise Refused("invalid-json", f"The JSON is nested deeper than {MAX_DEPTH} levels.")


def parameters(*known: str) -> dict[str, str]:
    """The query parameters, each known and given once.

    Raises:
        InvalidOption: 422, naming the parameter.
    """
    for name, values in request.args.lists():
        if name not in known:
            names = ", ".join(known) or "none"
            raise InvalidOption(name, f"there is no such query parameter here; there are: {names}")
        if len(values) > 1:
            raise InvalidOption(name, "may be given once")
    return request.args.to_dict()


def seconds(name: str, text: str) -> float:
    """A number of seconds."""
    if not _NUMBER.fullmatch(text):
        raise InvalidOption(name, f"{text!r} is no number of seconds, such as 30 or 0.5")
    return float(text)


def whole(name: str, text: str) -> int:
    """A whole number."""
    if not _WHOLE.fullmatch(text):
        raise InvalidOption(name, f"{text!r} is no whole number")
    return int(text)


def moment(name: str, text: str) -> datetime:
    """A point in time: RFC 3339 with Z or an offset."""
    # An unescaped "+" of an offset arrives as a space.
    given = re.sub(r" (?=\d\d:?\d\d$)", "+", text)
    with suppress(ValueError, OverflowError):
        at = datetime.fromisoformat(given)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    right = "2027-01-31T12:00:00Z or 2027-01-31T13:00:00%2B01:00"
    raise InvalidOption(name, f"{text!r} is no time with its zone, such as {right}")


def seconds_or_moment(name: str, text: str) -> float | datetime:
    """Seconds from now, or a point in time."""
    return float(text) if _NUMBER.fullmatch(text) else moment(name, text)


def milliseconds(name: str, text: str) -> int:
    """A point in time as milliseconds since the epoch; taken as such too."""
    return int(text) if _WHOLE.fullmatch(text) else round(moment(name, text).timestamp() * 1000)


def state(name: str, text: str) -> State:
    """A state by its name."""
    if text not in tuple(State):
        raise InvalidOption(name, f"{text!r} is no state; the states are {', '.join(State)}")
    return State(text)
