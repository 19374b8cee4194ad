"""An engine of this process and a worker of its own, over real servers."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
from celery import Celery

from async_tasks import engine
from async_tasks.engine import App
from tests.support.profiles import Profile
from tests.support.system import System

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


@pytest.fixture
def workers(running_system: Callable[..., System]) -> System:
    """A system with a worker that runs ``tests.support.tasks``."""
    system = running_system(modules=MODULES)
    system.start("worker")
    return system
