"""The supervisor with a real store and roles that do next to nothing: start, faults, end, and start again."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from async_tasks.ops.processes import kill_marked, marked
from async_tasks.settings import load
from tests.conftest import show_on_failure
from tests.support.processes import Process, free_port
from tests.support.system import ROOT
from tests.support.waiting import wait_until


class Up:
    """One folder's ``up``, with the stand-ins as roles."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self.port, self.flower_port = free_port(), free_port()
        env = {
            "PYTHONPATH": str(ROOT),
            "ASYNC_TASKS_DATA_DIR": str(self.data_dir),
            "ASYNC_TASKS_PORT": str(self.port),
            "ASYNC_TASKS_FLOWER_PORT": str(self.flower_port),
        }
        command = [sys.executable, "-m", "tests.support.stand_ins", "up"]
        self.process = Process(command, folder / "up.log", env=os.environ | env, cwd=folder)

    def launch(self, **env: str) -> None:
        assert self.process.env is not None
        self.process.env |= env
        self.process.start()

    def start(self, **env: str) -> None:
        self.launch(**env)
        self.wait_for("async-tasks: ready")

    def wait_for(self, text: str, timeout: float = 30) -> None:
        wait_until(lambda: text in self.process.output, timeout, lambda: f"{text!r} in:\n{self.process.output}")

    def others(self) -> list[psutil.Process]:
        return marked(self.data_dir.resolve())

    def pid(self, role: str) -> int:
        """The process that plays the role now; 0 between two starts."""
        for process in self.others():
            try:
                command = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if command.endswith(f"stand_ins {role}") or (role == "store" and command.endswith("store.conf")):
                return process.pid
        return 0

    def store(self) -> redis.Redis:
        return redis.Redis.from_url(load(data_dir=self.data_dir).store(), decode_responses=True)

    def remember(self, value: str) -> None:
        with self.store() as client:
            client.set("key", value)

    def remembered(self) -> object:
        with self.store() as client:
            return client.get("key")

    def notes(self, of: str) -> list[str]:
        """What the roles noted, of one kind: ``plays`` when they had started, ``ended`` when they were asked to."""
        return [note for note in (self.data_dir / "notes").read_text().splitlines() if of in note]


@pytest.fixture
def up(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Up]:
    system = Up(tmp_path)
    show_on_failure(request, system.process.tail)
    yield system
    system.process.kill()
    kill_marked(system.data_dir.resolve())


def test_says_where_everything_is(up: Up) -> None:
    up.start()

    for text in (
        f"http://127.0.0.1:{up.port}/",
        f"http://127.0.0.1:{up.port}/api/v1/",
        f"http://127.0.0.1:{up.flower_port}/",
        str(up.data_dir),
        "Valkey 9",
        f"ASYNC_TASKS_DATA_DIR={up.data_dir} ",
        "submit reverse_text text=hello --wait",
        "Ctrl-C",
    ):
        up.wait_for(text)
    assert "redis://" not in up.process.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ends_in_order_and_leaves_nothing(up: Up, number: signal.Signals) -> None:
    up.start()
    wait_until(lambda: len(up.notes("plays")) == 3, 10, "the roles")
    wait_until(lambda: len(up.others()) == 6, 10, "store, web, worker and its two, flower")

    up.process.signal(number)

    assert up.process.wait() == 0
    assert up.process.output.endswith("async-tasks: stopped\n")
    assert not up.others()
    # The worker was the last of them, and could still speak to the store.
    *first, last = up.notes("ended")
    assert sorted(first) == ["flower ended with the store", "web ended with the store"]
    assert last == "worker ended with the store"


def test_a_second_ctrl_c_ends_it_at_once(up: Up) -> None:
    up.start(STAND_IN_WORKER="stubborn", ASYNC_TASKS_SHUTDOWN_GRACE="600")
    wait_until(lambda: len(up.notes("plays")) == 3, 10, "the roles")
    up.process.signal(signal.SIGINT)
    wait_until(lambda: not up.pid("web"), 10, "the end of web")

    up.process.signal(signal.SIGINT)

    assert up.process.wait(5) == 1
    # Whichever of the others had not quite ended is named beside it.
    killed = up.process.output.rpartition("killed: ")[2].partition("\n")[0]
    assert "worker" in killed.split(", ")
    assert not up.others()


def test_what_does_not_end_is_killed(up: Up) -> None:
    up.start(STAND_IN_WEB="stubborn", STAND_IN_WORKER="stubborn", STAND_IN_PATIENCE="1", ASYNC_TASKS_SHUTDOWN_GRACE="0")
    wait_until(lambda: len(up.notes("plays")) == 3, 10, "the roles")

    up.process.signal(signal.SIGINT)

    assert up.process.wait(25) == 1
    assert "killed: web, worker" in up.process.output
    assert not up.others()


@pytest.mark.parametrize("role", ["web", "worker", "flower"])
def test_a_killed_role_is_started_again_without_its_remains(up: Up, role: str) -> None:
    up.start()
    first = up.pid(role)

    os.kill(first, signal.SIGKILL)

    up.wait_for(f"{role} was ended by SIGKILL; it is started again in 0.5 s")
    wait_until(lambda: up.pid(role) not in (0, first), 10, f"another {role}")
    assert not [p for p in up.others() if p.ppid() == 1 and os.getpgid(p.pid) == first]


def test_a_killed_store_comes_back_with_its_data_at_its_address(up: Up) -> None:
    up.start()
    first = up.pid("store")
    with up.store() as client:
        client.set("key", "value")

        os.kill(first, signal.SIGKILL)

        up.wait_for("store was ended by SIGKILL")
        # The same client: its address and password are still right.
        wait_until(lambda: client.get("key") == "value", 10, "the store", ignoring=(redis.RedisError,))
    assert up.pid("store") not in (0, first)


def test_data_and_address_are_kept_from_start_to_start(up: Up) -> None:
    up.start()
    up.remember("value")
    address = load(data_dir=up.data_dir).store()
    up.process.signal(signal.SIGINT)
    up.process.wait()

    up.start()

    assert up.remembered() == "value"
    assert load(data_dir=up.data_dir).store() == address


def test_a_killed_supervisor_leaves_nothing_in_the_way(up: Up) -> None:
    up.start()
    left = {process.pid for process in up.others()}

    os.kill(up.process.pid, signal.SIGKILL)
    up.process.wait()
    up.start()

    assert not left & {process.pid for process in up.others()}
    assert "that an earlier run had left behind" in up.process.output


def test_a_start_after_everything_was_killed(up: Up) -> None:
    up.start()
    up.remember("value")
    os.kill(up.process.pid, signal.SIGKILL)
    for process in up.others():
        process.kill()
    up.process.wait()

    up.start()

    assert up.remembered() == "value"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends processes with their parent")
def test_roles_end_with_a_killed_supervisor(up: Up) -> None:
    up.start()

    os.kill(up.process.pid, signal.SIGKILL)

    for role in ("web", "worker", "flower", "store"):
        wait_until(lambda role=role: not up.pid(role), 10, f"the end of {role}")  # type: ignore[misc]


def test_a_second_one_in_the_same_folder_is_refused(up: Up, tmp_path: Path) -> None:
    up.start()
    (tmp_path / "other").mkdir()
    second = Up(tmp_path / "other")
    second.launch(ASYNC_TASKS_DATA_DIR=str(up.data_dir))

    assert second.process.wait() == 1
    assert second.process.output == (
        f"refused: already running with the data folder {up.data_dir} (pid {up.process.pid}): "
        "stop it first, or use another folder with --data-dir\n"
    )
    assert up.pid("web")


@pytest.mark.parametrize(
    ("port", "flag", "variable"),
    [("port", "--port", "ASYNC_TASKS_PORT"), ("flower_port", "--flower-port", "ASYNC_TASKS_FLOWER_PORT")],
)
def test_a_port_in_use_is_said_in_one_line_and_nothing_is_started(up: Up, port: str, flag: str, variable: str) -> None:
    number = getattr(up, port)
    with socket.create_server(("127.0.0.1", number)):
        up.launch()

        assert up.process.wait() == 1
    assert up.process.output == (
        f"refused: port {number} is in use on 127.0.0.1: choose another with {flag} or {variable}\n"
    )
    assert not (up.data_dir / "embedded.json").exists()


@pytest.mark.parametrize("role", ["web", "worker"])
def test_a_role_that_cannot_start_ends_the_start(up: Up, role: str) -> None:
    up.launch(**{f"STAND_IN_{role.upper()}": "fails"})

    assert up.process.wait(30) == 1
    assert f"{role}: no such module: tasks_of_mine" in up.process.output
    assert f"{role} ended with exit status 1; what it wrote above says why" in up.process.output
    assert not up.others()


def test_flower_alone_is_tried_again(up: Up) -> None:
    up.start(STAND_IN_FLOWER="fails")

    up.wait_for("flower ended with exit status 1; it is started again in 1 s")


def test_ctrl_c_while_it_starts(up: Up) -> None:
    up.launch(STAND_IN_WEB="stubborn")
    wait_until(lambda: up.pid("store"), 10, "the store")

    up.process.signal(signal.SIGINT)

    up.wait_for("async-tasks: stopped")
    assert up.process.wait() in (0, 1)
    assert not up.others()


def test_any_port_is_chosen_and_said(up: Up) -> None:
    up.start(ASYNC_TASKS_PORT="0", ASYNC_TASKS_FLOWER_PORT="0")

    assert f":{up.port}/" not in up.process.output
    assert ":0/" not in up.process.output
