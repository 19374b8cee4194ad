"""What the pages say of a record: how long it waited and ran, what it waits for, what happened when."""

from __future__ import annotations

import time
from typing import Any

import pytest

from async_tasks.ledger.record import Record
from async_tasks.web import words


def record(timeline: list[tuple[int, str, str]], **fields: Any) -> Record:
    """A record with that timeline of moments, events and details."""
    entries = [{"at": at, "event": event, "detail": detail} for at, event, detail in timeline]
    document = {"id": "i", "name": "n", "state": "PENDING", "queue": "q", "submitted_at": 1000, **fields}
    return Record.from_document({**document, "timeline": entries})


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5, "0 ms"),
        (0, "0 ms"),
        (999, "999 ms"),
        (1234, "1.2 s"),
        (59_999, "59.9 s"),
        (60_000, "1 min 0 s"),
        (61_000, "1 min 1 s"),
        (3_599_999, "59 min 59 s"),
        (3_600_000, "1 h 0 min"),
        (86_399_999, "23 h 59 min"),
        (86_400_000, "1 d 0 h"),
        (200_000_000, "2 d 7 h"),
    ],
)
def test_durations(ms: float, text: str) -> None:
    assert words.duration(ms) == text


def test_a_wait_is_counted_from_when_it_could_have_started() -> None:
    assert words.waited(record([(1000, "submitted", "")])) is None
    assert words.waited(record([(1000, "submitted", ""), (1250, "started", ""), (9000, "started", "")])) == 250
    scheduled = [(1000, "submitted", ""), (61_000, "due", ""), (61_100, "started", ""), (70_000, "due", "")]
    assert words.waited(record(scheduled)) == 100


def test_a_run_is_the_last_attempts() -> None:
    assert words.ran(record([], started_at=5000)) is None
    assert words.ran(record([], finished_at=5000)) is None
    assert words.ran(record([], started_at=5000, finished_at=5600)) == 600


@pytest.mark.parametrize(
    ("timeline", "what"),
    [
        ([], ("worker", "q")),
        ([(1, "submitted", "")], ("worker", "q")),
        ([(1, "submitted", "waits for a/b")], ("task", "a/b")),
        ([(1, "submitted", "waits for a/b"), (2, "sent", "")], ("worker", "q")),
        ([(1, "submitted", ""), (2, "publish deferred", "refused")], ("broker", "q")),
        ([(1, "submitted", ""), (2, "worker lost", "killed")], ("again", "q")),
        ([(1, "submitted", ""), (2, "lease run out", "killed"), (3, "replayed", "x")], ("again", "q")),
    ],
)
def test_what_a_pending_task_waits_for(timeline: list[tuple[int, str, str]], what: tuple[str, str]) -> None:
    assert words.waits_for(record(timeline)) == what


def test_a_timeline_says_what_took_how_long() -> None:
    told = words.events(record([(1000, "submitted", ""), (1200, "started", ""), (1100, "failed", "")]))
    assert [entry["after"] for entry in told] == [None, 200, 0]


def test_replays_are_found() -> None:
    assert words.replays(record([(1, "failed", "x"), (2, "replayed", "a"), (3, "replayed", "b")])) == ["a", "b"]


def test_links_hold_any_id() -> None:
    assert words.page_link("a/b %c") == "/tasks/a%2Fb%20%25c"
    assert words.page_link(record([])) == "/tasks/i"


@pytest.mark.parametrize(
    "value", ["x " * 500_000, list(range(500_000)), {"a": {"b": ["x"] * 500_000}, "c": "x" * 500_000}]
)
def test_a_line_of_a_large_value_costs_little(value: Any) -> None:
    began = time.process_time()
    for _ in range(40):
        line = words.in_one_line(value)
    assert (len(line), line[-1]) == (words.LINE, "…")
    assert time.process_time() - began < 0.2


@pytest.mark.parametrize(("number", "text"), [(3.0, "3"), (1234567.0, "1,234,567"), (0.5, "0.5")])
def test_numbers(number: float, text: str) -> None:
    assert words.count(number) == text
