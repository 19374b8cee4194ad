"""Values as people read them: the filters of the templates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from async_tasks.catalog import limits
from async_tasks.ledger.record import Record, State, rfc3339

#: Letters of a line that people look at to recognise a task; no column is wider.
LINE: Final = 160

#: Letters that are looked at for it: runs of spaces become one.
READ: Final = 4 * LINE

#: Milliseconds in a second, a minute, an hour and a day.
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False)


def readable(value: Any) -> str:
    """A JSON value: text as it is, anything else as indented JSON; always text that can be sent."""
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, indent=2)
    # Half a surrogate pair cannot be encoded.
    return str(value).encode("utf-8", "replace").decode()


def in_one_line(value: Any) -> str:
    """A JSON value in one short line: members by name, as arguments are recognised by."""
    if isinstance(value, Mapping):
        return shortened(_begun(f"{' · ' if at else ''}{n}: {_compact(v)}" for at, (n, v) in enumerate(value.items())))
    return shortened(_compact(value))


def _compact(value: Any) -> str:
    return value if isinstance(value, str) else _begun(_ENCODER.iterencode(value))


def _begun(parts: Iterable[str]) -> str:
    """As many of the parts as a line can show: a value may be a megabyte, and a list has forty of them."""
    taken: list[str] = []
    length = 0
    for part in parts:
        taken.append(part)
        length += len(part)
        if length > READ:
            break
    return "".join(taken)


def shortened(text: str) -> str:
    """The beginning of a text without its line breaks; always text that can be sent."""
    line = " ".join(text[:READ].split())
    return readable(line if len(line) <= LINE and len(text) <= READ else f"{line[: LINE - 1]}…")


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a docstring, without its line breaks."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]


def sentences(parts: Iterable[str]) -> str:
    """Notes as sentences, whether or not they were written as such."""
    return " ".join(
        part[:1].upper() + part[1:] + ("" if part[-1] in ".!?…:" else ".") for part in map(str.strip, parts) if part
    )


def utc(at: int) -> str:
    """A moment, for those without JavaScript; with it, the page says it in their own zone."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%d %b %Y, %H:%M:%S UTC")


def duration(ms: float) -> str:
    """A length of time in its two largest units."""
    if ms < SECOND:
        return f"{max(0, round(ms))} ms"
    if ms < MINUTE:
        return f"{ms // 100 / 10:.1f} s"
    for unit, name, smaller, small_name in ((MINUTE, "min", SECOND, "s"), (HOUR, "h", MINUTE, "min")):
        if ms < unit * 60 and ms < DAY:
            return f"{int(ms // unit)} {name} {int(ms % unit // smaller)} {small_name}"
    return f"{int(ms // DAY)} d {int(ms % DAY // HOUR)} h"


def count(number: float) -> str:
    """A number without needless decimals."""
    return f"{number:,.10g}"


def pace(rate: float) -> str:
    """So many a second, or a minute or an hour where they are few."""
    for unit, factor in (("second", 1), ("minute", 60)):
        if rate * factor >= 1:
            return f"{rate * factor:,.3g} a {unit}" if rate * factor < 1000 else f"{rate * factor:,.0f} a {unit}"  # noqa: PLR2004
    return f"{rate * 3600:,.3g} an hour"


def page_link(record_or_id: Record | str) -> str:
    """Where the page of a task is."""
    task_id = record_or_id.id if isinstance(record_or_id, Record) else record_or_id
    return f"/tasks/{quote(task_id, safe='')}"


def form_link(record: Record) -> str:
    """Where the form of a task is, filled with the arguments of its record."""
    return f"/forms/{quote(record.name, safe='')}?from={quote(record.id, safe='')}"


def like_link(record: Record) -> str:
    """The same, for a submission that has nothing else to do with it."""
    return f"/forms/{quote(record.name, safe='')}?like={quote(record.id, safe='')}"


def waited(record: Record) -> int | None:
    """Milliseconds from when it was submitted, or became due, to its first start."""
    ready = record.submitted_at
    for entry in record.timeline:
        if entry["event"] == "due":
            ready = entry["at"]
        if entry["event"] == "started":
            return max(0, entry["at"] - ready)
    return None


def ran(record: Record) -> int | None:
    """Milliseconds that the last attempt took."""
    if not record.started_at or not record.finished_at:
        return None
    return record.finished_at - record.started_at


def waits_for(record: Record) -> tuple[str, str]:
    """What a PENDING task waits for: ``task`` and its id, ``limit`` and its words, or something and a queue.

    That is ``broker``, ``paused``, ``again`` or ``worker``.
    """
    last = next((entry for entry in reversed(record.timeline) if entry["event"] != "replayed"), None)
    event, detail = (last["event"], last.get("detail", "")) if last else ("", "")
    if detail.startswith("waits for "):
        return "task", detail.removeprefix("waits for ")
    if event == "limited":
        return "limit", detail
    if event == "held":
        return "paused", record.queue
    if event == "publish deferred":
        return "broker", record.queue
    return "again" if event in ("lease run out", "worker lost", "handed back") else "worker", record.queue


def replays(record: Record) -> list[str]:
    """The ids of the tasks that repeat this one."""
    return [entry["detail"] for entry in record.timeline if entry["event"] == "replayed" and "detail" in entry]


def events(record: Record) -> list[dict[str, Any]]:
    """The timeline, each entry with ``after``: the milliseconds since the one before (None for the first)."""
    entries: list[dict[str, Any]] = []
    for entry in record.timeline:
        before = entries[-1]["at"] if entries else None
        entries.append({**entry, "after": None if before is None else max(0, entry["at"] - before)})
    return entries


#: States as people read them: the contract's names, without shouting.
STATES: Final = {state: str(state).capitalize() for state in State}


def size(of_bytes: float) -> str:
    """A number of bytes in the unit that people know."""
    for unit in ("B", "KB", "MB"):
        if of_bytes < 1000:  # noqa: PLR2004 - of the unit
            return f"{of_bytes:.0f} {unit}"
        of_bytes /= 1000
    return f"{of_bytes:.1f} GB"


FILTERS: Final = {
    "readable": readable,
    "in_one_line": in_one_line,
    "shortened": shortened,
    "paragraphs": paragraphs,
    "sentences": sentences,
    "rfc3339": rfc3339,
    "utc": utc,
    "duration": duration,
    "count": count,
    "pace": pace,
    "page_link": page_link,
    "form_link": form_link,
    "size": size,
    "limit_words": limits.words,
    "like_link": like_link,
    "waited": waited,
    "ran": ran,
    "waits_for": waits_for,
    "replays": replays,
    "events": events,
}
