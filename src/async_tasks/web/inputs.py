"""What a request brings, read strictly: the JSON body and the query parameters."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, cast

from flask import request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import RequestEntityTooLarge

from async_tasks.errors import InvalidOption
from async_tasks.ledger.record import State
from async_tasks.queries import Filters
from async_tasks.web.problems import KINDS, Refused

#: Query parameters that say which records are meant.
FILTERS: Final = tuple(Filters.__annotations__)

#: Deeper than any sensible arguments, and far below what parsers and scripts of the store can take.
MAX_DEPTH: Final = 64

#: Up to this, every reader of JSON tells whole numbers apart.
EXACT: Final = 2**53

#: As JSON has numbers, which is how programs write them: 0.5, 1e-05.
_NUMBER = re.compile(r"-?\d{1,17}(\.\d{1,20})?([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,15}", re.ASCII)
#: Visible ASCII without the comma: a header that is given twice arrives as one, with a comma between.
IDEMPOTENCY_KEY: Final = r"[!-+\--~]{1,255}"


def arguments(limit: int) -> dict[str, Any]:
    """The JSON object in the body; an empty body without a type is an empty object.

    Args:
        limit: of the body, in bytes.

    Raises:
        Refused: 400 for what is no JSON object, 413 for what is too large, 415 for another type.
    """
    given = arguments_if_any(limit)
    return {} if given is None else given


def arguments_if_any(limit: int) -> dict[str, Any] | None:
    """The JSON object in the body, or None where the body is empty and has no type.

    Raises:
        Refused: as :func:`arguments` does.
    """
    raw = body(limit)
    if not raw and not request.content_type:
        return None
    if not is_json(request.mimetype):
        refuse_type("JSON with `Content-Type: application/json`")
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise Refused("invalid-json", "The body must be a JSON object: the arguments by name.")
    return value


def is_json(mimetype: str) -> bool:
    """Whether a type is JSON or made of it."""
    return mimetype == "application/json" or (mimetype.startswith("application/") and mimetype.endswith("+json"))


def refuse_type(right: str) -> NoReturn:
    """Say that the body's type is not taken.

    Args:
        right: what would be, to follow "Send".

    Raises:
        Refused: 415.
    """
    given = f"The body's type is {request.mimetype!r}." if request.mimetype else "The body has no Content-Type."
    raise Refused("unsupported-media-type", f"{given} Send {right}.")


def body(limit: int) -> bytes:
    """The body as it came.

    Raises:
        Refused: 400 if it does not come whole, 413 if it is larger than ``limit`` bytes, 415 if it is compressed.
    """
    # One byte more than is taken: of a body without a length, Werkzeug hands over that much and no word.
    request.max_content_length = limit + 1
    raw = None
    with suppress(RequestEntityTooLarge):
        try:
            raw = request.get_data(cache=False)
        except (OSError, ParseException):
            raise Refused("bad-request", "The body did not come whole: its chunks or its length are wrong.") from None
    if raw is not None and len(raw) <= limit:
        if request.content_encoding not in (None, "", "identity"):
            raise Refused("unsupported-media-type", "Compressed bodies are not taken: send them plain.")
        return raw
    advice = KINDS["payload-too-large"].advice
    raise Refused("payload-too-large", f"The body is larger than the {limit:,} bytes that are taken. {advice}")


def idempotency_key() -> str | None:
    """The header ``Idempotency-Key`` as a submission takes it, apart from keys that come through other doors.

    Raises:
        InvalidOption: 422, naming the header.
    """
    given = request.headers.get("Idempotency-Key")
    if given is None:
        return None
    if not re.fullmatch(IDEMPOTENCY_KEY, given):
        right = "must be 1 to 255 visible ASCII characters without a comma, such as a UUID, and be given once"
        raise InvalidOption("Idempotency-Key", right)
    return f"api:{given}"


def parse_json(raw: bytes | str, *, depth: int = MAX_DEPTH, what: str = "The body") -> Any:
    """JSON read strictly: UTF-8, names unique, numbers finite, nesting bounded.

    Args:
        raw: the text.
        depth: how deep it may be nested.
        what: is read, for the words of an error.

    Raises:
        Refused: 400 with what is wrong and where.
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite_float)
    except UnicodeDecodeError as exc:
        raise Refused("invalid-json", f"{what} is not UTF-8: byte {exc.start} does not fit.") from None
    except json.JSONDecodeError as exc:
        where = f"at line {exc.lineno}, column {exc.colno}"
        raise Refused("invalid-json", f"{what} is not JSON: {exc.msg} {where}.") from None
    except RecursionError:
        _too_deep(depth)
    except ValueError as exc:
        raise Refused("invalid-json", f"{what} holds a number that cannot be kept: {exc}.") from None
    if text.count("[") + text.count("{") > depth:
        _check_depth(value, depth)
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
    # JSON has one kind of number: 2.0 is the integer 2 to a schema, and to languages that write it so.
    return int(value) if value.is_integer() and abs(value) <= EXACT else value


def _check_depth(value: Any, depth: int) -> None:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(depth):
        children = (item for parent in level for item in (parent.values() if isinstance(parent, dict) else parent))
        level = [child for child in children if isinstance(child, (dict, list))]
        if not level:
            return
    _too_deep(depth)


def _too_deep(depth: int) -> NoReturn:
    raise Refused("invalid-json", f"The JSON is nested deeper than {depth} levels.")


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
    if not _NUMBER.fullmatch(text) or math.isinf(float(text)):
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
    return seconds(name, text) if _NUMBER.fullmatch(text) else moment(name, text)


def milliseconds(name: str, text: str) -> int:
    """A point in time as milliseconds since the epoch; taken as such too."""
    return int(text) if _WHOLE.fullmatch(text) else round(moment(name, text).timestamp() * 1000)


def state(name: str, text: str) -> State:
    """A state by its name."""
    if text not in tuple(State):
        raise InvalidOption(name, f"{text!r} is no state; the states are {', '.join(State)}")
    return State(text)


def filters(given: Mapping[str, str]) -> Filters:
    """Which records are meant, by query parameters of :data:`FILTERS`; one that is empty is none.

    Raises:
        InvalidOption: naming the parameter.
    """
    found: dict[str, Any] = {name: text for name, text in given.items() if text and name in FILTERS}
    for name, read in (("state", state), ("since", milliseconds), ("until", milliseconds)):
        if name in found:
            found[name] = read(name, found[name])
    return cast("Filters", found)
