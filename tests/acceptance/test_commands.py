"""The command, driven as a person and a script drive it: exit statuses, JSON, words; and what the README says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from async_tasks import engine
from tests.integration.conftest import outlive_results
from tests.support.commands import COMMAND, run
from tests.support.processes import Process, free_port
from tests.support.system import ROOT
from tests.support.waiting import wait_until


@pytest.fixture
def system(running_system):
    system = running_system(modules=("tests.support.tasks",))
    system.start("worker")
    return system


def test_submit_show_list_cancel(system):
    done = run("submit", "add", "a=1", "b=2", "--wait", "--json", env=system.env)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["state"], record["result"], record["args"]) == ("SUCCESS", 3, {"a": 1, "b": 2})

    shown = run("show", record["id"], env=system.env)
    assert shown.returncode == 0
    assert "result     3" in shown.stdout
    assert "succeeded" in shown.stdout

    failed = run("submit", "fail", "--args", "-", "--wait", env=system.env, stdin='{"text": "why"}')
    assert failed.returncode == 1
    assert "builtins.ValueError: why" in failed.stderr

    waiting = run("submit", "add", "a=1", "b=2", "--delay", "60", env=system.env)
    task_id = waiting.stdout.strip()
    assert run("cancel", task_id, env=system.env).returncode == 0
    again = run("cancel", task_id, env=system.env)
    assert again.returncode == 1
    assert "already finished: REVOKED" in again.stderr

    listed = run("list", "--state", "revoked", "--json", env=system.env)
    assert [entry["id"] for entry in json.loads(listed.stdout)["tasks"]] == [task_id]
    page = json.loads(run("list", "--limit", "2", "--json", env=system.env).stdout)
    rest = json.loads(run("list", "--limit", "2", "--json", "--cursor", page["next_cursor"], env=system.env).stdout)
    assert len(page["tasks"]) == 2
    assert [entry["id"] for entry in rest["tasks"]] == [record["id"]]

    healthy = run("health", "worker", env=system.env)
    assert healthy.returncode == 0, healthy.stderr
    assert "celery@" in healthy.stdout
    as_json = json.loads(run("health", "worker", "--json", env=system.env).stdout)
    assert (as_json["role"], as_json["healthy"], as_json["detail"]) == ("worker", True, healthy.stdout.strip())


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["submit", "ad"], 1, "Did you mean 'add'?"),
        (["submit", "add", "a=1"], 1, "b: "),
        (["submit", "add", "a"], 1, "must be key=value"),
        (["submit", "add", "--args", "[1]"], 1, "must be a JSON object"),
        (["submit", "add", "a=1", "b=2", "--priority", "11"], 1, "between 0 (normal) and 9"),
        (["show", "nobody"], 1, "no task with the id 'nobody'"),
        (["list", "--state", "DONE"], 2, "is none of SCHEDULED"),
        (["list", "--cursor", "x"], 1, "cursor"),
        (["dance"], 2, "No such command"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(profile, arguments, status, words):
    refused = run(*arguments, env=profile.env({"ASYNC_TASKS_MODULES": "tests.support.tasks"}))
    assert refused.returncode == status, refused.stderr
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_store_that_is_away_is_said_in_bounded_time(profile):
    refused = run("show", "x", env=profile.env({"ASYNC_TASKS_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}))
    assert refused.returncode == 3
    assert "did not answer within 2 s" in refused.stderr


def test_check_masks_secrets_and_reports_every_problem(tmp_path):
    env = {
        "PATH": "/usr/bin:/bin",
        "ASYNC_TASKS_REDIS_URL": "redis://:hunter2-hunter2@10.0.0.1:6379/0",
        "ASYNC_TASKS_HOST": "0.0.0.0",
        "ASYNC_TASKS_ADMIN_TOKEN": "short",
        "ASYNC_TASKS_QUEUE": "x",
    }
    checked = run("check", env=env, cwd=tmp_path)
    assert checked.returncode == 1
    assert "hunter2" not in checked.stdout + checked.stderr
    assert "redis://:********@10.0.0.1:6379/0" in checked.stdout
    for words in ("BROKER_URL is not", "ASYNC_TASKS_SECRET_KEY is required", "fewer than 16", "no such setting"):
        assert words in checked.stderr
    wrong = run("check", env=env | {"ASYNC_TASKS_PORT": "no", "ASYNC_TASKS_CONCURRENCY": "0"}, cwd=tmp_path)
    assert "ASYNC_TASKS_PORT" in wrong.stderr
    assert "ASYNC_TASKS_CONCURRENCY" in wrong.stderr


def test_beyond_loopback_nothing_starts_without_a_credential(profile):
    for role in ("web", "flower"):
        refused = run(role, "--host", "0.0.0.0", env=profile.env({"ASYNC_TASKS_SECRET_KEY": ""}))
        assert refused.returncode == 1
        assert "ASYNC_TASKS_ADMIN_TOKEN is required" in refused.stderr


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_celerys_own_worker_command_works(profile, tmp_path, pool):
    """Whatever the pool, a task that takes longer than a lease keeps it."""
    app = engine.build(profile.settings(modules=("tests.support.tasks",), queues=("other",)))
    command = f"-m celery -A async_tasks.engine worker -Q celery_see --loglevel=info --concurrency=4 --pool={pool}"
    env = profile.env({"ASYNC_TASKS_MODULES": "tests.support.tasks", "ASYNC_TASKS_LEASE": "1"})
    worker = Process([sys.executable, *shlex.split(command)], tmp_path / "celery.log", env=env, cwd=ROOT)
    worker.start()
    try:
        result = app.tasks["append"].delay(str(tmp_path / "effects"), "x", 2.5)
        assert result.get(timeout=20) == "x", worker.tail()
        assert app.ledger.get(result.id).attempts == 1
        del result
    finally:
        worker.stop(20)
        outlive_results(app)
        app.close_connections()


def test_a_script_needs_only_the_environment(system, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from tests.support.tasks import add\nprint(add.delay(2, 3).get(timeout=20))\n")
    env = system.env | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=40, check=False)
    assert (done.stdout.strip(), done.returncode) == ("5", 0), done.stderr


def test_the_minute_of_the_readme(tmp_path):
    """Its module, its commands, in an empty folder."""
    text = (ROOT / "README.md").read_text()
    section = text[text.index("## A task of your own") : text.index("## On RabbitMQ")]
    (tmp_path / "my_tasks.py").write_text(re.search(r"```python\n(.*?)```", section, re.DOTALL)[1])
    commands = [line.removeprefix("$ ") for line in re.findall(r"^\$ .*$", section, re.MULTILINE)]
    port = free_port()
    env = {
        "PATH": f"{Path(COMMAND).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "ASYNC_TASKS_PORT": str(port),
        "ASYNC_TASKS_FLOWER_PORT": str(free_port()),
    }
    up = Process(shlex.split(commands[0]), tmp_path / "up.log", env=env, cwd=tmp_path)
    up.start()
    try:
        wait_until(lambda: "async-tasks: ready" in up.output, 60, up.tail)
        for command in commands[1:]:
            localised = command.replace(":5000", f":{port}")
            done = subprocess.run(
                ["bash", "-c", localised],
                env=env,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, (command, done.stderr)
            assert "hello" in done.stdout, (command, done.stdout)
    finally:
        up.stop(30)


def test_the_examples_of_the_reference(tmp_path):
    """Every one of docs/commands.md, one after another in one shell, in a folder in which `up` runs."""
    text = (ROOT / "docs" / "commands.md").read_text()
    commands = re.findall(r"^\$ (.*)$", "".join(re.findall(r"```console\n(.*?)```", text, re.DOTALL)), re.MULTILINE)
    assert len(commands) > 30
    env = {
        "PATH": f"{Path(COMMAND).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "ASYNC_TASKS_PORT": str(free_port()),
    }
    up = Process([COMMAND, "up", "--no-flower"], tmp_path / "up.log", env=env, cwd=tmp_path)
    up.start()
    try:
        wait_until(lambda: "async-tasks: ready" in up.output, 60, up.tail)
        script = "\n".join(f"{command} || exit 9; echo done: {n}" for n, command in enumerate(commands))
        done = subprocess.run(
            ["bash", "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        )
        finished = done.stdout.count("\ndone: ")
        assert done.returncode == 0, (commands[min(finished, len(commands) - 1)], done.stdout[-2000:], done.stderr)
        assert "it succeeded" in done.stdout
        assert (tmp_path / "_async-tasks").read_text().startswith("#compdef")
    finally:
        up.stop(30)
