"""Completion: the protocol of click for each shell, and a real bash whose Tab key is pressed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import pytest

from tests.support.commands import COMMAND
from tests.support.terminal import Terminal

BREAKS = "\"'@><=;|&(: \t\n"


def bash(cli, line, **env):
    """What bash is proposed for the word at the end of the line, as (kind, value)."""
    variables = cli.env | {"_ASYNC_TASKS_COMPLETE": "bash_complete", "COMP_LINE": line, "COMP_BREAKS": BREAKS} | env
    done = subprocess.run(
        [COMMAND], env=variables, cwd=cli.folder, capture_output=True, text=True, timeout=40, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [tuple(proposed.split(",", 1)) for proposed in done.stdout.splitlines() if proposed]


def test_commands_options_tasks_parameters_and_values(still):
    plain = {
        "async-tasks ca": ["cancel", "catalog"],
        "async-tasks completion ": ["bash", "zsh", "fish"],
        "async-tasks list --a": ["--all"],
        "async-tasks submit rev": ["reverse_text"],
        "async-tasks list --state s": ["SCHEDULED", "STARTED", "SUCCESS"],
        "async-tasks list --state=f": ["FAILURE"],
        "async-tasks watch --task re": [
            "refresh",
            "replaced",
            "replaced_by_chain",
            "replaced_by_group",
            "retry_by_hand",
            "reverse_text",
        ],
        "async-tasks submit limited catch=": ["true", "false"],
        "async-tasks submit limited seconds=1 catch=f": ["false"],
        "async-tasks submit limited seconds=": [],
        "async-tasks submit nothing ": [],
        "async-tasks submit add a=1 b=2 ": [],
        "async-tasks list --since ": [],
    }
    for line, values in plain.items():
        assert bash(still, line) == [("plain", value) for value in values], line
    assert bash(still, "async-tasks submit add ") == [("open", "a="), ("open", "b=")]
    assert bash(still, "async-tasks submit add a=1 ") == [("open", "b=")]
    assert bash(still, "async-tasks submit reverse_text text@le")[0][0] == "file"
    assert bash(still, "async-tasks submit --batch ta") == [("file", "ta")]


def test_tasks_are_those_of_the_options_and_need_no_server(still, tmp_path):
    (tmp_path / "own_tasks.py").write_text(
        "from typing import Literal\nfrom async_tasks import task\nprint('loud')\n"
        "@task\ndef paint(colour: Literal['red', 'green'] | None, size: int = 1) -> None:\n    'Paint.'\n"
    )
    (tmp_path / "broken.py").write_text("raise RuntimeError('broken')\n")
    away = {"ASYNC_TASKS_REDIS_URL": "redis://127.0.0.1:1/0", "ASYNC_TASKS_MODULES": "", "PYTHONPATH": str(tmp_path)}
    assert bash(still, "async-tasks submit --tasks own_tasks pa", **away) == [("plain", "paint")]
    assert bash(still, "async-tasks submit --tasks own_tasks paint colour=", **away) == [
        ("plain", "red"),
        ("plain", "green"),
    ]
    assert bash(still, "async-tasks submit --tasks broken re", **away) == []
    assert bash(still, "async-tasks submit re", **away | {"ASYNC_TASKS_PORT": "x"}) == []


def test_recent_ids_if_the_store_answers_at_once(still):
    waiting, cancelled = (still.submit("add", "a=1", "b=2") for _ in range(2))
    still.ok("cancel", cancelled)
    assert bash(still, "async-tasks show ") == [("plain", cancelled), ("plain", waiting)]
    assert bash(still, f"async-tasks watch {waiting[:-1]}") == [("plain", waiting)]
    assert bash(still, "async-tasks cancel ") == [("plain", waiting)]
    assert bash(still, f"async-tasks cancel {waiting} ") == []
    assert bash(still, "async-tasks replay ") == [("plain", cancelled)]
    assert bash(still, f"async-tasks replay {cancelled} a") == [("open", "a=")]
    assert bash(still, "async-tasks show ", ASYNC_TASKS_REDIS_URL="redis://127.0.0.1:1/0") == []
    quick = time.monotonic()
    bash(still, "async-tasks show ")
    quick = time.monotonic() - quick
    still.store.pause()
    try:
        slow = time.monotonic()
        assert bash(still, "async-tasks show ") == []
        slow = time.monotonic() - slow
    finally:
        still.store.resume()
    assert slow < quick + 2


def test_zsh_and_fish_get_words_with_their_meaning(still):
    def ask(shell, words, current):
        env = still.env | {"_ASYNC_TASKS_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": current}
        done = subprocess.run(
            [COMMAND], env=env, cwd=still.folder, capture_output=True, text=True, timeout=40, check=True
        )
        return done.stdout

    assert ask("zsh", "async-tasks submit reve", "2") == "plain\nreverse_text\nReverse a text\n"
    assert ask("zsh", "async-tasks list --state=F", "2") == "plain\n--state=FAILURE\n_\n"
    assert ask("zsh", "async-tasks submit add a", "3") == "open\na=\nrequired, integer\n"
    assert ask("fish", "async-tasks submit reve", "reve") == "plain,reverse_text\tReverse a text\n"
    assert ask("fish", "async-tasks list --state=F", "--state=F") == "plain,--state=FAILURE\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_says_how_to_install_it(still, shell):
    script = still.ok("completion", shell)
    assert f"async-tasks completion {shell}" in script
    assert "_ASYNC_TASKS_COMPLETE" in script
    if shell == "zsh":
        assert script.startswith("#compdef async-tasks\n")
    if program := shutil.which(shell):
        checked = subprocess.run([program, "-n"], input=script, text=True, capture_output=True, timeout=20, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_in_a_real_bash(still):
    task_id = still.submit("add", "a=1", "b=2")
    (still.folder / "letters").mkdir()
    (still.folder / "letters" / "one.txt").touch()
    env = still.env | {"PS1": "$ ", "HISTFILE": "", "TERM": "dumb"}
    shell = Terminal(["bash", "--norc", "--noprofile", "-i"], env=env, cwd=still.folder, columns=150)
    try:
        shell.wait_for(lambda: shell.raw.endswith("$ "))
        shell.type('eval "$(async-tasks completion bash)"; echo rea""dy\r')
        shell.wait_for(lambda: "ready\r\n" in shell.raw)
        for typed, completed in (
            ("submit rev\t", "submit reverse_text "),
            ("submit add b\t", "submit add b="),
            ("submit limited catch=f\t", "submit limited catch=false "),
            ("list --state=rev\t", "list --state=REVOKED "),
            ("list --state rev\t", "list --state REVOKED "),
            ("show \t", f"show {task_id} "),
            ("submit reverse_text text@let\t", "submit reverse_text text@letters/"),
            ("submit reverse_text text@letters/\t", "submit reverse_text text@letters/one.txt "),
            ("submit --batch lett\t", "submit --batch letters/"),
        ):
            shell.type(f"\x15async-tasks {typed}")  # Ctrl-U: an empty line
            shell.wait_for(lambda completed=completed: shell.lines()[-1] == f"$ async-tasks {completed}".rstrip())
            typed_on = shell.raw
            shell.type("|")
            shell.wait_for(lambda typed_on=typed_on: len(shell.raw) > len(typed_on))
            assert shell.lines()[-1] == f"$ async-tasks {completed}|"
    finally:
        os.kill(shell.pid, 9)
        shell.close()
