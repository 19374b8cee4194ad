"""The command ``async-tasks`` as a script and a person run it, over a store and a worker of the tests' own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.profiles import Profile
from tests.support.servers import StoreServer, valkey_program
from tests.support.system import ROOT, System
from tests.support.terminal import Terminal

COMMAND = str(Path(sys.executable).with_name("async-tasks"))

#: Variables that change what a command writes.
OUTPUT = {"TERM", "NO_COLOR", "COLUMNS", "LINES", "LC_ALL", "LC_CTYPE", "PYTHONIOENCODING", "PYTHONUTF8"}

Done = subprocess.CompletedProcess[str]


def run(
    *arguments: str, env: Mapping[str, str], cwd: Path = ROOT, stdin: str | None = None, timeout: float = 40
) -> Done:
    """Run the command to its end."""
    return subprocess.run(
        [COMMAND, *arguments],
        env=env,
        cwd=cwd,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )


class Commands:
    """The command, over one system.

    Args:
        system: with a worker, or without one.
        folder: that it is run in.
    """

    def __init__(self, system: System, folder: Path) -> None:
        self.system = system
        self.folder = folder
        # Of the person who runs the tests nothing that changes what a command writes.
        inherited = {name: value for name, value in system.env.items() if name not in OUTPUT}
        path = f"{Path(COMMAND).parent}:{os.environ['PATH']}"
        self.env = inherited | {"PATH": path, "TZ": "UTC", "LANG": "C.UTF-8"}
        self._terminals: list[Terminal] = []

    @property
    def store(self) -> StoreServer:
        """The store."""
        return self.system.profile.store

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> Done:
        """Run the command to its end."""
        return run(*arguments, env={**self.env, **(env or {})}, **({"cwd": self.folder} | options))

    def ok(self, *arguments: str, status: int = 0, **options: Any) -> str:
        """Run the command to its end, which is as expected; what it wrote."""
        done = self.run(*arguments, **options)
        assert done.returncode == status, (arguments, done.stdout, done.stderr)
        return done.stdout

    def json(self, *arguments: str, **options: Any) -> Any:
        """Run the command with ``--json``; the document that it wrote."""
        return json.loads(self.ok(*arguments, "--json", **options))

    def submit(self, *arguments: str) -> str:
        """Submit a task; its id."""
        return self.ok("submit", *arguments).strip()

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start the command; end it yourself."""
        usual: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": self.env}
        return subprocess.Popen([COMMAND, *arguments], cwd=self.folder, encoding="utf-8", **(usual | options))

    def terminal(self, *arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> Terminal:
        """Start the command on a terminal of its own; ended with the test at the latest."""
        terminal = Terminal([COMMAND, *arguments], env={**self.env, **(env or {})}, cwd=self.folder, **options)
        self._terminals.append(terminal)
        return terminal

    def close_terminals(self) -> None:
        """End what still runs."""
        for terminal in self._terminals:
            terminal.close()
        self._terminals.clear()


@contextmanager
def commands_over_a_store(folder: Path, *, worker: bool) -> Iterator[Commands]:
    """Everything, started and ended. One store is broker as well: commands do not differ by the broker."""
    for name in ("store", "data", "system", "cwd"):
        (folder / name).mkdir()
    server = StoreServer(valkey_program(), folder / "store")
    server.start()
    profile = Profile("embedded", server, server, server.url, folder / "data")
    system = System(profile, folder / "system", modules=("tests.support.tasks", "tests.support.gated_tasks"))
    commands = Commands(system, folder / "cwd")
    try:
        if worker:
            system.start("worker")
        yield commands
    finally:
        commands.close_terminals()
        system.end()
        server.kill()
