"""The two profiles that every suite over real servers runs on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from async_tasks.settings import ENV_PREFIX, Settings, load
from tests.support.servers import RabbitServer, Server, StoreServer

SECRET_KEY = "a-signing-key-for-tests-only"


@dataclass(frozen=True)
class Profile:
    """Broker and store of one test, with nothing in them."""

    #: ``embedded`` (Valkey is both) or ``rabbitmq`` (RabbitMQ and Redis).
    name: str
    #: The same server as the store in the profile ``embedded``.
    broker: Server
    store: StoreServer
    broker_url: str
    #: A folder of this test's own.
    data_dir: Path

    @property
    def rabbit(self) -> RabbitServer:
        """The broker, in the profile ``rabbitmq``."""
        assert isinstance(self.broker, RabbitServer), "this profile has no RabbitMQ"
        return self.broker

    def settings(self, **overrides: Any) -> Settings:
        """Settings of this profile; ``overrides`` win."""
        return load(
            **{
                "broker_url": self.broker_url,
                "redis_url": self.store.url,
                "data_dir": self.data_dir,
                "secret_key": SECRET_KEY,
                **overrides,
            }
        )

    def env(self, variables: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a process of this profile.

        Args:
            variables: ``ASYNC_TASKS_*`` and others that win.
        """
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
        return {
            **inherited,
            "ASYNC_TASKS_BROKER_URL": self.broker_url,
            "ASYNC_TASKS_REDIS_URL": self.store.url,
            "ASYNC_TASKS_DATA_DIR": str(self.data_dir),
            "ASYNC_TASKS_SECRET_KEY": SECRET_KEY,
            **(variables or {}),
        }
