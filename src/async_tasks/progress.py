"""``report_progress``: a running task says how far it is.

The engine sets the reporter while a task runs; a task that is called directly, as a plain function, has none,
and reporting is a no-op, so that the function can be tested without any server.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

Reporter = Callable[[float, float | None, str | None], None]

#: Set by the engine around each run of a task.
reporter: ContextVar[Reporter | None] = ContextVar("async_tasks_progress_reporter", default=None)


def report_progress(done: float, total: float | None = None, message: str | None = None) -> None:
    """Say how far the running task is; shown live wherever the task is watched.

    Calls are throttled (about five a second are stored, and always the last before the task ends), so a tight
    loop may call it each time round.

    Args:
        done: how much is done, in any unit, not negative.
        total: how much there is in all, in the same unit, or None where it is not known.
        message: what is being done now.

    Raises:
        ValueError: if ``done`` is negative or larger than ``total``.
    """
    if done < 0 or (total is not None and done > total):
        raise ValueError(f"report_progress: done must be between 0 and total, got done={done}, total={total}")
    report = reporter.get()
    if report is not None:
        report(done, total, message)
