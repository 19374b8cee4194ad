"""The timeline to scale: what each stretch was, whatever happened to the task."""

from __future__ import annotations

import json
from typing import Any

import pytest

from async_tasks.ledger.record import Record
from async_tasks.web.timeline import draw


def record(state: str, *events: tuple[int, str, dict[str, Any]] | tuple[int, str], **more: Any) -> Record:
    """A record with those events, at those milliseconds after its submission."""
    timeline = [{"at": 1000 + at, "event": event, **(rest[0] if rest else {})} for at, event, *rest in events]
    final = state in ("SUCCESS", "FAILURE", "REVOKED")
    return Record.from_document(
        {
            "id": "x",
            "name": "add",
            "state": state,
            "queue": "celery_see",
            "submitted_at": 1000,
            "finished_at": max(e["at"] for e in timeline if e["event"] != "replayed") if final else None,
            "timeline": timeline,
            "args": json.dumps({}),
            **more,
        }
    )


def told(of: Record, now: int = 0) -> list[tuple[str, str, list[tuple[str, str, str, str]]]]:
    """Rows, and the spans in them: kind, outcome, place and width in whole percent."""
    return [
        (
            row.label,
            row.worker,
            [(s.kind, s.outcome, s.left.partition(".")[0], s.width.partition(".")[0]) for s in row.spans],
        )
        for row in draw(of, 1000 + now).rows
    ]


def run(attempt: int, worker: str = "w") -> dict[str, Any]:
    """What the event of a start says."""
    return {"attempt": attempt, "worker": worker}


def test_a_task_that_waits_and_runs() -> None:
    done = record("SUCCESS", (0, "submitted"), (25, "started", run(1)), (100, "succeeded"))
    assert told(done) == [("Attempt 1", "w", [("waiting", "", "0", "25"), ("running", "succeeded", "25", "75")])]
    drawing = draw(done, 5000)
    assert drawing.ticks == [("0.000%", "0", "start"), ("50.000%", "50 ms", "middle"), ("100.000%", "100 ms", "end")]
    assert drawing.words == "Attempt 1: waited 25 ms, ran 75 ms; 100 ms in all"


def test_every_attempt_has_its_row_with_what_it_waited_for() -> None:
    retried = record(
        "FAILURE",
        (0, "submitted"), (0, "started", run(1, "a")), (20, "retry", {"attempt": 1}), (60, "due"),
        (70, "started", run(2, "b")), (80, "lease run out", run(2)), (80, "published again"),
        (90, "started", run(3, "a")), (95, "cancel requested"), (100, "failed"), (500, "replayed"),
    )  # fmt: skip
    assert told(retried) == [
        ("Attempt 1", "a", [("waiting", "", "0", "0"), ("running", "failed", "0", "20")]),
        ("Attempt 2", "b", [("backoff", "", "20", "40"), ("waiting", "", "60", "10"), ("running", "lost", "70", "10")]),
        ("Attempt 3", "a", [("waiting", "", "80", "10"), ("running", "failed", "90", "10")]),
    ]


@pytest.mark.parametrize(
    ("state", "events", "more", "rows"),
    [
        ("PENDING", [(0, "submitted")], {}, [("Before it starts", "", [("waiting", "", "0", "100")])]),
        (
            "SCHEDULED",
            [(0, "submitted")],
            {"due_at": 3000},
            [("Before it starts", "", [("scheduled", "", "0", "100")])],
        ),
        (
            "STARTED",
            [(0, "submitted"), (500, "due"), (750, "started", run(1))],
            {},
            [("Attempt 1", "w", [("scheduled", "", "0", "50"), ("waiting", "", "50", "25"), ("running", "", "75", "25")])],
        ),
        (
            "RETRY",
            [(0, "submitted"), (500, "started", run(1)), (1000, "retry")],
            {"due_at": 3000},
            [
                ("Attempt 1", "w", [("waiting", "", "0", "25"), ("running", "failed", "25", "25")]),
                ("Next attempt", "", [("backoff", "", "50", "50")]),
            ],
        ),
        ("REVOKED", [(0, "submitted"), (10, "cancelled")], {}, [("Before it starts", "", [("waiting", "", "0", "100")])]),
        (
            "FAILURE",
            [(0, "submitted"), (50, "started", run(1)), (100, "worker lost", run(1))],
            {},
            [("Attempt 1", "w", [("waiting", "", "0", "50"), ("running", "failed", "50", "50")])],
        ),
        ("FAILURE", [(0, "submitted"), (0, "dead letter")], {}, [("Before it starts", "", [("waiting", "", "0", "0")])]),
    ],
)  # fmt: skip
def test_whatever_a_task_is_at(state: str, events: Any, more: dict[str, Any], rows: Any) -> None:
    assert told(record(state, *events, **more), 1000) == rows


def test_what_is_planned_is_said_so() -> None:
    later = draw(record("SCHEDULED", (0, "submitted"), due_at=1000 + 86_400_000), 2000)
    assert later.rows[0].spans[0].planned
    assert later.rows[0].spans[0].words == "Is to wait 1 d 0 h"
    assert [tick.words for tick in later.ticks] == ["0", "6 h", "12 h", "18 h", "1 d"]


def test_of_many_attempts_the_first_and_the_last_are_drawn() -> None:
    events: list[Any] = [(0, "submitted")]
    for attempt in range(1, 21):
        events += [(attempt * 10, "started", run(attempt)), (attempt * 10 + 5, "retry")]
    drawing = draw(record("REVOKED", *events, (300, "cancelled")), 0)
    assert [row.label for row in drawing.rows][:4] == ["Attempt 1", "Attempt 2", "Attempt 3", "Attempt 13"]
    assert (len(drawing.rows), drawing.left_out) == (12, 9)
