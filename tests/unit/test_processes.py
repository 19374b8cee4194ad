"""What a supervised process is given, and how its restarts are spaced."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from async_tasks.errors import ConfigurationError
from async_tasks.ops import processes
from async_tasks.ops.ports import check_ports, free_port, reachable, url
from async_tasks.ops.processes import MARKER, Child, environment, in_words, kill_marked, marked
from async_tasks.settings import load
from tests.support.processes import Process
from tests.support.waiting import wait_until


def test_settings_are_handed_on_whatever_way_they_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ASYNC_TASKS_ADMIN_TOKEN=a-token-from-the-file\n")
    monkeypatch.setenv("ASYNC_TASKS_BROKER_URL", "amqp://u:p@h/")
    monkeypatch.setenv("ASYNC_TASKS_PORT", "1")
    settings = load(port=5001, modules="one,two", broker_url=None, data_dir=Path("data"))

    variables = environment(settings, tmp_path / "data")

    ours = {name: value for name, value in variables.items() if name.startswith("ASYNC_TASKS_")}
    assert ours == {
        "ASYNC_TASKS_ADMIN_TOKEN": "a-token-from-the-file",
        "ASYNC_TASKS_DATA_DIR": str(tmp_path / "data"),
        "ASYNC_TASKS_MODULES": "one,two",
        "ASYNC_TASKS_PORT": "5001",
    }
    assert variables[MARKER] == str(tmp_path / "data")
    assert variables["PATH"] == os.environ["PATH"]


def test_what_is_handed_on_is_read_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        broker_url="amqp://u:p%40@h:1/v", redis_url="redis://:p@h/1", queues="a,b", lease=2.5, email_outbox=tmp_path
    )
    for name, value in environment(settings, tmp_path).items():
        monkeypatch.setenv(name, value)

    assert load().model_dump() == settings.model_dump() | {"data_dir": tmp_path}


def test_delays_double_up_to_a_bound() -> None:
    child = Child("role", ["true"], {})

    assert [child.restart_later() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_delays_begin_anew_after_a_settled_life(monkeypatch: pytest.MonkeyPatch) -> None:
    child = Child("role", [sys.executable, "-c", ""], dict(os.environ))
    for _ in range(3):
        child.restart_later()
    monkeypatch.setattr(processes, "SETTLED", 0.0)
    child.start()
    wait_until(lambda: not child.running, 10, "its end")

    assert child.restart_later() == 0.5


def test_ends_are_put_in_words() -> None:
    assert in_words(3) == "ended with exit status 3"
    assert in_words(-9) == "was ended by SIGKILL"
    assert in_words(-64) in ("was ended by SIGRTMAX", "was ended by signal 64")


def test_only_marked_processes_of_the_folder_are_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
    ours, others = (
        Process(command, tmp_path / f"{name}.log", env=os.environ | {MARKER: str(tmp_path / name)})
        for name in ("ours", "others")
    )
    for process in (ours, others):
        process.start()
        wait_until(lambda process=process: "up" in process.output, 10, "its start")  # type: ignore[misc]

    try:
        assert [found.pid for found in marked(tmp_path / "ours")] == [ours.pid]
        assert kill_marked(tmp_path / "ours") == 1
        assert ours.wait() == -9
        assert others.alive
    finally:
        ours.kill()
        others.kill()


def test_addresses_as_a_browser_takes_them() -> None:
    assert url("0.0.0.0", 1) == "http://127.0.0.1:1/"
    assert url("::", 1) == "http://[::1]:1/"
    assert url("localhost", 1) == "http://localhost:1/"
    assert reachable("192.0.2.7") == "192.0.2.7"


def test_every_unusable_port_is_said() -> None:
    port = free_port("127.0.0.1")

    with pytest.raises(ConfigurationError) as caught:
        check_ports(
            [
                ("127.0.0.1", port, "--port", "PORT"),
                ("127.0.0.1", port, "--flower-port", "FLOWER_PORT"),
                ("192.0.2.7", port + 1, "--third", "THIRD"),
            ]
        )

    twice, foreign = caught.value.problems
    assert twice == f"port {port} is asked for twice: choose another with --flower-port or FLOWER_PORT"
    assert foreign.startswith(f"port {port + 1} cannot be used (")
    assert "on 192.0.2.7: choose another with --third or THIRD" in foreign
