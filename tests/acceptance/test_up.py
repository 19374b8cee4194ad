"""``async-tasks up`` as a person uses it: the whole system, nothing else installed or running."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from async_tasks.ops.processes import kill_marked, marked
from tests.conftest import show_on_failure
from tests.support.processes import Process, free_port
from tests.support.servers import RabbitServer, StoreServer
from tests.support.system import ROOT
from tests.support.waiting import wait_until

COMMAND = str(Path(sys.executable).with_name("async-tasks"))

TASKS = '''
from async_tasks import task

@task
def shout(text: str, times: int = 1) -> str:
    """Say it louder."""
    return text.upper() * times
'''


class Up:
    """``async-tasks up`` in a folder of its own, its data in the default place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder.resolve() / ".async-tasks"
        self.port, self.flower_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: Process
        self.launch_command([COMMAND, "up"], folder)

    def launch_command(self, command: list[str], cwd: Path, **env: str) -> None:
        ports = {"ASYNC_TASKS_PORT": str(self.port), "ASYNC_TASKS_FLOWER_PORT": str(self.flower_port)}
        self.process = Process(command, self.folder / "up.log", env=os.environ | ports | env, cwd=cwd)

    def start(self) -> None:
        self.process.start()

        def ready() -> bool:
            assert self.process.alive, f"it ended:\n{self.process.output}"
            return "async-tasks: ready" in self.process.output

        wait_until(ready, 60, lambda: f"ready:\n{self.process.output}")

    def tail(self) -> str:
        return self.process.tail()

    def submit(self, name: str, **arguments: Any) -> Any:
        """Submit with the options of ``query``, and return the record."""
        query = arguments.pop("query", {"wait": 20})
        answer = httpx.post(f"{self.url}/api/v1/tasks/{name}", json=arguments, params=query, timeout=30)
        assert answer.status_code in (200, 202), answer.text
        return answer.json()

    def record(self, task_id: str) -> Any:
        return httpx.get(f"{self.url}/api/v1/tasks/{task_id}", timeout=10).raise_for_status().json()

    def wait_for_success(self, task_id: str) -> None:
        wait_until(lambda: self.record(task_id)["state"] == "SUCCESS", 20, lambda: str(self.record(task_id)))

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=30, check=False
        )


@pytest.fixture
def make_up(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], Up]]:
    made: list[Up] = []

    def make() -> Up:
        system = Up(tmp_path)
        show_on_failure(request, system.tail)
        made.append(system)
        return system

    yield make
    for system in made:
        system.process.kill()
        kill_marked(system.data_dir)


@pytest.fixture
def up(make_up: Callable[[], Up]) -> Up:
    return make_up()


def test_from_nothing_to_the_first_result(up: Up) -> None:
    up.start()

    record = up.submit("reverse_text", text="hello")
    assert (record["state"], record["result"]) == ("SUCCESS", "olleh")

    done = up.command("submit", "reverse_text", "text=hello", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"] == "olleh"

    flower = f"http://127.0.0.1:{up.flower_port}/healthcheck"
    wait_until(lambda: httpx.get(flower).status_code == 200, 20, "Flower", ignoring=(httpx.TransportError,))


def test_ctrl_c_ends_everything_and_the_next_start_goes_on(up: Up) -> None:
    up.start()
    finished = up.submit("reverse_text", text="finished")
    delayed = up.submit("reverse_text", text="delayed", query={"delay": 2})

    up.process.signal(signal.SIGINT)

    assert up.process.wait(30) == 0
    assert "async-tasks: stopped" in up.process.output
    assert not marked(up.data_dir)

    up.start()
    assert up.record(finished["id"]) == finished
    up.wait_for_success(delayed["id"])


def test_killed_all_at_once_it_starts_again_with_every_task(up: Up) -> None:
    up.start()
    finished = up.submit("reverse_text", text="finished")
    accepted = [up.submit("reverse_text", text=str(number), query={}) for number in range(20)]

    os.kill(up.process.pid, signal.SIGKILL)
    for process in marked(up.data_dir):
        process.kill()
    up.process.wait()
    up.start()

    assert up.record(finished["id"]) == finished
    for record in accepted:
        up.wait_for_success(record["id"])


def test_serves_tasks_of_ones_own(up: Up) -> None:
    (up.folder / "my_tasks.py").write_text(TASKS)
    up.launch_command([COMMAND, "up", "--no-flower", "--tasks", "my_tasks"], up.folder)

    up.start()

    assert up.submit("shout", text="ho", times=3)["result"] == "HOHOHO"
    assert "Flower" not in up.process.output


def test_a_module_that_cannot_be_imported_is_named(up: Up) -> None:
    up.launch_command([COMMAND, "up", "--no-flower", "--tasks", "my_taskz"], up.folder)

    up.process.start()

    assert up.process.wait(60) == 1
    (line,) = up.process.output.splitlines()
    assert line.startswith("async-tasks: ASYNC_TASKS_MODULES: there is no module 'my_taskz'")
    assert not marked(up.data_dir)


def test_a_port_in_use_is_said_with_the_flag_that_changes_it(up: Up) -> None:
    with socket.create_server(("127.0.0.1", up.port)):
        up.process.start()

        assert up.process.wait(30) == 1
    assert up.process.output == (
        f"async-tasks: port {up.port} is in use on 127.0.0.1: choose another with --port or ASYNC_TASKS_PORT\n"
    )


def test_on_servers_of_ones_own_it_starts_no_store(
    up: Up, rabbitmq_server: RabbitServer, redis_server: StoreServer
) -> None:
    urls = {
        "ASYNC_TASKS_BROKER_URL": rabbitmq_server.add_vhost("up"),
        "ASYNC_TASKS_REDIS_URL": redis_server.url,
    }
    up.launch_command([COMMAND, "up", "--no-flower"], up.folder, **urls)
    up.start()

    assert up.submit("reverse_text", text="hello")["result"] == "olleh"
    assert f"redis://:********@127.0.0.1:{redis_server.port}/0" in up.process.output
    assert f"amqp://guest:********@127.0.0.1:{rabbitmq_server.port}/up" in up.process.output
    assert not (up.data_dir / "embedded.json").exists()
    up.process.signal(signal.SIGTERM)
    assert up.process.wait(30) == 0
    rabbitmq_server.delete_vhost("up")


def test_make_up(up: Up) -> None:
    assert shutil.which("make"), "make is missing: apt install make"
    options = f"--no-flower --data-dir {up.data_dir}"
    up.launch_command(["make", "up", f"ARGS={options}"], ROOT)
    up.start()

    # As a terminal does: to make and to what it runs.
    os.killpg(up.process.pid, signal.SIGINT)

    up.process.wait(30)
    assert "async-tasks: stopped" in up.process.output, "make did not wait for it"
    assert not marked(up.data_dir)
