"""The doors for people and programs: pages, HTTP API, live streams and probes. The only Flask code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from async_tasks.web.app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    # Late, because a server patches the standard library before the application may be imported.
    if name == "create_app":
        from async_tasks.web.app import create_app

        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
