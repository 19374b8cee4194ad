"""A task that submits itself, and seldom enough to be looked at."""

from __future__ import annotations

from async_tasks import task


@task(schedule={"cron": "0 3 * * *", "timezone": "Europe/Berlin", "arguments": {"days": 30}})
def clean_up(days: int) -> int:
    """Remove what is older than so many days."""
    return days
