"""A task that goes on when the test lets it, so that no test depends on how fast anything is."""

from __future__ import annotations

import time
from pathlib import Path

from async_tasks import report_progress, task


@task
def climb(gate: str, steps: int) -> int:
    """Report each step, and take the next when the gate's folder has a file of its number."""
    for step in range(1, steps + 1):
        deadline = time.monotonic() + 120
        while not (Path(gate) / str(step)).exists():
            # Again and again: what comes too soon after another is dropped.
            report_progress(step, steps, f"step {step}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"step {step} was never opened")
            time.sleep(0.02)
    return steps


class Gate:
    """The test's side of it.

    Args:
        folder: of this test alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, *steps: int) -> None:
        """Let the task go on behind these steps."""
        for step in steps:
            (self.folder / str(step)).touch()

    def __str__(self) -> str:
        return str(self.folder)
