"""A hundred tasks, to see whether the page still serves."""

from __future__ import annotations

from async_tasks import task


def _declare(number: int) -> None:
    def numbered(text: str = "") -> str:
        return text

    numbered.__doc__ = f"Do the thing of number {number}."
    task(name=f"many.task_{number:03}")(numbered)


for _number in range(100):
    _declare(_number)
