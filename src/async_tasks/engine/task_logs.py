"""What a running task logs, on its way to the ledger.

    logging ─> _Handler ─> Capture of the run, bounded ─> _Shipper, a thread ─> ledger

A task never waits for the store here but for a moment at its end, and never fails: lines that cannot be kept leave a
gap in the numbering, which readers see as lines left out.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import structlog
from celery import signals
from celery.exceptions import SoftTimeLimitExceeded

from async_tasks.ledger import LOG_LETTERS, LOG_LINES, NewLine

if TYPE_CHECKING:
    from async_tasks.engine.app import App

log = structlog.get_logger(__name__)

#: Seconds in which what a task logs is gathered: one call of the store for all of it.
GATHER: Final = 0.5
#: Seconds that the end of a task waits for its last lines to be kept.
LAST_WORDS: Final = 0.5

#: What every line of a task carries anyway, and what is no part of its words.
_KNOWN: Final = frozenset(
    {"event", "task_id", "task_name", "attempt", "level", "logger", "timestamp", "exc_info", "stack_info", "exception"}
)
#: Colours for a terminal.
_COLOURS: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
#: What Celery calls the lines that a task prints.
_PRINTED: Final = "celery.redirected"


class Capture:
    """The lines of one run of a task that are not kept yet, the last ones."""

    def __init__(self, shipper: _Shipper, task_id: str, attempt: int) -> None:
        self.shipper = shipper
        self.task_id = task_id
        self.attempt = attempt
        self._lock = threading.Lock()
        self._count = 0
        self._lines: deque[tuple[int, float, str, str, str]] = deque(maxlen=LOG_LINES)

    def add(self, level: str, logger: str, text: str) -> None:
        """Take a line."""
        with self._lock:
            self._count += 1
            self._lines.append((self._count, time.monotonic(), level, logger, text))
        self.shipper.expect(self)

    def take(self) -> list[NewLine]:
        """Hand over what there is."""
        with self._lock:
            taken, now = list(self._lines), time.monotonic()
            self._lines.clear()
        return [NewLine(number, round((now - at) * 1000), *words) for number, at, *words in taken]


class _Shipper:
    """A thread of this process that brings lines to the ledger, those of a moment together."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._changed = threading.Condition()
        self._waiting: dict[Capture, None] = {}
        self._on_the_way: dict[Capture, None] = {}
        self._hurry = False
        self.thread: threading.Thread | None = None

    def expect(self, capture: Capture) -> None:
        """Come for the lines of this one soon."""
        with self._changed:
            if capture in self._waiting:
                return
            self._waiting[capture] = None
            if self.thread is None:
                self.thread = threading.Thread(target=self._work, daemon=True, name="log-lines")
                self.thread.start()
            self._changed.notify_all()

    def finish(self, capture: Capture) -> None:
        """Come at once, and wait for it, but not for long."""
        with self._changed:
            if capture in self._waiting:
                self._hurry = True
                self._changed.notify_all()
            self._changed.wait_for(lambda: capture not in self._waiting and capture not in self._on_the_way, LAST_WORDS)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                self._changed.wait_for(lambda: self._hurry, GATHER)
                self._on_the_way, self._waiting, self._hurry = self._waiting, {}, False
            for capture in self._on_the_way:
                self._ship(capture)
            with self._changed:
                self._on_the_way = {}
                self._changed.notify_all()

    def _ship(self, capture: Capture) -> None:
        lines = capture.take()
        try:
            if lines:
                self._app.ledger.log(capture.task_id, capture.attempt, lines)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the next lines are to come through
            log.warning("log lines are not kept", task_id=capture.task_id, count=len(lines), reason=str(exc))


class _Handler(logging.Handler):
    """Gives the lines of a running task to its capture."""

    def emit(self, record: logging.LogRecord) -> None:
        capture = _capture.get() or _only_one()
        if capture is None:
            return
        try:
            logger = "print" if record.name == _PRINTED else record.name
            capture.add(record.levelname.lower(), logger, _words(record))
        except SoftTimeLimitExceeded:  # it came while we were here, and is the task's
            raise
        except Exception:  # noqa: BLE001, S110 - a line whose arguments do not fit it: the worker's own log says so
            pass


_HANDLER: Final = _Handler()
_capture: ContextVar[Capture | None] = ContextVar("async_tasks_log_capture", default=None)


class _Process:
    """What is the same for all tasks of this process."""

    def __init__(self) -> None:
        self.pid = 0
        self.alone = False  # whether it runs one task at a time, and nothing else
        self.running: set[Capture] = set()
        self.shipper: _Shipper | None = None

    def shipper_of(self, app: App) -> _Shipper:
        """The thread of this process; of a parent's nothing but its memory is left in a fork."""
        if self.shipper is None or self.pid != os.getpid():
            self.pid, self.running, self.shipper = os.getpid(), set(), _Shipper(app)
        return self.shipper


_process: Final = _Process()


def _only_one() -> Capture | None:
    """The task of a thread that it has started itself, which knows nothing of it: in a pool process there is one."""
    if not _process.alone or len(_process.running) != 1 or _process.pid != os.getpid():
        return None
    by_us = _process.shipper and threading.current_thread() is _process.shipper.thread
    return None if by_us else next(iter(_process.running), None)


@contextmanager
def capturing(app: App, task_id: str, attempt: int) -> Iterator[None]:
    """Keep what a task logs while it runs."""
    root = logging.getLogger()
    if _HANDLER not in root.handlers:
        root.addHandler(_HANDLER)
    capture = Capture(_process.shipper_of(app), task_id, attempt)
    _process.running.add(capture)
    reset = _capture.set(capture)
    try:
        yield
    finally:
        _capture.reset(reset)
        _process.running.discard(capture)
        capture.shipper.finish(capture)


def install() -> None:
    """Let pool processes turn what tasks print into lines of the log, which carry the task's id."""
    signals.worker_process_init.connect(_on_pool_process_start, weak=False, dispatch_uid="async_tasks.logs")


def _on_pool_process_start(**_: Any) -> None:
    from celery import current_app

    _process.alone = True
    # Celery itself does so only where it sets logging up, which is ours.
    if current_app.conf.worker_redirect_stdouts:
        current_app.log.redirect_stdouts(current_app.conf.worker_redirect_stdouts_level)


def _words(record: logging.LogRecord) -> str:
    """What a line says, whoever wrote it."""
    if isinstance(record.msg, dict):  # structlog's, before it is rendered
        event = record.msg
        members = [f"{name}={value!r}" for name, value in event.items() if name not in _KNOWN and name[:1] != "_"]
        text = " ".join([str(event.get("event", "")), *members])
        error = event.get("exc_info") or record.exc_info
    else:
        text, error = record.getMessage(), record.exc_info
    if error:
        told = sys.exc_info() if error is True else error
        told = (type(told), told, told.__traceback__) if isinstance(told, BaseException) else told
        text = f"{text}\n{logging.Formatter().formatException(told)}"
    text = _COLOURS.sub("", text)
    # Half a surrogate pair cannot be stored.
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= LOG_LETTERS else f"{text[:LOG_LETTERS]}…"
