"""Settings: one frozen object, read from ``ASYNC_TASKS_*`` and ``.env``, that reports every problem at once."""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from async_tasks.addresses import is_loopback, mask_url, with_scheme
from async_tasks.errors import ConfigurationError

ENV_PREFIX = "ASYNC_TASKS_"

#: The queue and the direct exchange of the system, by contract.
QUEUE = "celery_see"

#: Where the embedded store says how to reach it, inside the data folder (mode 0600: it holds a password).
EMBEDDED_FILE = "embedded.json"
#: Where `up` says which modules it serves, so that a command in the same folder knows their tasks.
MODULES_FILE = "modules.json"
SECRET_KEY_FILE = "secret.key"  # noqa: S105 - a file name

Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Everything that can be configured. Each field is the variable ``ASYNC_TASKS_<NAME>``."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    broker_url: SecretStr | None = Field(
        None, description="Broker, `amqp://…`, `amqps://…` or `redis://…`; none: the embedded default"
    )
    redis_url: SecretStr | None = Field(
        None, description="Ledger and result store, `redis://…` or `rediss://…`; none: the embedded default"
    )
    data_dir: Path = Field(Path(".async-tasks"), description="Folder of the embedded default's data and of the outbox")
    modules: Names = Field((), description="Modules with tasks of your own, comma-separated")
    queues: Names = Field((), description="Queues beyond `celery_see` and those that tasks name, comma-separated")

    host: str = Field("127.0.0.1", description="Address that the web process listens on")
    port: int = Field(5000, ge=0, le=65535, description="Port of the web process")
    web_processes: int = Field(1, ge=1, le=64, description="Number of web processes")
    allowed_hosts: Names = Field(
        (), description="Host names that requests may carry besides loopback ones, comma-separated"
    )
    flower_host: str = Field("127.0.0.1", description="Address that Flower listens on")
    flower_port: int = Field(5555, ge=0, le=65535, description="Port of Flower")
    secret_key: SecretStr | None = Field(
        None, description="Signs sessions and forms; the embedded default makes one. Required beyond loopback"
    )
    admin_token: SecretStr | None = Field(
        None, description="Bearer token of the API and password of the pages. Required beyond loopback"
    )

    concurrency: int = Field(4, ge=1, le=1024, description="Tasks that one worker runs at a time")
    task_time_limit: float = Field(
        1500,
        gt=0,
        description="Seconds after which a task without a limit of its own is ended; "
        "stay below the broker's consumer timeout (30 minutes)",
    )
    shutdown_grace: float = Field(
        10,
        ge=0,
        description="Seconds that running tasks get to finish when a worker stops; then they are handed back",
    )
    cancel_grace: float = Field(
        5,
        ge=0,
        le=3600,
        description="Seconds that a cancelled task has to stop by itself before its process is ended",
    )
    lease: float = Field(
        3,
        ge=1,
        le=300,
        description="Seconds without a sign of life after which a worker's task is given to another",
    )
    broker_heartbeat: int = Field(
        10, ge=1, le=600, description="Seconds between two signs of life of the broker; it is gone when two are missing"
    )
    max_losses: int = Field(5, ge=1, le=100, description="How often a task may lose its worker before it is a FAILURE")
    retention: float = Field(
        7 * 86400, ge=1, description="Seconds that finished records are kept; unfinished ones never expire"
    )
    max_payload_bytes: int = Field(
        1 << 20, ge=1024, description="Largest arguments and largest result, as JSON, in bytes"
    )
    publish_timeout: float = Field(
        5,
        gt=0,
        le=60,
        description="Seconds that a submission waits for the broker before it is left to the dispatcher",
    )
    store_timeout: float = Field(
        2, gt=0, le=60, description="Seconds that a request waits for the store before it is answered 503"
    )

    smtp_url: SecretStr | None = Field(
        None,
        description="`smtp://user:password@host:587` (STARTTLS when offered), `smtps://…:465`; "
        "none: `.eml` files in the outbox",
    )
    smtp_timeout: float = Field(30, gt=0, le=600, description="Seconds that each step of an SMTP conversation may take")
    email_from: str = Field("async-tasks@localhost", description="Sender of the emails of `send_email`")
    email_outbox: Path | None = Field(None, description="Folder of `.eml` files; none: `outbox` in the data folder")

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level that is logged"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto`: for people on a terminal, JSON elsewhere"
    )

    @field_validator("modules", "queues", "allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("broker_url")
    @classmethod
    def _known_broker(cls, value: SecretStr | None) -> SecretStr | None:
        return with_scheme(value, ("amqp", "amqps", "redis", "rediss"))

    @field_validator("redis_url")
    @classmethod
    def _known_store(cls, value: SecretStr | None) -> SecretStr | None:
        return with_scheme(value, ("redis", "rediss"))

    @field_validator("smtp_url")
    @classmethod
    def _known_smtp(cls, value: SecretStr | None) -> SecretStr | None:
        return with_scheme(value, ("smtp", "smtps"))

    @field_validator("queues")
    @classmethod
    def _queue_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name):
                raise ValueError(f"{name!r} is no queue name: use letters, digits, '_', '-' and '.', at most 100")
        return value

    @property
    def embedded(self) -> bool:
        """Whether broker and ledger are the store that async-tasks runs itself."""
        return self.broker_url is None and self.redis_url is None

    @property
    def outbox(self) -> Path:
        """The folder of emails when no SMTP server is set."""
        return self.email_outbox or self.data_dir / "outbox"

    def task_modules(self) -> tuple[str, ...]:
        """The modules of the settings, or those that the system of the data folder was last started with."""
        if self.modules:
            return self.modules
        try:
            return tuple(json.loads((self.data_dir / MODULES_FILE).read_text()))
        except (OSError, ValueError, TypeError):
            return ()

    def broker(self) -> str:
        """The broker's URL, password included.

        Raises:
            ConfigurationError: if the embedded store is meant and none has been started.
        """
        return self.broker_url.get_secret_value() if self.broker_url else self.store()

    def store(self) -> str:
        """The ledger's URL, password included.

        Raises:
            ConfigurationError: if the embedded store is meant and none has been started.
        """
        if self.redis_url:
            return self.redis_url.get_secret_value()
        path = self.data_dir / EMBEDDED_FILE
        try:
            url: str = json.loads(path.read_text())["url"]
        except (OSError, ValueError, KeyError):
            problem = (
                f"No embedded store is running with the data folder {self.data_dir.absolute()}: "
                "start `async-tasks up` there first, or set ASYNC_TASKS_DATA_DIR, "
                "or set ASYNC_TASKS_BROKER_URL and ASYNC_TASKS_REDIS_URL"
            )
            raise ConfigurationError([problem]) from None
        return url

    def signing_key(self) -> str:
        """The key of sessions and forms.

        Raises:
            ConfigurationError: if none is set and the data folder holds none.
        """
        if self.secret_key:
            return self.secret_key.get_secret_value()
        try:
            return (self.data_dir / SECRET_KEY_FILE).read_text().strip()
        except OSError:
            raise ConfigurationError(
                ["ASYNC_TASKS_SECRET_KEY is not set: set it to a long random string, the same for every web process"]
            ) from None

    def check(self, *, web: bool = False, flower: bool = False) -> list[str]:
        """Every problem between settings that no single one shows, in words that say what would be right.

        Args:
            web: whether the web process is to be started with them.
            flower: whether Flower is.
        """
        problems = []
        if (self.broker_url is None) != (self.redis_url is None):
            missing, present = ("BROKER", "REDIS") if self.redis_url else ("REDIS", "BROKER")
            problems.append(
                f"ASYNC_TASKS_{present}_URL is set and ASYNC_TASKS_{missing}_URL is not: "
                "set both, or none for the embedded default"
            )
        exposed = [
            f"ASYNC_TASKS_{name}"
            for name, host, used in (("HOST", self.host, web), ("FLOWER_HOST", self.flower_host, flower))
            if used and not is_loopback(host)
        ]
        for name in exposed:
            required = {"ADMIN_TOKEN": self.admin_token}
            if name == "ASYNC_TASKS_HOST":
                required["SECRET_KEY"] = self.secret_key
            problems += [
                f"{name} is reachable from other machines, so ASYNC_TASKS_{secret} is required"
                for secret, value in required.items()
                if value is None
            ]
        for name, secret in (("ADMIN_TOKEN", self.admin_token), ("SECRET_KEY", self.secret_key)):
            if secret is not None and len(secret.get_secret_value()) < 16:  # noqa: PLR2004 - said in the message
                problems.append(f"ASYNC_TASKS_{name} has fewer than 16 characters: make a long random one")
        problems += _unknown_variables()
        if self.lease >= self.task_time_limit:
            problems.append("ASYNC_TASKS_LEASE must be shorter than ASYNC_TASKS_TASK_TIME_LIMIT")
        return problems

    def masked(self) -> dict[str, Any]:
        """Every setting in force by its variable's name; secrets masked, and passwords within URLs."""
        shown: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                value = mask_url(value.get_secret_value()) if name.endswith("_url") else "********"
            elif isinstance(value, tuple):
                value = ",".join(value)
            elif isinstance(value, Path):
                value = str(value)
            shown[f"{ENV_PREFIX}{name.upper()}"] = value
        return shown


@cache
def get_settings() -> Settings:
    """The process's settings, read at the first call.

    Raises:
        ConfigurationError: with every problem found.
    """
    return load()


def load(**overrides: Any) -> Settings:
    """Read the settings; ``overrides`` win over the environment.

    Raises:
        ConfigurationError: with every problem found.
    """
    try:
        return Settings(**overrides)
    except ValidationError as exc:
        problems = []
        for error in exc.errors(include_url=False, include_context=False, include_input=False):
            name = f"{ENV_PREFIX}{str(error['loc'][0]).upper()}" if error["loc"] else "settings"
            problems.append(f"{name}: {error['msg'].removeprefix('Value error, ')}")
        raise ConfigurationError(problems) from None


def _unknown_variables() -> list[str]:
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    return [
        f"{name}: there is no such setting; `async-tasks check` lists them"
        for name in os.environ
        if name.startswith(ENV_PREFIX) and name not in known
    ]
