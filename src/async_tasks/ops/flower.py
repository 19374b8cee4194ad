"""Flower as this system runs it: with a login where there is a token, and with defaults that fit one machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from async_tasks.errors import ConfigurationError
from async_tasks.settings import Settings

USER: Final = "admin"

#: In the place of Flower's own defaults; its variables win, and so does its ``flowerconfig.py``.
DEFAULTS: Final[Mapping[str, str]] = {
    # What people look for; Flower's own list shows neither arguments nor results.
    "FLOWER_TASKS_COLUMNS": "name,uuid,state,args,kwargs,result,received,runtime,worker",
    # They are held in memory, some kilobytes each, and Flower's own 100,000 are more than a small machine has to
    # spare; the history is the ledger's.
    "FLOWER_MAX_TASKS": "10000",
}

#: Any of these opens Flower's API, and with it the buttons of its pages.
OPENERS: Final = ("FLOWER_BASIC_AUTH", "FLOWER_AUTH", "FLOWER_UNAUTHENTICATED_API")


def environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a Flower.

    Args:
        settings: where the broker is, and the token.
        environ: the environment of this process; Flower's variables in it are kept.

    Raises:
        ConfigurationError: if Flower cannot take the token.
    """
    chosen = {**DEFAULTS, **_broker_api(settings), **environ}
    if settings.admin_token is not None:
        # Not by an option: a command line is for everybody on the machine to read.
        chosen["FLOWER_BASIC_AUTH"] = f"{USER}:{_password(settings.admin_token.get_secret_value())}"
    if not any(chosen.get(name) for name in OPENERS):
        # Its API answers nobody then, and buttons that do nothing are worse than none.
        chosen.setdefault("FLOWER_READ_ONLY", "true")
    return chosen


def _password(token: str) -> str:
    # Flower splits its variable at commas, each part a login of its own, and cannot compare other letters.
    if "," in token or not token.isascii():
        problem = (
            "ASYNC_TASKS_ADMIN_TOKEN has a comma or a letter beyond ASCII, which Flower's login cannot take: "
            "make another one, such as `openssl rand -hex 32` prints"
        )
        raise ConfigurationError([problem])
    return token


def _broker_api(settings: Settings) -> dict[str, str]:
    """Where RabbitMQ's management answers; by itself, Flower would send the password there in the clear."""
    broker = urlsplit(settings.broker())
    if broker.scheme != "amqps":
        return {}
    host = broker.hostname or "localhost"
    return {"FLOWER_BROKER_API": f"https://{f'[{host}]' if ':' in host else host}:15671/api/"}
