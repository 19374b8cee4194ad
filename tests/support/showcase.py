"""Tasks as people write them, for the picture of the page."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from async_tasks import report_progress, task


class Sales(BaseModel):
    """One line of a report."""

    region: str
    orders: int
    revenue: float


@task
def make_thumbnails(
    folder: Annotated[str, Field(examples=["photos/2026"])],
    width: Annotated[int, Field(ge=16, le=4096)] = 256,
    format: Literal["webp", "jpeg", "png"] = "webp",  # noqa: A002 - as people write it
    keep_originals: bool = True,
) -> int:
    """Make thumbnails of a folder.

    Every picture in it becomes a small one beside it.

    Args:
        folder: Where the pictures are.
        width: In pixels; the height follows.
        format: What browsers show fastest is webp.
        keep_originals: Leave the pictures where they are.
    """
    for number in range(1, 51):
        report_progress(number, 50, f"IMG_{4200 + number}.jpg")
        time.sleep(0.15)
    return 50


@task
def monthly_report(month: str) -> list[Sales]:
    """Write the report of a month."""
    return [
        Sales(region="North", orders=412, revenue=38_120.5),
        Sales(region="South", orders=377, revenue=29_980.0),
        Sales(region="West", orders=298, revenue=31_044.75),
    ]


@task
def import_contacts(file: str) -> int:
    """Import contacts from a file."""
    raise ValueError("line 214: 'ada@' is no email address")


@task(bind=True, max_retries=3)
def fetch_rates(self: Any, currency: str) -> float:
    """Fetch today's exchange rates."""
    raise self.retry(exc=ConnectionError("rates.example does not answer"), countdown=240)
