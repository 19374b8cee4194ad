"""The environment that Flower is started with."""

from __future__ import annotations

import pytest

from async_tasks.errors import ConfigurationError
from async_tasks.ops.flower import environment
from async_tasks.settings import load

REDIS = "redis://127.0.0.1:1/0"
TOKEN = "a-token-of-sixteen-characters"


def of(environ=None, **settings):
    return environment(load(**{"broker_url": REDIS, "redis_url": REDIS, **settings}), environ or {})


def test_the_token_is_the_password():
    chosen = of({"FLOWER_BASIC_AUTH": "somebody:else"}, admin_token=TOKEN)
    assert chosen["FLOWER_BASIC_AUTH"] == f"admin:{TOKEN}"
    assert "FLOWER_READ_ONLY" not in chosen


@pytest.mark.parametrize("token", ["sixteen,characters-and-more", "sechzehn-Zeichen-für-Flower"])
def test_a_token_that_flower_would_take_otherwise_is_refused(token):
    with pytest.raises(ConfigurationError, match="comma"):
        of(admin_token=token)


def test_without_a_login_it_only_shows():
    assert of()["FLOWER_READ_ONLY"] == "true"


@pytest.mark.parametrize("name", ["FLOWER_BASIC_AUTH", "FLOWER_AUTH", "FLOWER_UNAUTHENTICATED_API"])
def test_with_a_login_of_flowers_own_it_does_more(name):
    assert "FLOWER_READ_ONLY" not in of({name: "something"})


def test_flowers_own_variables_win():
    chosen = of({"FLOWER_MAX_TASKS": "7", "FLOWER_READ_ONLY": "false", "PATH": "/bin"})
    assert (chosen["FLOWER_MAX_TASKS"], chosen["FLOWER_READ_ONLY"], chosen["PATH"]) == ("7", "false", "/bin")
    assert "result" in chosen["FLOWER_TASKS_COLUMNS"].split(",")


@pytest.mark.parametrize(
    ("broker", "api"),
    [
        ("amqps://user:password@rabbit.example:5671//", "https://rabbit.example:15671/api/"),
        ("amqps://user:password@[::1]//", "https://[::1]:15671/api/"),
        ("amqp://user:password@rabbit.example//", None),
        (REDIS, None),
    ],
)
def test_a_password_that_travels_encrypted_is_never_sent_in_the_clear(broker, api):
    assert of(broker_url=broker).get("FLOWER_BROKER_API") == api
