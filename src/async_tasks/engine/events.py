"""What a worker tells monitors such as Flower."""

from __future__ import annotations

from typing import Any

from celery.app.events import Events as CeleryEvents
from celery.events.dispatcher import EventDispatcher as CeleryEventDispatcher


class EventDispatcher(CeleryEventDispatcher):
    """Celery's, which holds the worker's main process until a broker that is away has taken the sign of life."""

    def send(self, type: str, *args: Any, retry: bool = False, **kwargs: Any) -> Any:  # noqa: A002, ARG002 - Celery's
        """Send an event, or keep it until there is a connection again."""
        return super().send(type, *args, retry=False, **kwargs)


class Events(CeleryEvents):
    """Celery's, with our dispatcher."""

    dispatcher_cls = EventDispatcher
