"""For WSGI servers of one's own: ``async_tasks.wsgi:application``, built from the settings when it is first asked for.

``async-tasks web`` needs none of this. A server with threads or greenlets is wanted: every open stream holds one.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

    application: Flask
    app: Flask

__all__ = ["app", "application"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _application()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _application() -> Flask:
    from async_tasks.web import create_app

    return create_app()
