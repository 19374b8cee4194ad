"""Read by mypy only: the client keeps a task's types. Each ``type: ignore`` is an error that must be there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from pydantic import BaseModel, HttpUrl

from async_tasks import task
from async_tasks.client import AsyncClient, Batch, Change, Client, Record, TaskHandle, entry


class Thumbnail(BaseModel):
    width: int
    path: str


@task(max_retries=5)
def thumbnail(url: HttpUrl, width: int = 256) -> Thumbnail:
    return Thumbnail(width=width, path=str(url))


@task(bind=True)
def bound(self: Any, number: int) -> float:
    return number / 2


@task
def empty() -> None: ...


def by_function(client: Client, url: HttpUrl) -> None:
    handle = client.submit(thumbnail, url=url, width=64)
    assert_type(handle, TaskHandle[Thumbnail])
    assert_type(handle.result(timeout=30), Thumbnail)
    assert_type(client.submit(thumbnail, url).result(), Thumbnail)
    assert_type(client.submit(bound, 4).result(), float)
    assert_type(handle.replay(), TaskHandle[Thumbnail])
    assert_type(client.task("some-id", thumbnail).result(), Thumbnail)
    client.submit(empty).result()
    anything: TaskHandle[object] = handle
    anything.wait()


def by_name(client: Client) -> None:
    assert_type(client.submit("thumbnail", url="https://example.org"), TaskHandle[Any])
    client.submit("thumbnail", {"url": "https://example.org"}, width=3)
    client.submit("x", task=1, self=2, delay=3, name=4, arguments=5)
    client.task("some-id").result()


def with_options(client: Client, url: HttpUrl) -> None:
    later = client.with_options(delay=timedelta(minutes=1), expires=datetime.now(UTC), priority=3)
    assert_type(later.submit(thumbnail, url), TaskHandle[Thumbnail])


def many(client: Client, url: HttpUrl) -> None:
    batch = client.batch(entry(thumbnail, url).with_options(delay=n) for n in range(3))
    assert_type(batch, Batch[Thumbnail])
    assert_type(batch[0].result(), Thumbnail)
    assert_type([each.result() for each in batch], list[Thumbnail])
    client.batch([entry("thumbnail", url="https://example.org"), entry(bound, 3)])


def looking(client: Client) -> None:
    assert_type(client.get("some-id"), Record)
    for record in client.list(state="FAILURE"):
        assert_type(record, Record)
    for change in client.watch():
        assert_type(change, Change)
    for record in client.task("some-id").watch(timeout=3):
        assert_type(record.submitted_at, datetime)


async def in_an_event_loop(client: AsyncClient, url: HttpUrl) -> None:
    assert_type(await (await client.submit(thumbnail, url=url)).result(), Thumbnail)
    assert_type([each async for each in client.list()], list[Record])
    batch = await client.batch([entry(thumbnail, url)])
    assert_type(await batch[0].result(), Thumbnail)


def mistakes(client: Client, url: HttpUrl) -> None:
    client.submit(thumbnail)  # type: ignore[call-overload]
    client.submit(thumbnail, url=5)  # type: ignore[call-overload]
    client.submit(thumbnail, url=url, widht=5)  # type: ignore[call-overload]
    client.submit(thumbnail, url=url, delay=5)  # type: ignore[call-overload]
    client.submit(bound, "self", 4)  # type: ignore[call-overload]
    client.submit(lambda: 3)  # type: ignore[call-overload]
    entry(thumbnail, width=5)  # type: ignore[call-overload]
    client.with_options(dealy=5)  # type: ignore[call-arg]
    _ = client.submit(thumbnail, url).result().widht  # type: ignore[attr-defined]
