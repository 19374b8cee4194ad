"""``watch`` and ``--wait``: on a terminal, in a file, as JSON; through an outage, to a timeout, to Ctrl-C."""

from __future__ import annotations

import itertools
import json
import re
import select
import signal
import subprocess

import pytest

from tests.support.gated_tasks import Gate
from tests.support.waiting import wait_until

BAR = "█"


@pytest.fixture
def gate(tmp_path):
    return Gate(tmp_path)


def climb(cli, gate, steps):
    return cli.submit("climb", f"gate={gate}", f"steps={steps}")


def test_a_terminal_shows_a_bar_that_moves_and_every_change_with_its_time(cli, gate):
    task_id = climb(cli, gate, 4)
    watched = cli.terminal("watch", task_id)
    for step in (1, 2, 3):
        watched.wait_for(lambda step=step: f"{step}/4" in watched.raw)
        bar = "█" * round(30 * step / 4) + "░" * round(30 - 30 * step / 4)
        assert re.fullmatch(rf"STARTED  {bar}  {step * 25} %  {step}/4  step {step}  0:0\d", watched.lines()[-1])
        gate.open(step)
    gate.open(4)
    assert watched.wait() == 0
    head, shown_id, submitted, started, succeeded, state, result = watched.lines()
    assert (head, shown_id) == (f"climb gate={gate} steps=4", task_id)
    assert submitted[12:] == "  submitted"
    assert "  started (" in started
    assert "  succeeded" in succeeded
    assert state.startswith("SUCCESS, waited ")
    assert result == "4"
    # A second look finds it finished, and says the same without a bar.
    again = cli.terminal("watch", task_id)
    assert again.wait() == 0
    assert again.lines() == watched.lines()
    assert BAR not in again.raw


def test_the_bar_fits_the_terminal_and_is_ascii_where_there_is_nothing_else(cli, gate):
    task_id = climb(cli, gate, 3)
    narrow = cli.terminal("watch", task_id, columns=34)
    plain = cli.terminal("watch", task_id, env={"PYTHONIOENCODING": "ascii"})
    dumb = cli.terminal("watch", task_id, env={"TERM": "dumb"})
    resized = cli.terminal("watch", task_id, columns=120)
    narrow.wait_for(lambda: "33 %" in "".join(narrow.lines()[-1:]))
    assert BAR not in narrow.raw
    resized.wait_for(lambda: BAR in resized.raw)
    resized.resize(34)
    plain.wait_for(lambda: "#" * 10 + "." * 20 in "".join(plain.lines()))
    dumb.wait_for(lambda: "33 %" in dumb.raw)
    gate.open(1)
    for terminal in (narrow, resized):
        terminal.wait_for(lambda terminal=terminal: "67 %" in terminal.lines()[-1])
        assert len(terminal.lines()[-1]) < 34
    gate.open(2, 3)
    for terminal in (narrow, plain, dumb, resized):
        assert terminal.wait() == 0
    assert plain.raw.isascii()
    assert not re.search("\x1b|\r(?!\n)", dumb.raw)


def test_no_color_means_none(cli):
    task_id = cli.submit("add", "a=1", "b=2")
    assert "\x1b[32m" in _raw(cli, "watch", task_id, env={})
    for arguments in (["watch", task_id], ["show", task_id], ["list", "--limit", "3"]):
        assert "\x1b[" not in _raw(cli, *arguments, env={"NO_COLOR": "1"}).replace("\r\x1b[K", "")


def _raw(cli, *arguments, env):
    terminal = cli.terminal(*arguments, env=env)
    assert terminal.wait() == 0
    return terminal.raw


def test_elsewhere_each_change_is_a_line(cli, gate):
    task_id = climb(cli, gate, 2)
    watched = cli.start("watch", task_id)
    lines = [watched.stdout.readline().rstrip("\n").split("\t") for _ in range(3)]
    gate.open(1)
    lines.append(watched.stdout.readline().rstrip("\n").split("\t"))
    gate.open(2)
    lines += [line.split("\t") for line in watched.communicate(timeout=20)[0].splitlines()]
    times = [line[0] for line in lines[:-1]]
    assert times == sorted(times)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at) for at in times)
    assert [re.sub(r" \(.*", "", line[1]) for line in lines] == [
        *("submitted", "started", "progress", "progress", "succeeded", "2"),
    ]
    assert [line[2] for line in lines[2:4]] == ["50 %  1/2  step 1", "100 %  2/2  step 2"]
    assert lines[-1] == ["SUCCESS", "2"]


def test_json_is_a_record_a_line_as_it_changes(cli, gate):
    task_id = climb(cli, gate, 2)
    watched = cli.start("watch", task_id, "--json")
    first = json.loads(watched.stdout.readline())
    assert first["id"] == task_id
    gate.open(1, 2)
    records = [first, *map(json.loads, watched.communicate(timeout=20)[0].splitlines())]
    assert watched.returncode == 0
    assert records[-1] == cli.json("show", task_id)
    assert records[-1]["state"] == "SUCCESS"
    assert all(one != other for one, other in itertools.pairwise(records))


def test_the_exit_status_says_how_it_ended(cli):
    failed = cli.submit("fail", "text=why")
    assert cli.ok("watch", failed, status=1).splitlines()[-1] == "FAILURE\tbuiltins.ValueError: why"
    waiting = cli.submit("add", "a=1", "b=2", "--delay", "1h")
    late = cli.run("watch", waiting, "--timeout", "0.2")
    assert late.returncode == 4
    assert f"Task {waiting} is still SCHEDULED after 0.2 s, and goes on" in late.stderr
    as_json = cli.run("watch", waiting, "--timeout", "0", "--json")
    assert as_json.returncode == 4
    assert json.loads(as_json.stdout)["state"] == "SCHEDULED"
    assert json.loads(as_json.stderr)["error"]["type"] == "still-running"
    watched = cli.start("watch", waiting)
    watched.stdout.readline()
    cli.ok("cancel", waiting)
    assert watched.communicate(timeout=20)[0].splitlines()[-1].startswith("REVOKED\t")
    assert watched.returncode == 1
    assert "no task with the id 'nobody'" in cli.run("watch", "nobody").stderr


def test_ctrl_c_ends_watching_and_not_the_task(cli, gate):
    task_id = climb(cli, gate, 2)
    watched = cli.terminal("watch", task_id)
    watched.wait_for(lambda: BAR in watched.raw)
    watched.type("\x03")
    assert watched.wait() == 130
    assert watched.lines()[-1].startswith(f"async-tasks: no longer watching; task {task_id} goes on")
    assert not any(BAR in line or "^C" in line for line in watched.lines())
    waiting = cli.start("watch", task_id, "--json")
    waiting.stdout.readline()
    waiting.send_signal(signal.SIGINT)
    out, err = waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    assert all(json.loads(line)["id"] == task_id for line in out.splitlines())
    (line,) = err.splitlines()
    assert "goes on" in json.loads(line)["note"]["message"]
    gate.open(1, 2)
    assert json.loads(cli.ok("watch", task_id, "--json").splitlines()[-1])["state"] == "SUCCESS"


def test_without_an_id_every_change_is_a_line(cli):
    watched = cli.start("watch", "--timeout", "120")
    succeeded = cli.start("watch", "--state", "success", "--task", "total", "--json")
    begun(cli, watched, succeeded)
    task_id = cli.submit("total", "values=[1, 2]")
    cli.ok("submit", "add", "a=1", "b=2", "--wait")
    found = json.loads(_line(succeeded, task_id))
    assert found["links"] == {"self": f"/api/v1/tasks/{task_id}"}
    assert (found["name"], found["state"], found["event"]) == ("total", "SUCCESS", "succeeded")
    lines = [_line(watched, task_id).rstrip("\n").split("\t") for _ in range(3)]
    assert [line[1:] for line in lines] == [
        [task_id, "PENDING", "total", "submitted"],
        [task_id, "STARTED", "total", "started"],
        [task_id, "SUCCESS", "total", "succeeded"],
    ]
    for process in (watched, succeeded):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (130, "")
    assert not any('"add"' in line for line in out.splitlines())
    assert cli.run("watch", "--timeout", "0.2").returncode == 0
    assert cli.run("watch", task_id, "--state", "SUCCESS").returncode == 2


def begun(cli, *watching):
    """Wait until these watch everything: they show what happens from then on."""
    streams = [process.stdout for process in watching]

    def all_have() -> bool:
        cli.submit("total", "values=[1]")
        return len(select.select(streams, [], [], 0.2)[0]) == len(streams)

    wait_until(all_have, 30)


def _line(process, task_id):
    return next(line for line in process.stdout if task_id in line)


def test_an_outage_of_the_store_is_said_and_outlived(cli, gate):
    task_id = climb(cli, gate, 2)
    watched = cli.terminal("watch", task_id)
    everything = cli.start("watch")
    begun(cli, everything)
    watched.wait_for(lambda: BAR in watched.raw)
    cli.store.pause()
    try:
        watched.wait_for(lambda: "did not answer within 2 s" in watched.raw)
        assert everything.stderr.readline().rstrip().endswith("trying again")
    finally:
        cli.store.resume()
    gate.open(1, 2)
    assert watched.wait(30) == 0
    lines = watched.lines()
    assert [line.split("  ")[1].split(" (")[0] for line in lines if line[2:3] == ":"][-1] == "succeeded"
    assert "succeeded" in _line(everything, f"{task_id}\tSUCCESS")
    assert everything.stderr.readline() == "async-tasks: the store answers again\n"
    cli.store.kill()
    assert everything.stderr.readline().rstrip().endswith("trying again")
    cli.store.start()
    new = cli.submit("add", "a=1", "b=2")
    assert _line(everything, new)
    everything.send_signal(signal.SIGINT)
    everything.communicate(timeout=20)
    # At the beginning, an outage is an error like everywhere.
    absent = {"ASYNC_TASKS_REDIS_URL": "redis://127.0.0.1:1/0"}
    assert cli.run("watch", task_id, env=absent).returncode == 3
    assert cli.run("watch", env=absent).returncode == 3


def test_wait_shows_the_bar_beside_the_output_and_prints_the_result_alone(cli, gate):
    waited = cli.terminal("submit", "climb", f"gate={gate}", "steps=4", "--wait", stdout=False)
    waited.wait_for(lambda: BAR in waited.raw)
    gate.open(1, 2, 3, 4)
    assert waited.wait() == 0
    assert waited.output() == "4\n"
    (task_id,) = waited.lines()
    assert cli.json("show", task_id)["result"] == 4
    quiet = cli.run("submit", "echo", 'value={"a": [1, "é"]}', "--wait")
    assert (quiet.stdout, quiet.stderr) == ('{"a": [1, "é"]}\n', "")
    failed = cli.run("submit", "fail", "text=why", "--wait")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "async-tasks: FAILURE: builtins.ValueError: why\n"
    late = cli.run("submit", "steps", "count=1", "pause=0", "--delay", "1h", "--wait", "--timeout", "0.1")
    assert (late.returncode, late.stdout) == (4, "")
    interrupted = cli.start("submit", "climb", f"gate={gate}/none", "steps=1", "--wait")
    wait_until(lambda: f"{gate}/none" in cli.ok("list", "--task", "climb", "--state", "started"), 20)
    interrupted.send_signal(signal.SIGINT)
    out, err = interrupted.communicate(timeout=20)
    assert (interrupted.returncode, out) == (130, "")
    assert "goes on" in err


def test_what_a_task_says_cannot_drive_the_terminal(cli):
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\nnext"
    task_id = cli.submit("echo", "--args", json.dumps({"value": evil}))
    failed = cli.submit("fail", "--args", json.dumps({"text": evil}))
    message = json.dumps({"path": str(cli.folder / "evil"), "line": evil, "seconds": 0})
    cli.submit("append", "--args", message)
    terminals = [
        cli.terminal(*arguments)
        for arguments in (
            ["watch", task_id],
            ["watch", failed],
            ["show", task_id],
            ["show", failed, "--traceback"],
            ["show", task_id, "--json"],
            ["list", "--limit", "5"],
            ["list", "--limit", "5", "--json"],
            ["submit", "echo", "--args", json.dumps({"value": evil}), "--wait"],
            ["submit", "fail", "--args", json.dumps({"text": evil}), "--wait"],
            ["show", "nobody\x1b[2J"],
        )
    ]
    for terminal in terminals:
        terminal.wait()
        for harm in ("\x1b]", "\x1b[2J", "\x9b", "\u202e", "\x07"):
            assert harm not in terminal.raw, terminal.raw
    # A program gets a text as it is.
    done = subprocess.run(
        [
            cli.env["PATH"].split(":")[0] + "/async-tasks",
            "submit",
            "echo",
            "--args",
            json.dumps({"value": evil}),
            "--wait",
        ],
        env=cli.env,
        cwd=cli.folder,
        capture_output=True,
        timeout=40,
        check=True,
    )
    assert done.stdout.decode() == evil + "\n"
