"""Results of a batch as files: exact as JSON lines, and harmless in a spreadsheet as CSV."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from async_tasks.ledger import Record, State
from async_tasks.queries import Row
from async_tasks.web import downloads

RECORD = Record.from_document(
    {"id": "a", "name": "echo", "state": "PENDING", "queue": "celery_see", "submitted_at": 0, "timeline": ()}
)


def row(index=0, **fields):
    return Row(index, f"id-{index}", replace(RECORD, **fields))


def table(*parts, final=True):
    """The cells of a file, and the rows by the names of its columns."""
    raw = b"".join(downloads.table(lambda: parts, final=final))
    assert raw.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


def test_objects_have_columns():
    found = table(
        [row(0, state=State.SUCCESS, args={"n": 1, "who": {"name": "Ada"}}, result={"ok": True, "list": [1, "=2"]})],
        [row(1, state=State.FAILURE, args={"n": None}, error={"type": "ValueError", "message": "no\nway", "traceback": None, "fingerprint": "f"})],
        [Row(2, None, None)],
    )  # fmt: skip
    assert list(found[0]) == [
        "index", "id", "state", "args.n", "args.who.name", "result.ok", "result.list", "error.type", "error.message",
    ]  # fmt: skip
    assert list(found[0].values()) == ["0", "id-0", "SUCCESS", "1", "Ada", "true", '[1, "=2"]', "", ""]
    assert list(found[1].values()) == ["1", "id-1", "FAILURE", "", "", "", "", "ValueError", "no\nway"]
    assert list(found[2].values()) == ["2", "", "", "", "", "", "", "", ""]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("-5", "-5"),
        ("+49", "+49"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_no_text_is_a_formula(text, cell):
    assert table([row(args={"v": text})])[0]["args.v"] == cell
    assert downloads.guarded(text) == cell


def test_names_of_columns_are_no_formulas_either():
    assert "args.=1" in table([row(args={"=1": 1})])[0]
    assert table([row(result=-5, args={})])[0]["result"] == "-5"


def test_what_has_no_column_is_put_into_the_last():
    wide = {f"n{at}": at for at in range(downloads.MAX_COLUMNS + 2)}
    (found,) = table([row(args=wide)])
    assert json.loads(found["more"]) == {"args.n200": 200, "args.n201": 201}

    # Of a batch that goes on, a result may come after the header is sent.
    parts = iter([[[row(args={"n": 1})]], [[row(args={"n": 1}, result={"x": 2})]]])
    raw = b"".join(downloads.table(lambda: next(parts), final=False)).decode("utf-8-sig")
    (late,) = csv.DictReader(io.StringIO(raw, newline=""))
    assert json.loads(late["more"]) == {"result.x": 2}


def test_lines_are_exact():
    half = "\ud800"
    lines = b"".join(downloads.ndjson([[row(0, args={"v": "=1\n"})], [row(1, args={"v": half})], [Row(2, None, None)]]))
    found = [json.loads(line) for line in lines.decode().splitlines()]
    assert found[0] == {
        "index": 0, "id": "id-0", "state": "PENDING", "args": {"v": "=1\n"}, "result": None, "error": None,
    }  # fmt: skip
    assert found[1]["args"] == {"v": "?"}
    assert found[2] == {"index": 2, "id": None, "state": None, "args": None, "result": None, "error": None}
