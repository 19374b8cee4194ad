"""Real servers and systems for every tier; each server is started once, when the first test asks for it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from async_tasks.settings import ENV_PREFIX, get_settings
from tests.support.profiles import Profile
from tests.support.servers import (
    RabbitServer,
    StoreServer,
    rabbitmq_program,
    redis_program,
    valkey_program,
)
from tests.support.system import System

#: Every suite over real servers runs on each.
PROFILES = ("embedded", "rabbitmq")

_LOGS = pytest.StashKey[list[Callable[[], str]]]()


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of the person who runs the tests takes part in them, and none of one test in the next."""
    for name in os.environ:
        if name.startswith(ENV_PREFIX):
            monkeypatch.delenv(name)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """Redis, running; tests use ``redis_server``."""
    server = StoreServer(redis_program(), tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def valkey_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """Valkey, running; tests use ``valkey_server``."""
    server = StoreServer(valkey_program(), tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def rabbitmq_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """RabbitMQ, running; tests use ``rabbitmq_server``."""
    server = RabbitServer(rabbitmq_program(), tmp_path_factory.mktemp("rabbitmq"))
    try:
        server.start()
        yield server
    finally:
        server.end()


@pytest.fixture
def redis_server(redis_process: StoreServer) -> StoreServer:
    """Redis, serving and empty."""
    redis_process.ensure()
    redis_process.wipe()
    return redis_process


@pytest.fixture
def valkey_server(valkey_process: StoreServer) -> StoreServer:
    """Valkey, serving and empty."""
    valkey_process.ensure()
    valkey_process.wipe()
    return valkey_process


@pytest.fixture
def rabbitmq_server(rabbitmq_process: RabbitServer) -> RabbitServer:
    """RabbitMQ, serving; ``add_vhost`` gives an empty part of it."""
    rabbitmq_process.ensure()
    return rabbitmq_process


@contextmanager
def empty_profile(request: pytest.FixtureRequest, name: str, data_dir: Path) -> Iterator[Profile]:
    """Broker and store of a profile with nothing in them."""
    data_dir.mkdir()
    process = "valkey_process" if name == "embedded" else "redis_process"
    store: StoreServer = request.getfixturevalue(process)
    store.ensure()
    store.wipe()
    if name == "embedded":
        yield Profile(name, store, store, store.url, data_dir)
        return
    broker: RabbitServer = request.getfixturevalue("rabbitmq_process")
    broker.ensure()
    vhost = f"test-{uuid.uuid4().hex[:12]}"
    url, starts = broker.add_vhost(vhost), broker.starts
    yield Profile(name, broker, store, url, data_dir)
    broker.ensure()
    # Queues deleted soon after a start take RabbitMQ 3.10's supervisor of dead-lettering at least once with them,
    # and with it every such queue of the broker.
    if broker.starts == starts:
        broker.delete_vhost(vhost)


@pytest.fixture(params=PROFILES)
def profile(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Profile]:
    """Broker and store with nothing in them: a test that takes this runs once on each profile."""
    with empty_profile(request, request.param, tmp_path / "data") as profile:
        yield profile


@pytest.fixture
def running_system(request: pytest.FixtureRequest, profile: Profile, tmp_path: Path) -> Iterator[Callable[..., System]]:
    """Makes systems of this test's profile (see ``System``), and ends them with the test."""
    systems: list[System] = []

    def make(**options: Any) -> System:
        folder = tmp_path / f"system-{len(systems)}"
        folder.mkdir()
        system = System(profile, folder, **options)
        systems.append(system)
        show_on_failure(request, system.tails)
        return system

    yield make
    for system in systems:
        system.end()


def show_on_failure(request: pytest.FixtureRequest, text: Callable[[], str]) -> None:
    """Add what ``text`` returns to this test's report if it fails."""
    request.node.stash.setdefault(_LOGS, []).append(text)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections += [("logs", text()) for text in item.stash.get(_LOGS, [])]
    return report
