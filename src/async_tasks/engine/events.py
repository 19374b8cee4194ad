"""What a worker tells monitors such as Flower."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from celery.app.events import Events as CeleryEvents
from celery.events.dispatcher import EventDispatcher as CeleryEventDispatcher

#: Events of tasks that are one message at most.
GATHERED: Final = 500
#: Messages kept for a broker that is away; the oldest go. A sign of life comes every two seconds.
KEPT: Final = 1000


class EventDispatcher(CeleryEventDispatcher):
    """Celery's, which holds the worker's main process until a broker that is away has taken the sign of life."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"buffer_limit": GATHERED, **kwargs})
        # Celery's has no end, and a broker may be away for days.
        self._outbound_buffer: deque[Any] = deque(maxlen=KEPT)

    def send(self, type: str, *args: Any, retry: bool = False, **kwargs: Any) -> Any:  # noqa: A002, ARG002 - Celery's
        """Send an event, or keep it until there is a connection again."""
        return super().send(type, *args, retry=False, **kwargs)


class Events(CeleryEvents):
    """Celery's, with our dispatcher."""

    dispatcher_cls = EventDispatcher
