"""Tasks for tests, served by real workers."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import structlog
from celery import chain as make_chain
from celery import group as make_group
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded

from async_tasks import effect_once, report_progress, task
from tests.support.files import write_line


@task
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@task
def total(values: list[int]) -> int:
    """Add many numbers."""
    return sum(values)


@task
def echo(value: Any) -> Any:
    """Return what was given."""
    return value


@task
def fail(text: str) -> str:
    """Raise a ValueError."""
    raise ValueError(text)


@task
def append(path: str, line: str, seconds: float = 0) -> str:
    """Write a line when it starts, wait, write another when it ends: the effect that tests count."""
    write_line(path, f"start {line}")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(min(0.05, max(0.0, deadline - time.monotonic())))
    write_line(path, f"end {line}")
    return line


@task(max_retries=3, backoff=0.05, retry_for=(ValueError,))
def flaky(path: str, failures: int) -> int:
    """Fail so many times, then succeed."""
    write_line(path, "try")
    tries = len(Path(path).read_text().splitlines())
    if tries <= failures:
        raise ValueError(f"try {tries}")
    return tries


@task(bind=True, max_retries=2)
def retry_by_hand(self: Any, countdown: float) -> int:
    """Call ``self.retry`` as in Celery."""
    if self.request.retries < 2:
        raise self.retry(countdown=countdown)
    return int(self.request.retries)


@task(bind=True)
def replaced(self: Any, n: int) -> Any:
    """Become another task under the same id."""
    return self.replace(add.s(n, 1))


@task(bind=True)
def replaced_by_chain(self: Any, n: int) -> Any:
    """Become a chain under the same id."""
    return self.replace(make_chain(add.s(n, 1), add.s(10)))


@task(bind=True)
def replaced_by_group(self: Any, n: int) -> Any:
    """Become a group under the same id."""
    return self.replace(make_group(add.s(i, n) for i in range(3)))


@task(soft_time_limit=1, time_limit=2)
def limited(seconds: float, catch: bool = False) -> str:
    """Sleep longer than allowed."""
    try:
        time.sleep(seconds)
    except Exception:
        if not catch:
            raise
        time.sleep(seconds)
    return "done"


@task
def steps(count: int, pause: float) -> int:
    """Report progress."""
    for i in range(count):
        report_progress(i + 1, count, f"step {i + 1}")
        time.sleep(pause)
    return count


@task
def stubborn(path: str, seconds: float, manner: str) -> str:
    """Run on, whatever is raised: ``cleans`` up at the first stop, ``ignores`` every one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            write_line(path, "goes on")
            while time.monotonic() < deadline:
                time.sleep(0.01)
        except SoftTimeLimitExceeded:
            write_line(path, "asked to stop")
            if manner == "cleans":
                raise
    return "done"


@task(bind=True)
def bow_out(self: Any, how: str, path: str) -> str:
    """End by one of Celery's exceptions."""
    write_line(path, "run")
    if how == "ignore":
        raise Ignore("no need")
    if how == "again" and len(Path(path).read_text().splitlines()) > 1:
        return "second"
    raise Reject("not mine", requeue=how == "again")


@task(max_retries=3, backoff=0.05, retry_for=(ValueError,))
def pay_once(path: str, how: str) -> str:
    """Have an effect once; end badly after it, or just before it is marked, at the first run."""
    tries = 0 if not Path(path).exists() else len(Path(path).read_text().splitlines())
    with effect_once("paid") as paid:
        if not paid.done:
            write_line(path, "paid")
            paid.value = f"receipt {tries + 1}"
            if how == "killed before the mark" and tries == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    with effect_once("noted") as noted:
        if not noted.done:
            write_line(path, "noted")
            noted.value = {"first": True}
            return_early = False
        else:
            return_early = True
    if not return_early:
        if how == "raises":
            raise ValueError("after the effects")
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
    return str(paid.value)


@task(unique=True)
def refresh(path: str, seconds: float = 0.5) -> str:
    """Be there once at a time."""
    return append(path, "refreshed", seconds)


@task(unique=3, unique_by="user")
def greet(user: str, words: str = "hello") -> str:
    """Be there once in three seconds for each user."""
    return f"{words}, {user}"


@task
def silent(seconds: float) -> str:
    """Report progress twice in a hurry, then say nothing."""
    report_progress(1, 3)
    report_progress(2, 3)
    time.sleep(seconds)
    return "done"


@task
def die(how: str, path: str) -> str:
    """End the process at the first run; succeed at the second."""
    write_line(path, "run")
    if len(Path(path).read_text().splitlines()) > 1:
        return "alive"
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        sys.exit(3)
    raise MemoryError("no more memory")


@task
def always_killed() -> None:
    """Kill the process at every run."""
    os.kill(os.getpid(), signal.SIGKILL)


@task(queue="other")
def elsewhere() -> str:
    """Run from another queue."""
    return "other"


@task
def large(size: int) -> str:
    """Return a result of so many bytes."""
    return "x" * size


@task
def slowly(value: Any, seconds: float) -> Any:
    """Return what was given, after a while."""
    time.sleep(seconds)
    return value


@task
def talk(lines: int, text: str = "line", pause: float = 0) -> int:
    """Say things, in every way there is."""
    logging.getLogger("tests.talk").info("%s of %d", text, lines)
    structlog.get_logger("tests.talk").warning("structured", number=lines, what=text)
    print(f"printed {text}")
    logging.getLogger("tests.talk").debug("not at this level")
    thread = threading.Thread(target=logging.getLogger("tests.thread").error, args=("from a thread",))
    thread.start()
    thread.join()
    try:
        int("told in full")
    except ValueError:
        logging.getLogger("tests.talk").exception("caught")
    for number in range(lines):
        logging.getLogger("tests.talk").info("%s %d", text, number)
        time.sleep(pause)
    return lines
