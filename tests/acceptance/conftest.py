"""The command over a store, with a worker and without one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import show_on_failure
from tests.support.commands import Commands, commands_over_a_store


@pytest.fixture(scope="module")
def _with_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with commands_over_a_store(tmp_path_factory.mktemp("commands"), worker=True) as commands:
        yield commands


@pytest.fixture(scope="module")
def _without_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with commands_over_a_store(tmp_path_factory.mktemp("commands"), worker=False) as commands:
        yield commands


@pytest.fixture
def cli(request: pytest.FixtureRequest, _with_worker: Commands) -> Iterator[Commands]:
    """The command over a store and a worker, which a module's tests share."""
    _with_worker.store.ensure()
    show_on_failure(request, _with_worker.system.tails)
    yield _with_worker
    _with_worker.close_terminals()


@pytest.fixture
def still(_without_worker: Commands) -> Iterator[Commands]:
    """The command over an empty store, with nobody who runs what is submitted."""
    _without_worker.store.ensure()
    _without_worker.store.wipe()
    yield _without_worker
    _without_worker.close_terminals()
