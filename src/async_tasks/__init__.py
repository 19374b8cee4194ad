"""async-tasks: write one typed function; it is a form, an endpoint and a command, and it runs in the background.

The public face is this module: ``task`` declares a task, ``report_progress`` says how far a running one is,
``effect_once`` keeps one that runs again from doing again what it has done, ``create_app`` makes the Flask application.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from async_tasks.catalog import task
    from async_tasks.effects import effect_once
    from async_tasks.progress import report_progress
    from async_tasks.web import create_app

__all__ = ["create_app", "effect_once", "report_progress", "task"]

_HOMES = {"task": "catalog", "report_progress": "progress", "effect_once": "effects", "create_app": "web"}


def __getattr__(name: str) -> Any:
    # Late, because the supervisor needs no Celery and a worker needs no Flask.
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
