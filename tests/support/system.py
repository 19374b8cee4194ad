"""A running system for tests: the real processes of a profile's roles, through the real command."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from async_tasks.ops.processes import MARKER, kill_marked, marked
from tests.support.processes import Process, free_port
from tests.support.profiles import Profile
from tests.support.waiting import wait_until

#: The folder in which ``tests.…`` can be imported as a module of tasks.
ROOT = Path(__file__).parents[2]


class System:
    """Web processes and workers of one profile, each started and ended by the test.

    Args:
        profile: broker and store.
        folder: for the logs.
        modules: modules with tasks, by their importable names.
        env: variables that win over the profile's.
    """

    def __init__(
        self, profile: Profile, folder: Path, *, modules: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> None:
        self.profile = profile
        self.folder = folder
        self.port = free_port()
        self.processes: dict[str, Process] = {}
        self.env = profile.env(
            {
                "ASYNC_TASKS_PORT": str(self.port),
                "ASYNC_TASKS_MODULES": ",".join(modules),
                "PYTHONPATH": str(ROOT),
                MARKER: str(folder),
                **(env or {}),
            }
        )

    @property
    def url(self) -> str:
        """Where the web process answers, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *roles: str) -> None:
        """Start ``web`` and ``worker``, or the given roles, side by side, and wait until they are ready."""
        for role in roles or ("web", "worker"):
            self.launch(role)
        for role in roles or ("web", "worker"):
            self.wait_ready(role)

    def launch(self, role: str, *arguments: str, name: str | None = None) -> Process:
        """Start ``async-tasks ROLE ARGUMENTS`` without waiting.

        Args:
            role: the subcommand.
            arguments: of it.
            name: what the process is called here, when a role runs more than once; for a worker also
                its name in the cluster.
        """
        if name and role == "worker":
            arguments = (*arguments, "--name", name)
        name = name or role
        process = self.processes.get(name)
        if process is None:
            command = [sys.executable, "-m", "async_tasks", role, *arguments]
            process = self.processes[name] = Process(
                command, self.folder / f"{name}.log", env=self.env, cwd=self.folder
            )
        process.start()
        return process

    def wait_ready(self, name: str, timeout: float = 30) -> None:
        """Wait until the process answers (web) or takes tasks (worker)."""
        process = self.processes[name]

        def ready() -> bool:
            assert process.alive, f"{name} ended before it was ready:\n{process.tail()}"
            # Celery says "celery@host ready." when a worker consumes.
            return self._web_answers() if name == "web" else " ready." in process.output

        wait_until(ready, timeout, lambda: f"{name} to be ready:\n{process.tail()}")

    def end(self) -> None:
        """End every process at once, and check that none is left."""
        for process in self.processes.values():
            process.kill()
        kill_marked(self.folder)
        assert not marked(self.folder), "processes of the system are left"

    def tails(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"--- {name}\n{process.tail()}" for name, process in self.processes.items())

    def _web_answers(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
