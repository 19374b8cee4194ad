"""``async-tasks up``: the whole system on one machine; one process starts, watches and ends the others."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from async_tasks.engine.data_folder import prepare_data_folder, write_private
from async_tasks.engine.embedded import EmbeddedStore
from async_tasks.errors import ConfigurationError, StoreUnavailable
from async_tasks.ops.ports import check_ports, free_port, reachable, url
from async_tasks.ops.processes import Child, environment, in_words, kill_marked
from async_tasks.ops.signals import Signals
from async_tasks.ops.welcome import welcome
from async_tasks.settings import MODULES_FILE, Settings

#: Seconds that the store may take to load its data, and the web process to answer.
STORE_START: Final = 300.0
WEB_START: Final = 60.0

#: Seconds that each may take to end when asked, before it is killed; a worker gets its grace besides.
PATIENCE: Final[dict[str, float]] = {"web": 10.0, "flower": 5.0, "worker": 5.0, "store": 10.0}

#: In this order the system ends: first what takes tasks in, then what runs them, last what keeps them.
ORDER_OF_END: Final = (("flower", "web"), ("worker",), ("store",))

ROLES: Final = ("web", "worker", "flower")


class _Stopped(Exception):
    """Raised while the system starts when it is asked to end."""


class _Failed(Exception):
    """Raised when the system does not start; says why."""


class Supervisor:
    """Starts the system, watches it, and leaves nothing behind. One thread; it sleeps until a signal comes.

    Args:
        settings: what is handed on to every process.
        flower: whether Flower is run.
        commands: other commands for the roles ``web``, ``worker``, ``flower`` than
            ``python -m async_tasks <role>``.
        say: takes each line meant for the person at the terminal.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        flower: bool = True,
        commands: Mapping[str, Sequence[str]] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._flower = flower
        self._commands = dict(commands or {})
        self._say = say or _say
        self._children: list[Child] = []
        self._store: EmbeddedStore | None = None
        self._store_text = ""
        self._data_dir = Path()
        self._web_port = settings.port
        self._flower_port = settings.flower_port

    def run(self) -> int:
        """Run the system until SIGINT, SIGTERM or SIGHUP; in the main thread only.

        Returns:
            The exit status: 0 if it was asked to end and did, 1 if it could not start or had to be killed.

        Raises:
            ConfigurationError: for what is wrong before anything is started: settings, folder, lock, ports.
        """
        if problems := self._settings.check(web=True, flower=self._flower):
            raise ConfigurationError(problems)
        self._data_dir = prepare_data_folder(self._settings.data_dir)
        with _locked(self._data_dir), Signals() as signals:
            if left := kill_marked(self._data_dir):
                self._say(f"ended {left} {'process' if left == 1 else 'processes'} that an earlier run had left behind")
            self._choose_ports()
            # A command in another terminal of this folder knows the tasks by this.
            write_private(self._data_dir / MODULES_FILE, json.dumps(self._settings.modules) + "\n")
            if not self._modules_load():
                return 1
            return self._run(signals)

    def _choose_ports(self) -> None:
        ports = [(self._settings.host, self._settings.port, "--port", "ASYNC_TASKS_PORT")]
        if self._flower:
            flower = (
                self._settings.flower_host,
                self._settings.flower_port,
                "--flower-port",
                "ASYNC_TASKS_FLOWER_PORT",
            )
            ports.append(flower)
        check_ports(ports)
        # Port 0 asks for any: chosen here, so that it can be said, and kept when a process is started again.
        self._web_port = self._settings.port or free_port(self._settings.host)
        self._flower_port = self._settings.flower_port or free_port(self._settings.flower_host)

    def _modules_load(self) -> bool:
        """Whether the modules with tasks can be imported; if not, one process has said why, and not every role."""
        if not self._settings.modules:
            return True
        command = (sys.executable, "-m", "async_tasks", "catalog")
        variables = environment(self._settings, self._data_dir)
        return subprocess.run(command, env=variables, stdout=subprocess.DEVNULL, check=False).returncode == 0

    def _run(self, signals: Signals) -> int:
        status = 0
        try:
            self._start(signals)
            flower = url(self._settings.flower_host, self._flower_port) if self._flower else None
            web = url(self._settings.host, self._web_port)
            self._say(welcome(self._settings, self._data_dir, web=web, flower=flower, store=self._store_text))
            self._watch(signals)
        except _Stopped:
            pass
        except (_Failed, StoreUnavailable, ConfigurationError) as exc:
            self._say(str(exc))
            status = 1
        finally:
            status = self._end(signals) or status
        return status

    def _start(self, signals: Signals) -> None:
        variables = environment(self._settings, self._data_dir)
        variables["ASYNC_TASKS_PORT"] = str(self._web_port)
        variables["ASYNC_TASKS_FLOWER_PORT"] = str(self._flower_port)
        if self._settings.embedded:
            self._start_store(variables, signals)
        roles = {
            role: Child(role, self._commands.get(role, (sys.executable, "-m", "async_tasks", role)), variables)
            for role in ROLES
        }
        self._launch(roles["web"])
        self._launch(roles["worker"])
        deadline = time.monotonic() + WEB_START
        while not self._web_answers():
            if time.monotonic() > deadline:
                raise _Failed(f"web did not answer on port {self._web_port} within {WEB_START:g} s")
            self._tend(signals)
            signals.wait(0.05)
        if self._flower:
            # Last, because nobody waits for it: all three at once would be slower to the first result.
            self._launch(roles["flower"])

    def _start_store(self, variables: Mapping[str, str], signals: Signals) -> None:
        store = EmbeddedStore(self._data_dir)
        child = Child("store", store.prepare(), variables, log=store.log)
        self._launch(child)

        def alive() -> bool:
            if signals.stops:
                raise _Stopped
            return child.running

        store.wait_ready(STORE_START, alive)
        store.started(child.pid or 0)
        self._store = store
        self._store_text = f"{store.version()}, embedded, on port {store.port}"

    def _launch(self, child: Child) -> None:
        self._children.append(child)
        try:
            child.start()
        except OSError as exc:
            raise _Failed(f"{child.name} cannot be started: {exc}") from exc

    def _watch(self, signals: Signals) -> None:
        while True:
            self._tend(signals)
            due = [child.restart_at for child in self._children if child.restart_at is not None]
            signals.wait(max(0.0, min(due) - time.monotonic()) if due else None)

    def _tend(self, signals: Signals) -> None:
        """Start again what has ended, each after its delay."""
        if signals.stops:
            raise _Stopped
        for child in self._children:
            if child.running:
                continue
            if child.restart_at is None:
                child.kill_group()
                if child.status > 0 and child.first_steps and child.name in ("web", "worker"):
                    # By itself, as a wrong setting or a broken module makes it do: again would be the same.
                    raise _Failed(f"{child.name} {in_words(child.status)}; what it wrote above says why")
                delay = child.restart_later()
                self._say(f"{child.name} {in_words(child.status)}; it is started again in {delay:g} s")
            elif child.restart_at <= time.monotonic():
                self._restart(child)

    def _restart(self, child: Child) -> None:
        try:
            child.start()
        except OSError as exc:
            delay = child.restart_later()
            self._say(f"{child.name} cannot be started: {exc}; it is tried again in {delay:g} s")
            return
        if child.name == "store" and self._store and child.pid:
            self._store.started(child.pid)

    def _end(self, signals: Signals) -> int:
        """End everything in order; at once if asked again. Returns 1 if something had to be killed."""
        if not self._children:
            return 0
        again = signals.stops + 1
        grace = self._settings.shutdown_grace
        self._say(f"stopping; running tasks get {grace:g} s (Ctrl-C again ends them at once)")
        killed = []
        for names in ORDER_OF_END:
            group = [child for child in self._children if child.name in names]
            for child in group:
                child.terminate()
            patience = max(PATIENCE[name] for name in names) + ("worker" in names) * grace
            deadline = time.monotonic() + patience
            while any(child.running for child in group) and signals.stops < again:
                if time.monotonic() > deadline:
                    break
                signals.wait(max(0.0, deadline - time.monotonic()))
            killed += [child.name for child in group if child.running]
            for child in group:
                child.kill_group()
        kill_marked(self._data_dir)
        if killed:
            self._say(f"killed: {', '.join(killed)}")
        self._say("stopped")
        return 1 if killed else 0

    def _web_answers(self) -> bool:
        connection = http.client.HTTPConnection(reachable(self._settings.host), self._web_port, timeout=1)
        try:
            # By a name that is always served, whatever address it listens on.
            connection.request("GET", "/health/live", headers={"Host": "localhost"})
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """Hold the data folder. The kernel lets go of it with the process: no lock is ever stale."""
    with (data_dir / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            pid = file.read().strip() or "unknown"
            raise ConfigurationError(
                [
                    (
                        f"already running with the data folder {data_dir} (pid {pid}): "
                        "stop it first, or use another folder with --data-dir"
                    )
                ]
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _say(text: str) -> None:
    try:
        sys.stdout.write(f"async-tasks: {text}\n")
        sys.stdout.flush()
    except OSError:
        # Nobody reads any more. That is no reason to end the system, and none to leave it running at its end.
        pass
