"""``submit``, ``replay`` and ``cancel``: arguments from everywhere, keys, batches, and what is said of each."""

from __future__ import annotations

import json
import os
import re

import pytest

MISSING = "00000000-0000-0000-0000-000000000000"


def shown(still, *arguments, **options):
    return still.json("submit", *arguments, **options)


def test_values_come_from_the_line_from_files_and_from_standard_input(still):
    (still.folder / "letter.txt").write_text("Grüße,\n{}\n")
    (still.folder / "list.json").write_text("[1, 2]")
    (still.folder / "latin.txt").write_bytes("é".encode("latin-1"))
    assert shown(still, "reverse_text", "text@letter.txt")["args"] == {"text": "Grüße,\n{}\n"}
    assert shown(still, "total", "values@list.json")["args"] == {"values": [1, 2]}
    assert shown(still, "reverse_text", "text@-", stdin="é\n")["args"] == {"text": "é\n"}
    # Text from elsewhere never makes a file be read.
    assert shown(still, "reverse_text", "text=@letter.txt")["args"] == {"text": "@letter.txt"}
    assert shown(still, "reverse_text", "text=a=b@c")["args"] == {"text": "a=b@c"}
    assert shown(still, "reverse_text", "text=")["args"] == {"text": ""}
    assert shown(still, "echo", "value=5")["args"] == {"value": 5}
    assert shown(still, "echo", 'value={"a": null}')["args"] == {"value": {"a": None}}
    assert shown(still, "add", "--args", '{"a": 1, "b": 2}', "b=3")["args"] == {"a": 1, "b": 3}
    assert shown(still, "add", "--args", "-", stdin='{"a": 1, "b": 2}')["args"] == {"a": 1, "b": 2}
    for wrong, words in (
        (["text@none.txt"], "text: none.txt cannot be read: No such file or directory"),
        (["text@latin.txt"], "text: latin.txt is no UTF-8: byte 0 does not fit"),
        (["text=a", "text=b"], "text: is given twice"),
        (["text"], "text: must be key=value, or key@path"),
        (["text@-", "--args", "-"], "standard input can be read once"),
        (["--args", "[1]"], "--args: must be a JSON object"),
        (["--args", "{"], "--args: is no JSON"),
    ):
        refused = still.run("submit", "reverse_text", *wrong, stdin="")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert words in refused.stderr


def test_options(still):
    record = shown(still, "add", "a=1", "b=2", "--delay", "90m", "--expires", "7d")
    assert (record["state"], _ahead(record, "due_at"), _ahead(record, "expires_at")) == ("SCHEDULED", 5400, 604800)
    record = shown(still, "add", "a=1", "b=2", "--eta", "2030-01-31T12:00:00+01:00", "--expires", "2030-02-01 00:00")
    assert (record["due_at"], record["expires_at"]) == ("2030-01-31T11:00:00.000Z", "2030-02-01T00:00:00.000Z")
    once = shown(still, "add", "a=1", "b=2", "--idempotency-key", "k")
    assert shown(still, "add", "a=1", "b=2", "--idempotency-key", "k")["id"] == once["id"]
    other = still.run("submit", "add", "a=1", "b=3", "--idempotency-key", "k", "--json")
    assert other.returncode == 1
    error = json.loads(other.stderr)["error"]
    assert (error["type"], error["id"]) == ("idempotency-conflict", once["id"])
    for wrong, status, words in (
        (["--delay", "soon"], 2, "'soon' is no duration, such as 90, 30s, 15m, 2h or 7d"),
        (["--eta", "5"], 2, "is no time"),
        (["--expires", "x"], 2, "is neither a duration"),
        (["--delay", "1", "--eta", "2030-01-31T12:00:00Z"], 1, "give delay or eta, not both"),
        (["--priority", "11"], 1, "between 0 (normal) and 9"),
    ):
        refused = still.run("submit", "add", "a=1", "b=2", *wrong)
        assert refused.returncode == status
        assert words in " ".join(refused.stderr.split())


def _ahead(record, field):
    from datetime import datetime

    at = datetime.fromisoformat(record[field]) - datetime.fromisoformat(record["submitted_at"])
    return round(at.total_seconds())


def test_a_batch_is_an_array_or_a_line_each_from_a_file_or_standard_input(still):
    lines = '{"name": "add", "args": {"a": 1, "b": 2}, "delay": 60}\n\n{"name": "reverse_text", "args": {"text": "\u2028"}}\n'
    (still.folder / "tasks.ndjson").write_text("\ufeff" + lines)
    done = still.run("submit", "--batch", "tasks.ndjson")
    assert done.returncode == 0
    ids = done.stdout.splitlines()
    assert len(ids) == 2
    batch_id = re.match(r"async-tasks: batch (\S+): 2 tasks; async-tasks list --batch \1$", done.stderr)[1]
    assert still.json("show", ids[0])["state"] == "SCHEDULED"
    assert still.json("show", ids[1])["args"] == {"text": "\u2028"}
    assert len(still.json("list", "--batch", batch_id)["tasks"]) == 2
    array = json.dumps([{"name": "add", "args": {"a": 1, "b": 2}, "eta": "2030-01-31T12:00:00Z", "priority": None}])
    keyed = [still.json("submit", "--batch", "-", "--idempotency-key", "b", stdin=array) for _ in range(2)]
    assert keyed[0] == keyed[1]
    assert still.json("show", keyed[0]["ids"][0])["due_at"] == "2030-01-31T12:00:00.000Z"


def test_a_wrong_batch_is_refused_whole_naming_lines(still):
    text = """[
  {"name": "add", "args": {"a": 1, "b": 2}},
  {"name": "ad",
   "args": {}}, {"name": "add", "args": {"a": "x"}},

  {"name": "add", "args": {"a": 1, "b": 2}, "delay": -1}
]"""
    refused = still.run("submit", "--batch", "-", stdin=text)
    assert (refused.returncode, refused.stdout) == (1, "")
    errors = refused.stderr.splitlines()
    assert errors[0] == "async-tasks: line 3: name: There is no task named 'ad'. Did you mean 'add'?"
    assert errors[1].startswith("async-tasks: line 4: args.a: ")
    assert errors[2] == "async-tasks: line 4: args.b: is required"
    assert errors[3].startswith("async-tasks: line 6: delay: must be between 0")
    assert errors[4] == "async-tasks: nothing of the batch was submitted"
    assert still.json("list")["tasks"] == []
    as_json = json.loads(still.run("submit", "--batch", "-", "--json", stdin=text).stderr)["error"]
    assert as_json["type"] == "invalid-batch"
    assert as_json["problems"][0] == {
        "index": 1,
        "line": 3,
        "field": "name",
        "message": "There is no task named 'ad'. Did you mean 'add'?",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: a batch holds 1 to 10,000 entries, and this one holds 0"),
        ("[]", "holds 0"),
        ('{"name": "add"', "line 1: is no JSON"),
        ('[{"name": "add"},\n]', "line 2: is no JSON"),
        ('\n{"name": "add", "args": {}}\n5\n', "line 3: must be an object, such as"),
        ('{"name": 5}', "line 1: name: must be the name of a task"),
        ('{"nam": "add"}', "line 1: nam: is not known; did you mean 'name'?"),
        ('{"name": "add", "args": []}', "line 1: args: must be an object"),
        ('{"name": "add", "delay": "1"}', "line 1: delay: must be a number of seconds"),
        ('{"name": "add", "priority": 1.5}', "line 1: priority: must be a whole number"),
        ('{"name": "add", "eta": "later"}', "line 1: eta: 'later' is no time"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"name": "add", "args": {"a": ' + "9" * 5000 + "}}", "line 1: is no JSON"),
    ],
)
def test_what_is_no_batch(still, text, words):
    refused = still.run("submit", "--batch", "-", stdin=text)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert words in refused.stderr


def test_a_batch_takes_nothing_else(still):
    for arguments in (["add"], ["--args", "{}"], ["--wait"], ["--delay", "1"]):
        refused = still.run("submit", "--batch", "-", *arguments, stdin="[]")
        assert refused.returncode == 2
        assert "--batch takes these from the file: " in refused.stderr
    missing = still.run("submit", "--batch", "none.json")
    assert missing.returncode == 1
    assert "--batch: none.json cannot be read" in missing.stderr
    assert "Missing argument 'NAME'" in still.run("submit").stderr


def test_replay_takes_the_recorded_arguments_and_edited_ones(cli):
    first = cli.submit("add", "a=1", "b=2")
    cli.ok("watch", first)
    same = cli.json("replay", first)
    assert (same["args"], same["replay_of"], same["name"]) == ({"a": 1, "b": 2}, first, "add")
    assert cli.ok("replay", first, "b=5", "--wait") == "6\n"
    assert cli.ok("replay", first, "--args", '{"a": 7}', "b=1", "--wait") == "8\n"
    keyed = [cli.ok("replay", first, "a=9", "--idempotency-key", "r").strip() for _ in range(2)]
    assert keyed[0] == keyed[1]
    replays = [e["detail"] for e in cli.json("show", first)["timeline"] if e["event"] == "replayed"]
    assert replays[0] == same["id"]
    assert replays[-1] == keyed[0]
    wrong = cli.run("replay", first, "b=x", "--json")
    assert wrong.returncode == 1
    assert json.loads(wrong.stderr)["error"]["problems"][0]["field"] == "b"
    waiting = cli.submit("add", "a=1", "b=2", "--delay", "1h")
    early = cli.run("replay", waiting)
    assert early.returncode == 1
    assert "has not finished: SCHEDULED" in early.stderr
    assert cli.run("replay", MISSING).returncode == 1


def test_cancel_says_what_became_of_each(still):
    one, two = (still.submit("add", "a=1", "b=2") for _ in range(2))
    done = still.run("cancel", one, MISSING, two, one)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [f"{one} is revoked", f"{two} is revoked"]
    assert done.stderr == f"async-tasks: There is no task with the id '{MISSING}'.\n"
    again = still.run("cancel", two, "--json")
    assert (again.returncode, again.stdout) == (1, "")
    error = json.loads(again.stderr)["error"]
    assert (error["type"], error["id"], error["problems"]) == ("already-finished", two, [])
    three, four = (still.submit("add", "a=1", "b=2") for _ in range(2))
    both = still.run("cancel", three, four, "--json")
    assert both.returncode == 0
    assert [json.loads(line)["state"] for line in both.stdout.splitlines()] == ["REVOKED", "REVOKED"]
    away = {"ASYNC_TASKS_REDIS_URL": "redis://127.0.0.1:1/0"}
    gone = still.run("cancel", one, two, env=away)
    assert gone.returncode == 3
    assert f"not asked about: {two}" in gone.stderr
    assert still.run("cancel").returncode == 2


def test_cancel_stops_what_runs(cli, tmp_path):
    task_id = cli.submit("climb", f"gate={tmp_path}", "steps=1")
    watched = cli.start("watch", task_id)
    assert any("started" in line for line in watched.stdout)
    assert cli.ok("cancel", task_id) == f"{task_id} is being stopped\n"
    watched.communicate(timeout=30)
    assert watched.returncode == 1
    assert cli.json("show", task_id)["state"] == "REVOKED"


def test_a_broker_that_is_away_is_told_and_is_no_error(still):
    away = {"ASYNC_TASKS_BROKER_URL": "redis://127.0.0.1:1/0", "ASYNC_TASKS_PUBLISH_TIMEOUT": "0.5"}
    done = still.run("submit", "add", "a=1", "b=2", env=away)
    assert (done.returncode, os.linesep.join(done.stdout.split())) == (0, done.stdout.strip())
    assert "it is recorded, and published as soon as the broker does" in done.stderr
    assert json.loads(still.run("submit", "add", "a=1", "b=2", "--json", env=away).stdout)["state"] == "PENDING"
