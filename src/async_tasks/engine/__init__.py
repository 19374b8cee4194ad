"""The engine: the only Celery code.

``async_tasks.engine.celery`` is the application of this process, built from the settings when it is first
asked for, so that ``celery -A async_tasks.engine worker`` works and an import alone does nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from async_tasks.engine.app import App, build

    celery: App

__all__ = ["App", "build", "celery"]


def __getattr__(name: str) -> Any:
    if name in ("App", "build"):
        from async_tasks.engine import app

        return getattr(app, name)
    if name == "celery":
        from async_tasks.engine.app import default_app

        return default_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
