"""The roles by themselves, ``async-tasks web`` and ``async-tasks worker``, on both profiles."""

from __future__ import annotations

import signal
from collections.abc import Callable

import httpx

from tests.support.system import System
from tests.support.waiting import wait_until


def submit(system: System, text: str, **query: float) -> httpx.Response:
    url = f"{system.url}/api/v1/tasks/reverse_text"
    return httpx.post(url, json={"text": text}, params=query, timeout=40)


def test_a_task_runs(running_system: Callable[..., System]) -> None:
    system = running_system()
    system.start()

    answer = submit(system, "hello", wait=20)

    assert answer.status_code == 200
    assert answer.json()["result"] == "olleh"


def test_what_waits_for_a_worker_runs_when_one_comes(running_system: Callable[..., System]) -> None:
    system = running_system()
    system.start("web")
    url = system.url + submit(system, "early").json()["links"]["self"]

    system.start("worker")

    wait_until(lambda: httpx.get(url).json()["state"] == "SUCCESS", 20, lambda: httpx.get(url).text)


def test_asked_to_end_the_roles_end(running_system: Callable[..., System]) -> None:
    system = running_system()
    system.start()

    for name in ("web", "worker"):
        system.processes[name].signal(signal.SIGTERM)

    assert [system.processes[name].wait(20) for name in ("web", "worker")] == [0, 0]
