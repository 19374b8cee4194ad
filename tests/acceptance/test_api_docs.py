"""Every example of docs/api.md is run against a real system, and answers what the page shows.

A ``console`` block is run command by command; the ``json``, ``http`` or ``text`` block after it is what its last command
prints, in which ``…`` stands for anything.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.profiles import Profile
from tests.support.servers import StoreServer
from tests.support.system import ROOT, System

PAGE = ROOT / "docs" / "api.md"
HERE = "http://127.0.0.1:5000"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: Seconds that a command may take.
PATIENCE = 20


class Block(NamedTuple):
    """One block of the page, and the line that it begins in."""

    kind: str
    text: str
    line: int


def blocks() -> list[Block]:
    """Those of the page, in order."""
    text = PAGE.read_text()
    return [Block(found[1], found[2], text.count("\n", 0, found.start()) + 1) for found in BLOCK.finditer(text)]


def pattern(text: str) -> re.Pattern[str]:
    """What fits a text in which ``…`` stands for anything."""
    return re.compile(re.escape(text.strip()).replace("…", ".*?"), re.DOTALL)


def fits(shown: Any, real: Any) -> bool:
    """Whether JSON is as shown; a member ``…`` stands for any others, a last item ``…`` for any more."""
    if isinstance(shown, str):
        return shown == "…" or (isinstance(real, str) and pattern(shown).fullmatch(real) is not None)
    if isinstance(shown, dict):
        members = shown.keys() - {"…"}
        if not isinstance(real, dict) or not members <= real.keys() or ("…" not in shown and members != real.keys()):
            return False
        return all(fits(shown[name], real[name]) for name in members)
    if isinstance(shown, list):
        if shown and shown[-1] == "…":
            shown, real = shown[:-1], real[: len(shown) - 1]
        return isinstance(real, list) and len(shown) == len(real) and all(map(fits, shown, real))
    return bool(shown == real)


def fits_http(shown: str, real: str) -> bool:
    """Whether an answer has that status and those headers, among others."""
    status, *headers = shown.strip().splitlines()
    lines = real.replace("\r\n", "\n").partition("\n\n")[0].splitlines()
    return lines[0] == status and all(any(pattern(header).fullmatch(line) for line in lines) for header in headers)


class Shell:
    """Runs the commands of the page one after another, as in one terminal."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.variables: dict[str, str] = {}

    def run(self, command: str) -> str:
        """What the command prints; the ETag that it sets, and the id in its answer, are kept."""
        endless = command.endswith("/api/v1/events")
        script = f'{command.replace(HERE, self.url)}\nstatus=$?\nprintf %s "$ETAG" > etag\nexit $status\n'
        done = subprocess.run(
            # Without an end, it is ended as with Ctrl-C, once there is something to see.
            ["timeout", str(2 if endless else PATIENCE), "bash", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.stderr, f"{command}\n{done.stderr}"
        assert done.returncode == (124 if endless else 0), f"{command}\nended with {done.returncode}: {done.stdout}"
        if not endless:
            self.variables["ETAG"] = (self.folder / "etag").read_text()
        self._keep_ids(done.stdout)
        return done.stdout

    def _keep_ids(self, output: str) -> None:
        try:
            answer = json.loads(output.replace("\r\n", "\n").rpartition("\n\n")[2])
        except ValueError:
            return
        found = answer.get("id", answer.get("batch_id")) if isinstance(answer, dict) else None
        if isinstance(found, str):
            self.variables["ID"] = found


@pytest.fixture
def profile(valkey_server: StoreServer, tmp_path: Path) -> Profile:
    """The page promises nothing of a broker: one profile is enough."""
    return Profile("embedded", valkey_server, valkey_server, valkey_server.url, tmp_path)


@pytest.fixture
def shell(running_system: Callable[..., System], tmp_path: Path) -> Iterator[Shell]:
    """A terminal beside a running system."""
    system = running_system(modules=("tests.support.nightly_tasks",))
    system.start()
    folder = tmp_path / "terminal"
    folder.mkdir()
    return Shell(system.url, folder)


def commands(block: Block) -> list[str]:
    """The commands of a block."""
    found = [line.removeprefix("$ ") for line in block.text.splitlines()]
    assert all(line.startswith("$ ") for line in block.text.splitlines()), f"line {block.line}: a command begins with $"
    return found


def test_every_example_answers_what_the_page_shows(shell: Shell) -> None:
    output = ""
    run = compared = 0
    for block in blocks():
        where = f"{PAGE.name}, line {block.line}"
        match block.kind:
            case "console":
                for command in commands(block):
                    output = shell.run(command)
                    assert "HTTP/1.1 5" not in output, f"{where}: {output}"
                    assert '"status": 5' not in output, f"{where}: {output}"
                    run += 1
                continue
            case "json":
                assert fits(json.loads(block.text), json.loads(output)), f"{where}: {output}"
            case "http":
                assert fits_http(block.text, output), f"{where}: {output}"
            case "text":
                assert pattern(block.text).match(output), f"{where}: {output}"
            case _:
                pytest.fail(f"{where}: a block is console, json, http or text")
        compared += 1
    assert run >= 25
    assert compared >= 15


def test_every_call_of_the_page_has_an_example() -> None:
    text = PAGE.read_text()
    sections = re.split(r"^###? ", text, flags=re.MULTILINE)
    for section in sections:
        if section.startswith("`"):
            title = section.partition("\n")[0]
            path = title.strip("`").partition(" ")[2]
            name = "celery_see" if "/queues/" in path else "clean_up" if "/schedules/" in path else "reverse_text"
            shown = re.sub(r"\{id\}", "$ID", path).replace("{name}", name)
            assert path == "/docs" or f"{HERE}{shown}" in section, f"{title} has no example"


@pytest.mark.parametrize(
    ("shown", "real", "does"),
    [
        ({"a": "…"}, {"a": [1]}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, "…": "…"}, {"a": 1, "b": 2}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ([1, "…"], [1, 2, 3], True),
        ([1, "…"], [2, 2, 3], False),
        ([1], [1, 2], False),
        ("a…c", "abc", True),
        ("a…c", "abcd", False),
        (None, None, True),
        (1, "1", False),
    ],
)
def test_what_fits(shown: Any, real: Any, does: bool) -> None:
    assert fits(shown, real) is does
