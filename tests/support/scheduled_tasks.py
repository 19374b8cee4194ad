"""Tasks that submit themselves."""

from __future__ import annotations

from async_tasks import task


@task(schedule=1)
def tick() -> str:
    """Run once a second."""
    return "tock"
