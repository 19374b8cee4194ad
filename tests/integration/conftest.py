"""An engine of this process and a worker of its own, over real servers."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery
from flask import Flask

from async_tasks import engine
from async_tasks.engine import App
from async_tasks.ledger import Ledger, StoreConnection
from tests.conftest import PROFILES, empty_profile
from tests.support.profiles import Profile
from tests.support.servers import StoreServer
from tests.support.system import System
from tests.support.web import web_apps

MODULES = ("tests.support.tasks",)


_APPS: list[Celery] = []


def outlive_results(app: Celery) -> None:
    """Let an application live as long as the tests.

    Celery's results unsubscribe when they are collected. In one collection with their application they would do
    so on its closed connection, which opens another that nobody closes.
    """
    _APPS.append(app)
    gc.collect()


@pytest.fixture
def app(profile: Profile) -> Iterator[App]:
    """The engine as a client has it: it submits and reads."""
    app = engine.build(profile.settings(modules=MODULES, queues=("other",)))
    yield app
    outlive_results(app)
    app.close_connections()


@pytest.fixture(params=["valkey_server", "redis_server"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """The ledger alone, empty, on each store."""
    server: StoreServer = request.getfixturevalue(request.param)
    ledger = Ledger(StoreConnection(server.url, timeout=10, patience=10))
    yield ledger
    ledger.connection.close()


@pytest.fixture
def workers(running_system: Callable[..., System]) -> System:
    """A system with a worker that runs ``tests.support.tasks``."""
    system = running_system(modules=MODULES)
    system.start("worker")
    return system


@pytest.fixture
def store_profile(valkey_server: StoreServer, tmp_path: Path) -> Profile:
    """For tests in which the broker has no part: one profile is enough."""
    return Profile("embedded", valkey_server, valkey_server, valkey_server.url, tmp_path)


@pytest.fixture
def make(store_profile: Profile) -> Iterator[Callable[..., Flask]]:
    """Makes web applications with settings of the test's own."""
    with web_apps(store_profile) as make:
        yield make


@pytest.fixture(scope="module", params=PROFILES)
def lasting_profile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Profile]:
    """One for all tests of a module, each of which leaves what it did."""
    with empty_profile(request, request.param, tmp_path_factory.mktemp("lasting") / "data") as profile:
        yield profile


@pytest.fixture(scope="module")
def lasting_worker(lasting_profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A worker that runs ``tests.support.tasks`` for all tests of a module: a start costs three seconds."""
    system = System(lasting_profile, tmp_path_factory.mktemp("worker"), modules=MODULES)
    try:
        system.start("worker")
        yield system
    finally:
        system.end()
