"""Tasks of the soak. Each run leaves lines in its process's file of effects, whatever becomes of its record."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from async_tasks import effect_once, report_progress, task

#: Where the files of effects are; set by the soak.
FOLDER = "SOAK_EFFECTS"

Note = Callable[[str], None]


def _write(line: dict[str, Any]) -> None:
    path = Path(os.environ[FOLDER]) / f"{os.getpid()}.jsonl"
    # One write of a short line with O_APPEND is atomic, and a process that is killed loses none of those before.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


@contextmanager
def _run(request: Any, ref: str) -> Iterator[Note]:
    """Note the beginning and the end of this run, and in between what the task does."""
    about = {
        "run": uuid.uuid4().hex,
        "id": request.id,
        "ref": ref,
        "retries": request.retries,
        "worker": request.hostname.partition("@")[0],
        "pid": os.getpid(),
    }

    def note(what: str) -> None:
        _write({"at": time.time(), "what": what, **about})

    note("start")
    try:
        yield note
    except BaseException as exc:
        note(f"raised {type(exc).__name__}")
        raise
    note("end")


@task(bind=True)
def plain(self: Any, ref: str, seconds: float = 0.0) -> str:
    """Be there for a moment."""
    with _run(self.request, ref):
        time.sleep(seconds)
    return ref


@task(bind=True)
def slow(self: Any, ref: str, seconds: float) -> str:
    """Take some seconds, and say how far it is."""
    with _run(self.request, ref):
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            report_progress(seconds - left, seconds)
            time.sleep(min(0.25, left))
    return ref


@task(bind=True, max_retries=5, backoff=0.2, backoff_max=2, retry_for=(ConnectionError,))
def flaky(self: Any, ref: str, failures: int) -> str:
    """Fail so many times, then succeed."""
    with _run(self.request, ref):
        if self.request.retries < failures:
            raise ConnectionError(f"failure {self.request.retries + 1} of {failures}")
    return ref


@task(bind=True)
def failing(self: Any, ref: str) -> str:
    """Fail for good."""
    with _run(self.request, ref):
        raise ValueError(ref)


@task(bind=True, unique=True, unique_by="slot")
def alone(self: Any, ref: str, slot: int, seconds: float) -> str:
    """Be the only unfinished one of its slot."""
    with _run(self.request, ref):
        time.sleep(seconds)
    return f"{slot} {ref}"


@task(bind=True)
def pay(self: Any, ref: str, seconds: float) -> str:
    """Do something that must be done once, in the middle of other work."""
    with _run(self.request, ref) as note:
        time.sleep(seconds / 2)
        with effect_once("payment") as payment:
            if not payment.done:
                note("effect")
                payment.value = ref
        note("marked")
        time.sleep(seconds / 2)
    return str(payment.value)
