"""Celery's remote control, with which ``AsyncResult.revoke()``, groups and Flower cancel."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from celery.app.control import Control as CeleryControl

from async_tasks.errors import AlreadyFinished, UnknownRecord


class Control(CeleryControl):
    """Cancels in the ledger: a broadcast reaches only the workers that are there, and they forget it when they end."""

    def revoke(
        self,
        task_id: str | Iterable[str],
        destination: Any = None,
        terminate: bool = False,
        signal: Any = "SIGTERM",
        **kwargs: Any,
    ) -> Any:
        """Cancel one task, or several; as Celery's, it stops what runs only with ``terminate``.

        Raises:
            StoreUnavailable: if the ledger did not answer.
        """
        ids = [task_id] if isinstance(task_id, str) else list(task_id)
        unknown = []
        for each in ids:
            try:
                with suppress(AlreadyFinished):
                    self.app.ledger.cancel(each, running=terminate)
            except UnknownRecord:
                unknown.append(each)
        if unknown:  # of a client that knows only the broker: no worker has seen them yet
            return super().revoke(unknown, destination=destination, terminate=terminate, signal=signal, **kwargs)
        return None
