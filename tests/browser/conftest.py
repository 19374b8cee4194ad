"""Chromium, and one running system that all browser tests share: every visitor has a session of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import show_on_failure
from tests.support.browser import Visitors, audit, launched
from tests.support.profiles import Profile
from tests.support.servers import StoreServer, valkey_program
from tests.support.system import System

#: Served to all browser tests.
MODULES = (
    *("tests.support.tasks", "tests.support.form_tasks"),
    *("tests.support.limited_tasks", "tests.support.nightly_tasks"),
)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The distribution's Chromium, without a window."""
    with launched() as browser:
        yield browser


@pytest.fixture(scope="package")
def shared_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A web process, a worker and a store of their own, which no other test empties or stops."""
    store = StoreServer(valkey_program(), tmp_path_factory.mktemp("browser-store"))
    store.start()
    profile = Profile("embedded", store, store, store.url, tmp_path_factory.mktemp("browser-data"))
    # Room for what tests leave running for some seconds.
    env = {"ASYNC_TASKS_CONCURRENCY": "8"}
    system = System(profile, tmp_path_factory.mktemp("browser-system"), modules=MODULES, env=env)
    try:
        system.start()
        yield system
    finally:
        system.end()
        store.kill()


@pytest.fixture
def system(request: pytest.FixtureRequest, shared_system: System) -> System:
    """The shared system; its logs are in the report of a test that fails. Not to be stopped: see ``running_system``."""
    show_on_failure(request, shared_system.tails)
    return shared_system


@pytest.fixture
def profile(valkey_server: StoreServer, tmp_path: Path) -> Profile:
    """For tests with a ``running_system`` of their own. The pages know no broker: one profile is enough."""
    return Profile("embedded", valkey_server, valkey_server, valkey_server.url, tmp_path)


@pytest.fixture
def visit(chromium: Browser, system: System) -> Iterator[Callable[..., Page]]:
    """Opens the page as a new visitor, who must meet no error and no other server (see ``Visitors``)."""
    visitors = Visitors(chromium, system.url)
    yield visitors
    visitors.end()


@pytest.fixture
def axe() -> Callable[[Page], None]:
    """Fails unless axe finds nothing wrong with a page."""

    def check(page: Page) -> None:
        assert audit(page) == []

    return check
