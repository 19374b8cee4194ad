"""Records as text for people: the bar, the table, one record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from async_tasks.ledger import Record, State
from async_tasks.ops.display import describe_call, describe_record, new_events, row, table
from async_tasks.ops.progressbar import describe_progress, render
from async_tasks.ops.terminal import cells

AT = 1_800_000_000_000


def marked(text, style):
    return f"<{style}>{text}</>" if text else text


def record(**changes):
    made = Record.from_document(
        {
            "id": "0193b0a1-0000-7000-8000-000000000000",
            "name": "steps",
            "state": "STARTED",
            "args": '{"count": 3}',
            "queue": "celery_see",
            "submitted_at": AT,
            "started_at": AT + 20,
            "attempts": 1,
            "timeline": [{"at": AT, "event": "submitted"}],
        }
    )
    return replace(made, **changes)


def progress(done, total, message=None):
    return {"done": done, "total": total, "message": message}


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (79, "STARTED  ███████████████░░░░░░░░░░░░░░░  50 %  1/2  step 1  0:07"),
        (60, "STARTED  █████████████░░░░░░░░░░░░░  50 %  1/2  step 1  0:07"),
        (40, "STARTED  ████░░░░  50 %  1/2  ste…  0:07"),
        (39, "STARTED  50 %  1/2  step 1  0:07"),
        (34, "STARTED  50 %  1/2  step 1  0:07"),
        (24, "STARTED  50 %  1/…  0:07"),
        (13, "STARTED  0:07"),
        (9, "STARTED…"),
    ],
)
def test_the_bar_fits(width, line):
    shown = render(record(progress=progress(1, 2, "step 1")), 7, width)
    assert cells(shown) <= width
    assert shown == line


def test_the_bar_says_what_there_is():
    assert render(record(), 7, 79) == "STARTED  runs  0:07"
    assert render(record(state=State.PENDING), 7, 79) == "PENDING  waits for a worker  0:07"
    # What a task said before it was tried again says nothing of now.
    assert render(record(state=State.RETRY, progress=progress(1, 2)), 7, 79) == "RETRY  waits to be tried again  0:07"
    assert render(record(progress=progress(5, None, "lines")), 7, 79) == "STARTED  5 done  lines  0:07"
    assert render(record(progress=progress(0, 0)), 7, 79) == "STARTED  0 done  0:07"
    full = render(record(progress=progress(2, 2)), 7, 79, unicode=False)
    assert full == f"STARTED  {'#' * 30}  100 %  2/2  0:07"
    evil = render(record(progress=progress(1, 2, "\x1b[2J\nü")), 7, 79, unicode=False)
    assert evil.endswith(r"50 %  1/2  \x1b[2J\n\xfc  0:07")
    coloured = render(record(progress=progress(1, 3)), 7, 79, ink=marked)
    assert coloured.startswith("<STARTED>STARTED</>  <STARTED>██████████</><faint>░░░░░░░░░░░░░░░░░░░░</>  33 %")
    assert describe_progress(progress(0.5, 1.5)) == "33 %  0.5/1.5"


def test_the_table_is_never_wider_than_the_terminal():
    records = [
        record(args={"text": "日本語" * 40}),
        record(name="n" * 100, state=State.SCHEDULED, args=None),
        record(id="foreign/\x1b[2J id " + "x" * 30, args=[1, 2]),
    ]
    for width in range(30, 200, 7):
        for line in table(records, width):
            is_id = any(line.startswith(text) for text in ("0193b0a1", "foreign"))
            assert cells(line) <= width or (is_id and "  " not in line), (width, line)
            assert line.isprintable()
    assert list(table([], 80)) == []
    first, *_ = table(records[:1], 120, ink=marked)
    assert first.startswith("<faint>ID ")
    assert len(list(table(records, 120, head=False))) == 3


def test_a_row_has_five_columns_whatever_is_in_it():
    odd = record(id="a\tb", name="n\n", args={"k\t": "v\t\n\x1b", "n": [1]})
    assert row(odd) == "a\\tb\tSTARTED\t2027-01-15T08:00:00.000Z\tn\\n\tk\\t=v\\t\\n\\x1b n=[1]"
    assert describe_call(record(args=None)) == "steps"
    assert describe_call(record(args=[1])) == "steps [1]"


def test_nothing_in_a_record_is_printed_as_it_is():
    evil = "\x1b[2J"
    made = record(
        id=evil,
        name=evil,
        args={evil: evil},
        result=evil,
        error={"type": evil, "message": evil, "traceback": evil, "fingerprint": evil},
        progress=progress(1, 2, evil),
        queue=evil,
        submitted_by=evil,
        batch_id=evil,
        parent_id=evil,
        replay_of=evil,
        timeline=(
            {"at": AT, "event": evil, "worker": evil, "detail": evil},
            {"at": AT, "event": "replayed", "detail": evil},
        ),
    )
    text = describe_record(made, traceback=True)
    assert "\x1b" not in text
    assert text.count(r"\x1b[2J") >= 14


def test_new_events_are_those_after_the_last():
    entries = [{"at": AT + n, "event": "started"} for n in range(4)]
    made = record(timeline=tuple(entries))
    assert new_events(made, None) == entries
    assert new_events(made, entries[1]) == entries[2:]
    assert new_events(made, entries[3]) == []
    # It has been left out of a long timeline meanwhile.
    assert new_events(made, {"at": AT - 1, "event": "submitted"}) == entries
    twice = record(timeline=(entries[0], entries[0], entries[1]))
    assert new_events(twice, entries[0]) == [entries[1]]
