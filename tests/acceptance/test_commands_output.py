"""What scripts rely on: exit statuses, JSON on both streams, pipes that close, disks that are full, any locale."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from async_tasks import errors
from async_tasks.cli.base import describe
from async_tasks.web.problems import BY_ERROR
from tests.support.commands import COMMAND
from tests.support.waiting import wait_until

TEXT = "Grüße 日本語 👩‍👩‍👧"


@pytest.mark.parametrize(
    ("arguments", "status", "kind", "problems"),
    [
        (["submit", "ad"], 1, "unknown-task", []),
        (["submit", "add", "a=1"], 1, "invalid-arguments", [{"field": "b", "message": "is required"}]),
        (["submit", "add", "a"], 1, "invalid-option", None),
        (["submit"], 2, "usage", []),
        (["submit", "--nonsense"], 2, "usage", []),
        (["show", "nobody"], 1, "unknown-record", []),
        (["show"], 2, "usage", []),
        (["cancel", "nobody"], 1, "unknown-record", []),
        (["replay", "nobody"], 1, "unknown-record", []),
        (["list", "--state", "done"], 2, "usage", []),
        (["list", "--cursor", "x"], 1, "invalid-option", None),
        (["watch", "nobody"], 1, "unknown-record", []),
        (["health", "web"], 1, "unhealthy", []),
        (["health", "cat"], 2, "usage", []),
    ],
)
def test_with_json_an_error_is_one_object_on_standard_error(still, arguments, status, kind, problems):
    refused = still.run(*arguments, "--json")
    assert (refused.returncode, refused.stdout) == (status, "")
    error = json.loads(refused.stderr)["error"]
    assert (error["type"], type(error["message"])) == (kind, str)
    assert error["message"]
    if problems is None:
        assert [set(problem) for problem in error["problems"]] == [{"field", "message"}]
    else:
        assert error["problems"] == problems


def test_a_store_that_is_away_and_settings_that_are_wrong_are_told_as_json(still):
    away = still.run("list", "--json", env={"ASYNC_TASKS_REDIS_URL": "redis://127.0.0.1:1/0"})
    assert (away.returncode, json.loads(away.stderr)["error"]["type"]) == (3, "store-unavailable")
    wrong = still.run("list", "--json", env={"ASYNC_TASKS_PORT": "x", "ASYNC_TASKS_CONCURRENCY": "0"})
    assert wrong.returncode == 1
    error = json.loads(wrong.stderr)["error"]
    assert (error["type"], len(error["problems"])) == ("configuration-error", 2)
    checked = still.run("check", "--json", env={"ASYNC_TASKS_QUEUE": "x"})
    assert checked.returncode == 1
    assert json.loads(checked.stdout)["problems"] == json.loads(checked.stderr)["error"]["message"].splitlines()


def test_the_types_of_errors_are_the_apis():
    made = {
        errors.UnknownTask: errors.UnknownTask("x"),
        errors.InvalidArguments: errors.InvalidArguments("x", []),
        errors.InvalidOption: errors.InvalidOption("x", "y"),
        errors.InvalidBatch: errors.InvalidBatch([{"index": 0, "field": "", "message": "x"}]),
        errors.PayloadTooLarge: errors.PayloadTooLarge("x", 2, 1),
        errors.Undeliverable: errors.Undeliverable("x", "y"),
        errors.AlreadyFinished: errors.AlreadyFinished("x", "SUCCESS"),
        errors.NotFinished: errors.NotFinished("x", "PENDING"),
        errors.UnknownQueue: errors.UnknownQueue("x", ["celery_see"]),
    }
    for kind, slug in BY_ERROR:
        error = made.get(kind) or kind("x")
        assert describe(error)["error"]["type"] == slug


def test_a_pipe_that_closes_ends_it_quietly(still):
    many = json.dumps([{"name": "echo", "args": {"value": "x" * 1000}}] * 200)
    still.ok("submit", "--batch", "-", stdin=many)
    listings = (["list", "--all"], ["list", "--all", "--json"], ["list", "--limit", "200", "--json"])
    for arguments, unbuffered in itertools.product(listings, ("", "1")):
        listing = still.start(*arguments, env=still.env | {"PYTHONUNBUFFERED": unbuffered})
        listing.stdout.read(10)
        listing.stdout.close()
        assert listing.stderr.read() == ""
        assert listing.wait(20) == 128 + signal.SIGPIPE
        listing.stderr.close()
    watching = still.start("watch")
    watching.stdout.close()
    still.ok("submit", "add", "a=1", "b=2")

    def ended():
        still.ok("submit", "add", "a=1", "b=2")
        return watching.poll() is not None

    wait_until(ended, 20)
    assert (watching.returncode, watching.stderr.read()) == (141, "")
    watching.stderr.close()


def test_a_full_disk_is_told(still):
    still.submit("add", "a=1", "b=2")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [COMMAND, "list"], env=still.env, stdout=full, stderr=subprocess.PIPE, text=True, timeout=40, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "async-tasks: The output cannot be written: No space left on device\n"
    closed = subprocess.run(
        ["bash", "-c", f"{COMMAND} list >&-"], env=still.env, capture_output=True, text=True, timeout=40, check=False
    )
    assert (closed.returncode, closed.stderr) == (0, "")


@pytest.mark.parametrize(
    "locale",
    [
        {"LANG": "C", "LC_ALL": "C"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
    ids=["C", "ascii", "latin-1"],
)
def test_no_locale_ends_it(still, locale):
    env = still.env | dict.fromkeys(("LC_ALL", "LANG", "LC_CTYPE"), "") | locale

    def run(*arguments, stdin=b""):
        done = subprocess.run(
            [COMMAND, *arguments], env=env, cwd=still.folder, input=stdin, capture_output=True, timeout=40, check=False
        )
        assert b"Traceback" not in done.stderr, done.stderr
        return done

    record = json.loads(
        run("submit", "echo", "--args", "-", "--json", stdin=json.dumps({"value": TEXT}).encode()).stdout
    )
    assert record["args"] == {"value": TEXT}
    assert json.loads(run("show", record["id"], "--json").stdout) == record
    assert json.loads(run("list", "--all", "--json").stdout)["args"] == {"value": TEXT}
    for arguments in (["show", record["id"]], ["list"], ["list", "--text", "日本"], ["catalog"], ["submit", "größe"]):
        assert run(*arguments).returncode in (0, 1)


def test_halves_of_characters_do_not_end_it(still):
    # As a shell hands on a byte that is no UTF-8.
    refused = subprocess.run(
        [COMMAND.encode(), b"submit", b"reverse_text", b"text=\xff"],
        env=still.env,
        capture_output=True,
        timeout=40,
        check=False,
    )
    assert refused.returncode == 1
    assert b"text: Input should be a valid string" in refused.stderr
    refused = subprocess.run(
        [COMMAND.encode(), b"show", b"\xff", b"--json"], env=still.env, capture_output=True, timeout=40, check=False
    )
    assert (refused.returncode, json.loads(refused.stderr)["error"]["type"]) == (2, "usage")


def test_ctrl_c_leaves_no_document_half_written(still):
    many = json.dumps([{"name": "echo", "args": {"value": "x" * 1000}}] * 200)
    ids = still.json("submit", "--batch", "-", stdin=many)["ids"]
    listing = still.start("list", "--limit", "200", "--json")

    def in_the_pipe():
        return struct.unpack("i", fcntl.ioctl(listing.stdout, termios.FIONREAD, b"\0" * 4))[0]

    wait_until(lambda: in_the_pipe() >= 65536, 20)
    listing.send_signal(signal.SIGINT)
    out, _ = listing.communicate(timeout=20)
    assert listing.returncode == 130
    assert [task["id"] for task in json.loads(out)["tasks"]] == ids[::-1]


def test_ctrl_c_is_130_everywhere(still):
    reading = still.start("submit", "--batch", "-", stdin=subprocess.PIPE)
    # It has begun to read when it has taken what is in the pipe.
    os.write(reading.stdin.fileno(), b"\n" * 70_000)
    reading.send_signal(signal.SIGINT)
    _, err = reading.communicate(timeout=20)
    assert reading.returncode == 130
    assert "Traceback" not in err


def test_help_version_and_completion_load_neither_celery_nor_flask_nor_settings():
    program = (
        "import sys\n"
        "from async_tasks.cli import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "finally:\n"
        "    heavy = {'celery', 'kombu', 'flask', 'redis', 'pydantic', 'structlog', 'gevent'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    for arguments in (["--help"], ["--version"], ["completion", "bash"], ["submit", "--help"], ["list", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=40, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout
