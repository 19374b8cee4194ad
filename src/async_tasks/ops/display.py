"""Records as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from async_tasks.ledger import Error, Record, rfc3339
from async_tasks.ledger.record import TimelineEntry
from async_tasks.ops import times
from async_tasks.ops.progressbar import describe_progress
from async_tasks.ops.terminal import Ink, cells, clip, harmless, json_text, pad, plain, shown

#: With fewer columns, a row of the table takes two lines.
NARROW: Final = 72
#: Columns of the longest state.
STATE_WIDTH: Final = 9
#: An indent of two, the longest label and two spaces.
LABEL_WIDTH: Final = 11


def describe_record(record: Record, *, ink: Ink = plain, traceback: bool = False) -> str:
    """Several lines: what, how it stands, what came of it, its timeline; the traceback of an error if asked for."""
    lines = [f"{ink(harmless(record.name), 'title')}  {harmless(record.id)}"]
    lines.append(_field("state", describe_state(record, ink=ink)))
    lines += [_field(label, harmless(value)) for label, value in _facts(record) if value]
    if record.error is not None:
        lines.append(_field("error", ink(describe_error(record.error), "wrong")))
        if traceback and record.error["traceback"]:
            lines.append(_field("traceback", harmless(record.error["traceback"].rstrip())))
    lines += [_field(label, harmless(value)) for label, value in _relations(record) if value]
    lines.append("  timeline")
    lines += [
        f"    {ink(times.clock(entry['at']), 'faint')}  {since:>12}  {describe_event(entry)}"
        for entry, since in _with_durations(record.timeline)
    ]
    return "\n".join(lines)


def describe_state(record: Record, *, ink: Ink = plain) -> str:
    """The state, and how long it waited and ran."""
    words = [ink(record.state, record.state)]
    if record.cancel_requested and not record.finished:
        words.append("it has been asked to stop")
    if record.started_at is not None:
        words.append(f"waited {times.duration(record.started_at - record.submitted_at)}")
        if record.finished_at is not None:
            words.append(f"ran {times.duration(record.finished_at - record.started_at)}")
    elif record.finished_at is not None:
        words.append(f"after {times.duration(record.finished_at - record.submitted_at)}")
    return ", ".join(words)


def describe_error(error: Error) -> str:
    """The type and the message."""
    return harmless(f"{error['type']}: {error['message']}")


def describe_event(entry: TimelineEntry) -> str:
    """``started (celery@host, attempt 1)``."""
    details = [entry["worker"]] if "worker" in entry else []
    details += [f"attempt {entry['attempt']}"] if "attempt" in entry else []
    details += [entry["detail"]] if "detail" in entry else []
    words = ", ".join(details)
    return harmless(f"{entry['event']}{f' ({words})' if words else ''}", one_line=True)


def describe_call(record: Record) -> str:
    """The task and its arguments in one line, as ``submit`` takes them where they are simple."""
    return " ".join([harmless(record.name, one_line=True), *_pairs(record.args)])


def table(
    records: Sequence[Record], width: int, *, ink: Ink = plain, now: datetime | None = None, head: bool = True
) -> Iterable[str]:
    """The lines of a table that fits ``width`` columns; only ids are never cut."""
    if not records:
        return
    id_width = max(cells(harmless(record.id, one_line=True)) for record in records)
    time_width = max(len(times.brief(record.submitted_at, now)) for record in records)
    rest = width - id_width - STATE_WIDTH - time_width - 6
    wide = width >= NARROW and rest > STATE_WIDTH
    if wide and head:
        yield ink(f"{pad('ID', id_width)}  {'STATE':<{STATE_WIDTH}}  {'WHEN':<{time_width}}  TASK", "faint")
    for record in records:
        task_id = harmless(record.id, one_line=True)
        state = ink(f"{record.state:<{STATE_WIDTH}}", record.state)
        when = f"{times.brief(record.submitted_at, now):<{time_width}}"
        call = describe_call(record)
        if wide:
            yield f"{pad(task_id, id_width)}  {state}  {when}  {clip(call, rest)}".rstrip()
        else:
            yield task_id
            yield f"  {state}  {when}  {clip(call, max(1, width - STATE_WIDTH - time_width - 6))}".rstrip()


def row(record: Record) -> str:
    """One line for programs: id, state, time of submission, task and arguments, with tabs between them."""
    fields = (record.id, record.state, rfc3339(record.submitted_at) or "", record.name, " ".join(_pairs(record.args)))
    return "\t".join(harmless(field, one_line=True) for field in fields)


def new_events(record: Record, last: TimelineEntry | None) -> list[TimelineEntry]:
    """What the timeline holds after ``last``; all of it, if that has been left out meanwhile."""
    timeline = list(record.timeline)
    if last in timeline:
        # From the end: two entries can be equal.
        return timeline[len(timeline) - timeline[::-1].index(last) :]
    return timeline


def _facts(record: Record) -> Iterable[tuple[str, str]]:
    yield "submitted", times.full(record.submitted_at) + (f" by {record.submitted_by}" if record.submitted_by else "")
    for label, at in (("due", record.due_at), ("expires", record.expires_at)):
        yield label, times.full(at) if at is not None and not record.finished else ""
    yield "arguments", _value(record.args)
    yield "queue", record.queue + (f", priority {record.priority}" if record.priority is not None else "")
    yield "attempts", str(record.attempts) if record.attempts > 1 else ""
    yield "progress", describe_progress(record.progress) if record.progress else ""
    yield "result", _value(record.result)


def _relations(record: Record) -> Iterable[tuple[str, str]]:
    yield "batch", record.batch_id or ""
    yield "parent", record.parent_id or ""
    yield "replay of", record.replay_of or ""
    yield "replays", "\n".join(e["detail"] for e in record.timeline if e["event"] == "replayed" and "detail" in e)


def _field(label: str, value: str) -> str:
    # A text of several lines stays within its column.
    indent = "\n" + " " * (2 + LABEL_WIDTH)
    return f"  {label:<{LABEL_WIDTH}}" + value.replace("\n", indent)


def _value(value: Any) -> str:
    return "" if value is None else shown(value)


def _with_durations(timeline: Sequence[TimelineEntry]) -> Iterable[tuple[TimelineEntry, str]]:
    """Each entry with the time since the one before."""
    before: int | None = None
    for entry in timeline:
        yield entry, "" if before is None else f"+{times.duration(entry['at'] - before)}"
        before = entry["at"]


def _pairs(arguments: Any) -> list[str]:
    if not isinstance(arguments, Mapping):
        return [] if arguments is None else [json_text(arguments)]
    return [f"{harmless(str(name), one_line=True)}={shown(value, one_line=True)}" for name, value in arguments.items()]
