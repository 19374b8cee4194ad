"""``POST /api/v1/batches``: many tasks in one request, as a JSON array or one JSON object a line (NDJSON)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn

from flask import Blueprint, Response, current_app, jsonify, request

from async_tasks.errors import BatchProblem, InvalidBatch, InvalidOption
from async_tasks.submission import MAX_BATCH, Entry, submit_batch
from async_tasks.web import inputs
from async_tasks.web.problems import Refused

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("batches", __name__, url_prefix="/api/v1")

NDJSON: Final = "application/x-ndjson"

#: A batch may be so many times as large as the arguments of one task: it is held in memory, several times over,
#: while it is read. With the default, 10,000 entries of 1.6 KB.
FACTOR: Final = 16

#: Problems of one batch that are told.
MAX_PROBLEMS: Final = 100

#: Lines read before other requests of this process get their turn.
TURN: Final = 200

#: An array and an entry stand around the arguments.
AROUND: Final = 2


class LineProblem(BatchProblem):
    """One thing wrong with one entry, which stood on that line, counted from 1."""

    line: int


@bp.post("/batches")
def create_batch() -> Response:
    """Submit a batch: all of it, or nothing."""
    inputs.parameters()
    app: App = current_app.extensions["async_tasks"]
    key = inputs.idempotency_key()
    items, lines = _items(app.settings.max_payload_bytes * FACTOR)
    try:
        batch = submit_batch(app, _entries(items), idempotency_key=key, strict=True)
    except InvalidBatch as exc:
        raise InvalidBatch([_placed(problem, lines) for problem in exc.problems]) from None
    answer = jsonify({"batch_id": batch.batch_id, "ids": batch.ids})
    answer.status_code = 202
    answer.headers["Location"] = f"/api/v1/batches/{batch.batch_id}"
    return answer


def _items(limit: int) -> tuple[list[Any], Sequence[int]]:
    """What the body lists, and of NDJSON the line of each."""
    raw = inputs.body(limit)
    if request.mimetype == NDJSON:
        found = list(_of_lines(raw))
        return [item for _, item in found], [number for number, _ in found]
    if not inputs.is_json(request.mimetype):
        inputs.refuse_type(f"a JSON array with `Content-Type: application/json`, or a line an entry with `{NDJSON}`")
    value = inputs.parse_json(raw, depth=inputs.MAX_DEPTH + AROUND)
    if not isinstance(value, list):
        raise Refused("invalid-json", 'The body must be a JSON array of entries, {"name": …, "args": {…}} each.')
    if len(value) > MAX_BATCH:
        _refuse_number()
    return value, ()


def _of_lines(raw: bytes) -> Iterator[tuple[int, Any]]:
    entries = 0
    # Not splitlines, which breaks a text at characters that JSON may hold as they are.
    for number, line in enumerate(raw.split(b"\n"), 1):
        if not line.strip():
            continue
        entries += 1
        if entries > MAX_BATCH:
            _refuse_number()
        if entries % TURN == 0:
            time.sleep(0)
        yield number, inputs.parse_json(line, depth=inputs.MAX_DEPTH + AROUND, what=f"Line {number}")


def _refuse_number() -> NoReturn:
    message = f"a batch holds 1 to {MAX_BATCH:,} entries, and this one holds more"
    raise InvalidBatch([BatchProblem(index=MAX_BATCH, field="", message=message)])


def _placed(problem: BatchProblem, lines: Sequence[int]) -> BatchProblem:
    if problem["index"] >= len(lines):
        return problem
    return LineProblem(**problem, line=lines[problem["index"]])


def _entries(items: Sequence[Any]) -> list[Entry]:
    """The entries, whose arguments are checked later.

    Raises:
        InvalidBatch: with every member that is none, or of another type.
    """
    entries = []
    problems: list[BatchProblem] = []
    for index, item in enumerate(items):
        found, wrong = _entry(item)
        entries.append(found)
        problems += [BatchProblem(index=index, field=field, message=message) for field, message in wrong]
        if len(problems) >= MAX_PROBLEMS:
            break
    if problems:
        raise InvalidBatch(problems[:MAX_PROBLEMS])
    return entries


def _entry(item: Any) -> tuple[Entry, list[tuple[str, str]]]:
    if not isinstance(item, dict):
        return Entry("", {}), [("", 'must be a JSON object, {"name": …, "args": {…}}')]
    read: dict[str, Any] = {}
    wrong = [] if "name" in item else [("name", "is required")]
    for member, value in item.items():
        if member not in MEMBERS:
            wrong.append((member[:100], f"is no member of an entry; the members are {', '.join(MEMBERS)}"))
        else:
            try:
                read[member] = MEMBERS[member](member, value)
            except InvalidOption as exc:
                wrong.append((member, exc.message))
    return Entry(read.pop("name", ""), read.pop("args", {}), **read), wrong


def _text(member: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidOption(member, "must be a string: the name of a task")
    return value


def _arguments(member: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidOption(member, "must be a JSON object: the arguments by name")
    return value


def _seconds(member: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidOption(member, "must be a number of seconds")
    return value


def _moment(member: str, value: Any) -> datetime:
    if not isinstance(value, str):
        raise InvalidOption(member, "must be a string: a time with its zone, such as 2027-01-31T12:00:00Z")
    return inputs.moment(member, value)


def _seconds_or_moment(member: str, value: Any) -> float | datetime:
    return _moment(member, value) if isinstance(value, str) else _seconds(member, value)


def _whole(member: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidOption(member, "must be a whole number")
    return value


#: What an entry may have, and how each is read.
MEMBERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "name": _text,
    "args": _arguments,
    "delay": _seconds,
    "eta": _moment,
    "expires": _seconds_or_moment,
    "priority": _whole,
}
