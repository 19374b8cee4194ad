"""The same functions on stock Celery with its own Redis backend: what our canvas is compared with."""

# mypy: disallow-untyped-decorators=False
# Celery's own decorators carry no types.

from __future__ import annotations

import os
from typing import Any

from celery import Celery, chain, group


def make_client(broker: str, backend: str) -> Celery:
    """A Celery application as its documentation has one; late acknowledgement is ours too.

    Its tasks are those of the catalog, by their names, where that is loaded.
    """
    app = Celery("stock", broker=broker, backend=backend, set_as_current=False)
    app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, task_default_queue="stock")
    return app


def make_app(broker: str, backend: str) -> Celery:
    """The worker's application, with the tasks."""
    app = make_client(broker, backend)

    @app.task(name="add")
    def add(a: int, b: int) -> int:
        return a + b

    @app.task(name="total")
    def total(values: list[int]) -> int:
        return sum(values)

    @app.task(name="fail")
    def fail(text: str) -> str:
        raise ValueError(text)

    @app.task(name="echo")
    def echo(value: Any) -> Any:
        return value

    @app.task(name="retry_by_hand", bind=True, max_retries=2)
    def retry_by_hand(self: Any, countdown: float) -> int:
        if self.request.retries < 2:
            raise self.retry(countdown=countdown)
        return int(self.request.retries)

    @app.task(name="replaced", bind=True)
    def replaced(self: Any, n: int) -> Any:
        return self.replace(add.s(n, 1))

    @app.task(name="replaced_by_chain", bind=True)
    def replaced_by_chain(self: Any, n: int) -> Any:
        return self.replace(chain(add.s(n, 1), add.s(10)))

    @app.task(name="replaced_by_group", bind=True)
    def replaced_by_group(self: Any, n: int) -> Any:
        return self.replace(group(add.s(i, n) for i in range(3)))

    return app


def __getattr__(name: str) -> Any:
    # For ``celery -A tests.support.stock worker``.
    if name == "celery":
        return make_app(os.environ["STOCK_BROKER"], os.environ["STOCK_BACKEND"])
    raise AttributeError(name)
