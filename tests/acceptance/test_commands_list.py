"""``list`` and ``show``: filters, pages, what stands on a terminal and what comes out of a pipe."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta

import pytest

from async_tasks.ops.terminal import cells


@pytest.fixture
def tasks(still):
    """Six tasks: three of a batch (one of them waits for its time, one is cancelled), and three others."""
    entries = [
        {"name": "add", "args": {"a": 1, "b": 2}},
        {"name": "add", "args": {"a": 3, "b": 4}, "delay": 3600},
        {"name": "echo", "args": {"value": "Grüße\tand\nmore"}},
    ]
    batch = still.json("submit", "--batch", "-", stdin=json.dumps(entries))
    rest = [{"name": "echo", "args": {"value": word * 30}} for word in ("needle", "hay", "日本語")]
    others = still.json("submit", "--batch", "-", stdin="\n".join(json.dumps(entry) for entry in rest))
    still.ok("cancel", batch["ids"][0])
    return batch | {"others": others["ids"]}


def ids(still, *arguments, **options):
    return [line.split("\t")[0] for line in still.ok("list", *arguments, **options).splitlines()]


def test_filters(still, tasks):
    first, second, third = tasks["ids"]
    needle, hay, _ = tasks["others"]
    assert ids(still) == [*reversed(tasks["others"]), third, second, first]
    assert ids(still, "--state", "revoked") == [first]
    assert ids(still, "--state", "SCHEDULED", "--task", "add") == [second]
    assert ids(still, "--task", "add") == [second, first]
    assert ids(still, "--batch", tasks["batch_id"]) == [third, second, first]
    assert ids(still, "--text", "NEEDLE") == [needle]
    assert ids(still, "--queue", "celery_see", "--state", "revoked") == [first]
    assert (
        ids(still, "--queue", "other")
        == ids(still, "--worker", "celery@nowhere")
        == ids(still, "--submitter", "me")
        == []
    )
    revoked = still.json("show", first)["error"]["fingerprint"]
    assert ids(still, "--fingerprint", revoked, "--task", "add") == [first]
    assert ids(still, "--since", "1h") == ids(still)
    assert ids(still, "--until", "1h") == []
    at = still.json("show", hay)["submitted_at"]
    assert hay in ids(still, "--since", at, "--until", at)
    # Without a zone it is a time of this machine's, as the table shows it.
    in_tokyo = (datetime.fromisoformat(at) + timedelta(hours=9)).strftime("%Y-%m-%d %H:%M:%S")
    assert hay in ids(still, "--since", in_tokyo, env={"TZ": "JST-9"})
    assert ids(still, "--since", in_tokyo) == []


def test_pages(still, tasks):
    everything = ids(still)
    page = still.json("list", "--limit", "4")
    assert [task["id"] for task in page["tasks"]] == everything[:4]
    rest = still.json("list", "--cursor", page["next_cursor"])
    assert [task["id"] for task in rest["tasks"]] == everything[4:]
    assert rest["next_cursor"] is None
    short = still.run("list", "--limit", "4")
    assert len(short.stdout.splitlines()) == 4
    assert f"--cursor {page['next_cursor']}" in short.stderr
    lines = still.ok("list", "--all", "--json").splitlines()
    assert [json.loads(line)["id"] for line in lines] == everything
    many = "\n".join(['{"name": "add", "args": {"a": 1, "b": 1}}'] * 450)
    assert len(still.json("submit", "--batch", "-", stdin=many)["ids"]) == 450
    assert len(still.ok("list", "--all").splitlines()) == 456
    assert len(still.json("list", "--limit", "300")["tasks"]) == 300
    assert still.run("list", "--all", "--limit", "3").returncode == 2


def test_a_pipe_gets_everything_and_one_line_each(still, tasks):
    lines = still.ok("list").splitlines()
    rows = [line.split("\t") for line in lines]
    assert all(len(row) == 5 for row in rows)
    assert rows[0][1:2] + rows[0][3:] == ["PENDING", "echo", "value=" + "日本語" * 30]
    assert rows[3][4] == r"value=Grüße\tand\nmore"
    assert rows[5][4] == "a=1 b=2"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", rows[0][2])


def test_a_terminal_gets_a_table_that_fits_it(still, tasks):
    terminals = {columns: still.terminal("list", columns=columns) for columns in (40, 80, 200)}
    for columns, terminal in terminals.items():
        assert terminal.wait() == 0
        assert all(cells(line) <= columns for line in terminal.lines())
        assert all(task_id in terminal.raw for task_id in [*tasks["ids"], *tasks["others"]])
        assert "\x1b[35mREVOKED" in terminal.raw
    narrow, usual, wide = (terminal.lines() for terminal in terminals.values())
    assert narrow[0] == tasks["others"][2]
    assert re.fullmatch(r"  PENDING    \d\d:\d\d:\d\d  echo value=日本…", narrow[1])
    assert re.split(r"\s{2,}", usual[0]) == ["ID", "STATE", "WHEN", "TASK"]
    assert len(usual) == len(wide) == 7
    assert usual[2].endswith("  echo value=hayhayhay…")
    assert cells(usual[1]) in (79, 80)
    assert wide[2].endswith("  echo value=" + "hay" * 30)


def test_nothing_is_said_in_words(still):
    empty = still.run("list")
    assert (empty.returncode, empty.stdout) == (0, "")
    assert "there are no tasks yet; submit one: async-tasks submit" in empty.stderr
    filtered = still.run("list", "--state", "failure")
    assert "no task fits these filters" in filtered.stderr
    assert still.json("list") == {"tasks": [], "next_cursor": None}
    assert still.ok("list", "--all", "--json") == ""


def test_show_says_durations_progress_and_where_it_came_from(cli, tmp_path):
    task_id = cli.ok("submit", "fail", "text=why", "--idempotency-key", "show").strip()
    cli.run("watch", task_id)
    new = cli.ok("replay", task_id, "text=because").strip()
    cli.run("watch", new)
    first, second = cli.ok("show", task_id), cli.ok("show", new)
    assert re.search(r"^  state      FAILURE, waited \d+ m?s, ran \d+ ms$", first, re.MULTILINE)
    assert "  error      builtins.ValueError: why\n" in first
    assert f"  replays    {new}\n" in first
    assert f"  replay of  {task_id}\n" in second
    assert "Traceback" not in first
    assert "raise ValueError(text)" in cli.ok("show", task_id, "--traceback")
    assert re.search(r"^    \d\d:\d\d:\d\d\.\d{3} +\+\d+ m?s  started \(celery@\S+, attempt 1\)$", first, re.MULTILINE)
    waiting = cli.submit("echo", 'value={"a": 1}', "--delay", "1h", "--expires", "2h")
    shown = cli.ok("show", waiting)
    assert '  arguments  {"value": {"a": 1}}\n' in shown
    assert re.search(r"^  due        \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$", shown, re.MULTILINE)
    assert "  expires    " in shown
    lines = cli.submit("echo", "--args", json.dumps({"value": "one\ntwo"}))
    cli.ok("watch", lines)
    assert "  result     one\n             two\n" in cli.ok("show", lines)
