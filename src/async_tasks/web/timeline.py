"""A task's life drawn to scale: a row for each attempt, with what it waited for before it.

Every row is on the same scale, from the submission to the end or to now. What is too short to be seen has a mark of a
few pixels all the same, and how long it took is said in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from async_tasks.ledger.record import Record, State
from async_tasks.web.words import DAY, HOUR, MINUTE, SECOND, duration

Kind = Literal["scheduled", "waiting", "backoff", "running", "unknown"]

#: What begins with an event; any other event changes nothing of what the task is at.
BEGINS: Final[dict[str, Kind]] = {
    "submitted": "waiting",
    "adopted": "waiting",
    "sent": "waiting",
    "due": "waiting",
    "delayed": "scheduled",
    "started": "running",
    "retry": "backoff",
    "replaced": "waiting",
    "lease run out": "waiting",
    "worker lost": "waiting",
    "handed back": "waiting",
    "elided": "unknown",
}

#: How an attempt ended that the task went on after.
OUTCOMES: Final = {"retry": "failed", "lease run out": "lost", "worker lost": "lost"}
#: How the last one ended.
ENDS: Final = {State.SUCCESS: "succeeded", State.FAILURE: "failed", State.REVOKED: "revoked"}

#: In words: for so long it was that.
WORDS: Final[dict[Kind, str]] = {
    "scheduled": "Scheduled for",
    "waiting": "Waited",
    "backoff": "Backed off",
    "running": "Ran",
    "unknown": "Not kept:",
}

#: The same of what has not come to its end.
PLANS: Final[dict[Kind, str]] = {**WORDS, "scheduled": "Is to wait", "backoff": "Backs off"}

#: Rows that are drawn, of many: the first and the last.
FIRST, LAST = 3, 9

#: Lines of the scale at most, besides the one at 0; a phone has room for their words.
TICKS: Final = 4
#: The part of the scale after which words would not find room in the middle of their line.
EDGE: Final = 0.9
_ONES: Final = (1, 2, 5)
STEPS: Final = (
    *(ones * tens for tens in (1, 10, 100) for ones in _ONES),
    *(count * SECOND for count in (1, 2, 5, 10, 15, 30)),
    *(count * MINUTE for count in (1, 2, 5, 10, 15, 30)),
    *(count * HOUR for count in (1, 2, 3, 6, 12)),
    *(ones * tens * DAY for tens in (1, 10, 100, 1000) for ones in _ONES),
)


@dataclass(frozen=True, slots=True)
class Span:
    """What a task was at for a while. Places are percent of the scale."""

    kind: Kind
    outcome: str  # of an attempt: succeeded, failed, lost, revoked; "" while it runs, and of all else
    planned: bool  # whether its end lies ahead
    left: str
    width: str
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """An attempt, or what follows the last one."""

    label: str
    worker: str
    spans: Sequence[Span]


class Tick(NamedTuple):
    """A line of the scale; its words stay within the drawing."""

    place: str  # percent
    words: str
    anchor: Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Drawing:
    """The whole of it."""

    rows: Sequence[Row]
    ticks: Sequence[Tick]
    left_out: int  # rows between the first and the last
    words: str


@dataclass(slots=True)
class _Stretch:
    kind: Kind
    begin: int
    end: int = 0
    attempt: int = 0
    worker: str = ""
    outcome: str = ""
    planned: bool = False


def draw(record: Record, now: int) -> Drawing:
    """Draw a record's timeline.

    Args:
        record: of the task.
        now: milliseconds since the epoch, by the store's clock as far as can be told.
    """
    stretches = list(_stretches(record, now))
    begin = stretches[0].begin
    length = max(1, stretches[-1].end - begin)
    rows = [_row(part, begin, length) for part in _by_attempt(stretches)]
    left_out = max(0, len(rows) - FIRST - LAST)
    shown = [*rows[:FIRST], *rows[-LAST:]] if left_out else rows
    told = "; ".join(f"{row.label}: {', '.join(span.words.lower() for span in row.spans)}" for row in shown)
    return Drawing(shown, list(_ticks(length)), left_out, f"{told}; {duration(length)} in all")


def _stretches(record: Record, now: int) -> Iterator[_Stretch]:
    current: _Stretch | None = None
    for entry in record.timeline:
        event, at = entry["event"], entry["at"]
        if event not in BEGINS or (record.finished_at == at and record.finished and event in OUTCOMES):
            continue  # or it is the end
        if current is not None:
            current.end = at
            current.outcome = OUTCOMES.get(event, "") if current.kind == "running" else ""
            if event == "due" and current.kind == "waiting":
                current.kind = "scheduled"
            yield current
        current = _Stretch(BEGINS[event], at, attempt=entry.get("attempt", 0), worker=entry.get("worker", ""))
    if current is None:  # of a record that somebody else wrote
        current = _Stretch("waiting", record.submitted_at)
    yield _last(current, record, now)


def _last(current: _Stretch, record: Record, now: int) -> _Stretch:
    if record.finished:
        current.end = record.finished_at or current.begin
        current.outcome = ENDS[record.state] if current.kind == "running" else ""
        return current
    current.end = max(now, current.begin)
    if record.state is State.SCHEDULED:
        current.kind = "scheduled"
    if record.state in (State.SCHEDULED, State.RETRY) and record.due_at and record.due_at > current.end:
        current.end, current.planned = record.due_at, True
    return current


def _by_attempt(stretches: Sequence[_Stretch]) -> Iterator[list[_Stretch]]:
    row: list[_Stretch] = []
    for each in stretches:
        if row and row[-1].kind == each.kind:  # sent, and then due: it is the same wait
            row[-1].end, row[-1].planned = each.end, each.planned
            continue
        row.append(each)
        if each.kind in ("running", "unknown"):
            yield row
            row = []
    if row:
        yield row


def _row(stretches: Sequence[_Stretch], begin: int, length: int) -> Row:
    last = stretches[-1]
    labels = {"running": f"Attempt {last.attempt}" if last.attempt else "Attempt", "unknown": "…"}
    label = labels.get(last.kind, "Next attempt" if stretches[0].kind == "backoff" else "Before it starts")
    spans = [_span(each, begin, length) for each in stretches]
    return Row(label, last.worker if last.kind == "running" else "", spans)


def _span(each: _Stretch, begin: int, length: int) -> Span:
    took = duration(each.end - each.begin)
    words = f"{PLANS[each.kind]} {took}" if each.planned else f"{WORDS[each.kind]} {took}"
    if each.outcome and each.outcome != "succeeded":
        words = f"{words}, {each.outcome}"
    return Span(
        each.kind,
        each.outcome,
        each.planned,
        _percent(each.begin - begin, length),
        _percent(each.end - each.begin, length),
        words,
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.3f}%"


def _ticks(length: int) -> Iterator[Tick]:
    step = next((step for step in STEPS if length / step <= TICKS), STEPS[-1])
    for at in range(0, length + 1, step):
        yield Tick(
            _percent(at, length), _in_short(at), "middle" if 0 < at < EDGE * length else "end" if at else "start"
        )


def _in_short(ms: int) -> str:
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")):
        if ms >= unit and ms % unit == 0:
            return f"{ms // unit} {name}"
    # 1,500 ms is no step, but 90 s is one of 30.
    return f"{ms // SECOND} s" if ms >= MINUTE else f"{ms} ms" if ms else "0"
