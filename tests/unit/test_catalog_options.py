"""The options of ``@task``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import celery
import pytest

from async_tasks import catalog, task
from async_tasks.catalog import TaskOptions
from async_tasks.errors import DeclarationError


@pytest.fixture(autouse=True)
def _own_catalog() -> Iterator[None]:
    taken = catalog.snapshot()
    yield
    catalog.restore(taken)


def plain() -> None: ...


def declared(**options: Any) -> TaskOptions:
    return task(**options)(plain).spec.options


def refused(**options: Any) -> str:
    with pytest.raises(DeclarationError) as caught:
        task(**options)(plain)
    return str(caught.value).partition("cannot be a task: ")[2]


def test_given_no_options_when_declared_then_nothing_is_retried_and_nothing_limited() -> None:
    expected = TaskOptions(
        queue=None, priority=None, max_retries=None, retry_for=(), backoff=1.0, backoff_max=600.0, jitter=True,
        time_limit=None, soft_time_limit=None,
    )  # fmt: skip
    assert task(plain).spec.options == expected
    assert declared() == expected


def test_given_every_option_when_declared_then_each_is_kept() -> None:
    options = declared(
        queue="slow.one-2", priority=9, max_retries=3, retry_for=(OSError, ValueError), backoff=0.5, backoff_max=30,
        jitter=False, time_limit=60, soft_time_limit=50.5,
    )  # fmt: skip
    assert options == TaskOptions(
        queue="slow.one-2", priority=9, max_retries=3, retry_for=(OSError, ValueError), backoff=0.5, backoff_max=30,
        jitter=False, time_limit=60, soft_time_limit=50.5,
    )  # fmt: skip


def test_given_retries_without_errors_named_when_declared_then_every_error_is_retried() -> None:
    assert declared(max_retries=2).retry_for == (Exception,)
    assert declared(max_retries=2, retry_for=()).retry_for == ()
    assert declared(max_retries=2, retry_for=OSError).retry_for == (OSError,)
    assert declared(max_retries=2, retry_for=[OSError]).retry_for == (OSError,)


def test_given_no_retries_when_declared_then_nothing_is_retried() -> None:
    assert declared(max_retries=0).retry_for == ()


@pytest.mark.parametrize(
    "options", [{"retry_for": (OSError,)}, {"backoff": 2}, {"jitter": False}, {"backoff_max": 5, "max_retries": 0}]
)
def test_given_options_of_retries_without_retries_when_declared_then_the_cause_is_named(
    options: dict[str, Any],
) -> None:
    message = refused(**options)
    assert "has no effect without retries" in message
    assert "max_retries" in message


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("queue", ""),
        ("queue", "a b"),
        ("queue", "x" * 101),
        ("queue", 5),
        ("priority", -1),
        ("priority", 10),
        ("priority", 1.5),
        ("priority", True),
        ("max_retries", -1),
        ("max_retries", None),
        ("max_retries", True),
        ("max_retries", 1.0),
        ("retry_for", "OSError"),
        ("retry_for", (OSError, "ValueError")),
        ("retry_for", KeyboardInterrupt),
        ("backoff", 0),
        ("backoff", float("inf")),
        ("backoff_max", "long"),
        ("jitter", 1),
        ("time_limit", 0),
        ("time_limit", True),
        ("soft_time_limit", -1),
        ("soft_time_limit", float("nan")),
    ],
)
def test_given_an_unfit_value_when_declared_then_it_says_what_is_wanted(option: str, value: Any) -> None:
    retries = {} if option == "max_retries" else {"max_retries": 1}
    message = refused(**retries, **{option: value})
    assert message.startswith(f"option {option!r} must be ")
    assert message.endswith(f"and it is {value!r}")


def test_given_limits_or_delays_in_the_wrong_order_when_declared_then_they_are_refused() -> None:
    assert "'soft_time_limit' (60 s) must be shorter than 'time_limit' (60 s)" in refused(
        time_limit=60, soft_time_limit=60
    )
    assert "'backoff' (700 s) is longer than 'backoff_max' (600 s)" in refused(max_retries=1, backoff=700)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("autoretry_for", "is called 'retry_for' here"),
        ("retry_backoff", "is called 'backoff' here"),
        ("retry_backoff_max", "is called 'backoff_max' here"),
        ("retry_jitter", "is called 'jitter' here"),
        ("default_retry_delay", "is called 'backoff' here"),
        ("acks_late", "is decided by async-tasks: a message is acknowledged once its outcome is recorded"),
        ("ignore_result", "is decided by async-tasks: every task has a record"),
        ("serializer", "is decided by async-tasks: messages are JSON"),
        ("max_retry", "did you mean 'max_retries'?"),
        ("binds", "did you mean 'bind'?"),
        ("colour", "the options are name, bind, queue, priority"),
    ],
)
def test_given_an_unknown_option_when_declared_then_the_likely_cause_is_named(option: str, said: str) -> None:
    assert said in refused(**{option: True})


def test_given_bind_is_no_switch_when_declared_then_it_is_refused() -> None:
    assert refused(bind=1) == "option 'bind' must be True or False, and it is 1"


def test_given_every_option_of_celerys_own_tasks_when_declared_then_none_passes_unexplained() -> None:
    for name in dict(celery.Task.from_config):
        if name not in {"priority", "rate_limit", "time_limit", "soft_time_limit", "store_eager_result"}:
            assert refused(**{name: True}).startswith(f"Celery's option {name!r} is ")


def test_unique_takes_a_window_and_the_parameters_that_count():
    @task(unique=60, unique_by="user")
    def welcome(user: str, words: str = "hello") -> str:
        return f"{words}, {user}"

    assert (welcome.spec.options.unique, welcome.spec.options.unique_by) == (60, ("user",))
    for wrong, words in (
        ({"unique": 0}, "number of seconds greater than 0"),
        ({"unique_by": ["user"]}, "has no effect without unique"),
        ({"unique": True, "unique_by": "nobody"}, "names 'nobody', which is no parameter"),
        ({"unique": True, "unique_by": 5}, "names of parameters"),
    ):
        with pytest.raises(DeclarationError, match=words):

            @task(**wrong)
            def refused(user: str) -> None: ...
