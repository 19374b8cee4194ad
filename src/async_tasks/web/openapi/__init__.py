"""The OpenAPI document, generated from the catalog and from tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from async_tasks.catalog import TaskSpec

__all__ = ["document"]


def document(specs: Sequence[TaskSpec], *, guarded: bool) -> dict[str, Any]:
    """The OpenAPI 3.1 document; made once for a catalog, and not to be changed.

    Args:
        specs: the catalog, by name.
        guarded: whether a token is set.
    """
    return _document(tuple(specs), guarded)


@lru_cache(maxsize=4)
def _document(specs: tuple[TaskSpec, ...], guarded: bool) -> dict[str, Any]:
    from async_tasks.web.openapi.builder import build  # what nobody may ask for is not loaded at the start

    return build(specs, guarded=guarded)
