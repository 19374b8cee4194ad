"""The servers of one profile, and two web processes and two workers with a proxy on each of their links."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from benchmarks.soak.tasks import FOLDER
from tests.support.processes import Process
from tests.support.profiles import Profile
from tests.support.proxy import Proxy
from tests.support.servers import (
    RabbitServer,
    Server,
    StoreServer,
    rabbitmq_program,
    redis_program,
    valkey_program,
)
from tests.support.system import System
from tests.support.waiting import wait_until

from async_tasks.settings import Settings

#: Tasks that each worker runs at a time.
CONCURRENCY: Final = 6
#: Seconds that running tasks get when a worker is asked to end: less than the longest task takes.
GRACE: Final = 4.0
#: Seconds after which a worker without a sign of life has lost its tasks: the default.
LEASE: Final[float] = Settings.model_fields["lease"].default
#: Seconds for which the processes of a web process that was killed may still have its port.
PORT_LEFT: Final = 8.0
DISPATCHER: Final = "async_tasks.engine.dispatcher"


@dataclass
class Ending:
    """A role that ended though nobody asked it to."""

    at: float
    role: str
    status: int
    tail: str


class Role:
    """A web process or a worker: its process, and the links that can be cut.

    Args:
        name: such as ``web-1``.
        house: whose servers it uses.
    """

    def __init__(self, name: str, house: House) -> None:
        self.name = name
        self.kind = name.partition("-")[0]
        self.wanted = False
        self._killed_at = float("-inf")
        self.links = {"store": Proxy(house.store.port)}
        env = {
            "ASYNC_TASKS_REDIS_URL": house.store.url.replace(str(house.store.port), str(self.links["store"].port)),
            "ASYNC_TASKS_SHUTDOWN_GRACE": str(GRACE),
            "ASYNC_TASKS_LEASE": str(LEASE),
            # Nothing may end but by itself, however often it is killed.
            "ASYNC_TASKS_MAX_LOSSES": "100",
            FOLDER: str(house.effects),
        }
        env["ASYNC_TASKS_BROKER_URL"] = env["ASYNC_TASKS_REDIS_URL"]
        if house.broker is not house.store:
            self.links["broker"] = Proxy(house.broker.port)
            port = self.links["broker"].port
            env["ASYNC_TASKS_BROKER_URL"] = house.broker.url.replace(str(house.broker.port), str(port))
        folder = house.folder / name
        folder.mkdir()
        profile = Profile(house.profile, house.broker, house.store, house.broker.url, folder)
        self.system = System(profile, folder, modules=("benchmarks.soak.tasks",), env=env)
        if self.kind == "web":
            self.links["client"] = Proxy(self.system.port)

    @property
    def process(self) -> Process:
        """Its main process."""
        return self.system.processes["web" if self.kind == "web" else self.name]

    @property
    def url(self) -> str:
        """Where clients reach a web process."""
        return self.links["client"].url

    def start(self) -> None:
        """Start it; does not wait."""
        if self.kind == "web":
            self.system.launch("web")
        else:
            self.system.launch("worker", f"--concurrency={CONCURRENCY}", name=self.name)
        self.wanted = True

    def wait_ready(self, seconds: float = 60) -> None:
        """Wait until it serves."""
        self.system.wait_ready("web" if self.kind == "web" else self.name, seconds)

    def ready(self) -> bool:
        """Whether it serves now."""
        try:
            self.wait_ready(0)
        except AssertionError:
            return False
        return True

    def kill_parent(self) -> None:
        """SIGKILL to the main process alone: what it started must find out by itself."""
        self.wanted = False
        self._killed_at = time.monotonic()
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def kill_group(self) -> None:
        """SIGKILL to it and all that it started."""
        self.wanted = False
        self.process.kill()

    def stop(self, seconds: float) -> int:
        """SIGTERM; how it ended."""
        self.wanted = False
        self.process.signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def waits_for_its_port(self) -> bool:
        """Whether it could not start because what its killed predecessor has left behind has the port."""
        late = time.monotonic() - self._killed_at > PORT_LEFT
        return self.kind == "web" and not late and "is in use" in self.process.tail(5)

    def children(self) -> list[int]:
        """The pool processes of a worker, or the processes of gunicorn that serve; sorted."""
        return sorted(child.pid for child in self._family() if DISPATCHER not in " ".join(_command(child)))

    def dispatchers(self) -> list[int]:
        """The dispatcher beside a worker."""
        return [child.pid for child in self._family() if DISPATCHER in " ".join(_command(child))]

    def _family(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children()
        except psutil.Error:
            return []


@dataclass
class House:
    """Everything of one run. ``start()`` returns when all of it serves; ``end()`` leaves nothing behind."""

    profile: str
    folder: Path
    store: StoreServer = field(init=False)
    broker: Server = field(init=False)
    roles: dict[str, Role] = field(init=False, default_factory=dict)
    endings: list[Ending] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.effects = self.folder / "effects"
        self.effects.mkdir(parents=True)
        program = valkey_program() if self.profile == "embedded" else redis_program()
        self.store = StoreServer(program, self._room("store"))
        self.broker = (
            self.store if self.profile == "embedded" else RabbitServer(rabbitmq_program(), self._room("broker"))
        )

    def start(self) -> None:
        """Start servers, then roles."""
        self.store.start()
        if self.broker is not self.store:
            self.broker.start()
        for name in ("web-1", "web-2", "worker-1", "worker-2"):
            self.roles[name] = Role(name, self)
            self.roles[name].start()
        for role in self.roles.values():
            role.wait_ready()

    def end(self) -> None:
        """End all of it at once."""
        for role in self.roles.values():
            role.system.end()
            for link in role.links.values():
                link.close()
        for server in {id(each): each for each in (self.broker, self.store)}.values():
            if hasattr(server, "process"):
                server.kill()
            if isinstance(server, RabbitServer):
                server.end()

    def look_after(self) -> None:
        """Start again what has ended by itself, as a supervisor does, and note it."""
        for role in self.roles.values():
            if role.wanted and not role.process.alive:
                if not role.waits_for_its_port():
                    self.endings.append(Ending(time.time(), role.name, role.process.wait(), role.process.tail(30)))
                role.process.kill()  # what it left behind
                role.start()

    def mend(self) -> None:
        """Undo whatever a fault has left: everything serves again."""
        for server in (self.store, self.broker):
            server.ensure()
        for role in self.roles.values():
            for link in role.links.values():
                link.resume()
                link.listen()
            if not role.process.alive:
                role.start()
            else:
                role.process.resume()
            role.wanted = True
        for role in self.roles.values():
            role.wait_ready()

    @contextmanager
    def without(self, name: str, seconds: float) -> Iterator[None]:
        """Have one role stopped for a while, as an operator stops it."""
        role = self.roles[name]
        role.stop(seconds)
        try:
            yield
        finally:
            role.start()
            role.wait_ready()

    def workers_whole(self) -> bool:
        """Whether each worker has all of its processes and a dispatcher."""

        def whole(role: Role) -> bool:
            return len(role.children()) >= CONCURRENCY and len(role.dispatchers()) == 1

        workers = [role for role in self.roles.values() if role.kind == "worker"]
        wait_until(lambda: all(whole(role) for role in workers), 30, lambda: "all pool processes and dispatchers")
        return True

    def _room(self, name: str) -> Path:
        room = self.folder / name
        room.mkdir()
        return room


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> bool:
    """Send a signal; whether the process was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
