"""Read by mypy only: the decorator keeps a function's types. Each ``type: ignore`` is an error that must be there."""

from __future__ import annotations

from typing import Any, assert_type

from async_tasks import task
from async_tasks.catalog import Task


@task
def bare(text: str, times: int = 1) -> str:
    return text * times


@task(max_retries=3, retry_for=(OSError,), queue="slow")
def optioned(text: str, *, loud: bool = False) -> list[str]:
    return [text.upper() if loud else text]


@task(bind=True, time_limit=5)
def bound(self: Any, number: int) -> float:
    return number / 2


@task()
def empty() -> None: ...


def handles() -> None:
    returned: Task[..., str] = bare
    assert_type(returned("a"), str)
    assert_type(bare("a"), str)
    assert_type(bare("a", times=2), str)
    assert_type(optioned("a", loud=True), list[str])
    assert_type(bound(4), float)
    empty()


def submissions() -> None:
    bare.delay("a", 2)
    optioned.delay("a", loud=True)
    bound.delay(4)
    empty.delay()
    bare.apply_async(("a",), {"times": 2}, countdown=3)
    bare.s("a") | bare.si("b")


def mistakes() -> None:
    bare(5)  # type: ignore[arg-type]
    bare("a", tims=2)  # type: ignore[call-arg]
    bare.delay(5)  # type: ignore[arg-type]
    bare.delay()  # type: ignore[call-arg]
    optioned.delay("a", True)  # type: ignore[call-arg]
    bound("four")  # type: ignore[arg-type]
    bound.delay("self", 4)  # type: ignore[call-arg, arg-type]
    task(max_retry=3)  # type: ignore[call-overload]
    task(queue=5)  # type: ignore[call-overload]
