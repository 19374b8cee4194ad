"""What every subcommand writes with: whole pieces at once, harmless to terminals, whatever the locale."""

from __future__ import annotations

import io
import os
import select
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TextIO

import click

from async_tasks.errors import AsyncTasksError

#: As of a program that SIGPIPE ends: who reads the output wants no more of it.
NOBODY_READS: Final = 128 + signal.SIGPIPE

#: Colours and other looks: of states, and of what else is told apart.
_LOOKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "STARTED": {"fg": "cyan"},
    "RETRY": {"fg": "yellow"},
    "SUCCESS": {"fg": "green"},
    "FAILURE": {"fg": "red"},
    "REVOKED": {"fg": "magenta"},
    "title": {"bold": True},
    "faint": {"dim": True},
    "wrong": {"fg": "red"},
}


class OutputFailed(AsyncTasksError):
    """Raised when the output cannot be written."""


def prepare_streams() -> None:
    """Let no character that the locale cannot show end the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write(text: str, *, err: bool = False, newline: bool = True) -> None:
    """Write the text and flush it; Ctrl-C waits until it is whole.

    Raises:
        OutputFailed: if it cannot be written.
        SystemExit: if nobody reads it any more.
    """
    stream: TextIO | None = sys.stderr if err else sys.stdout
    if stream is None:
        return
    try:
        with _uninterrupted():
            _write_all(stream, text + "\n" if newline else text)
    except BrokenPipeError:
        _give_up(stream)
        sys.exit(NOBODY_READS)
    except OSError as exc:
        _give_up(stream)
        raise OutputFailed(f"The output cannot be written: {exc.strerror or exc}") from exc


def note(text: str) -> None:
    """Say on standard error what is no part of the output; with ``--json`` as JSON, as all that stands there."""
    context = click.get_current_context(silent=True)
    if context is not None and context.params.get("as_json"):
        print_json_line({"note": {"message": text}}, err=True)
    else:
        say(text)


def say(text: str) -> None:
    """Say on standard error, in words."""
    from async_tasks.ops.terminal import harmless

    write(f"async-tasks: {harmless(text)}", err=True)


def print_json(value: Any) -> None:
    """One JSON document."""
    write(_json(value, indent=2))


def print_json_line(value: Any, *, err: bool = False) -> None:
    """One JSON document on one line."""
    write(_json(value, err=err), err=err)


def is_terminal(*, err: bool = False) -> bool:
    """Whether somebody looks at it, on a terminal that can move its cursor."""
    stream: TextIO | None = sys.stderr if err else sys.stdout
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def ink(*, err: bool = False) -> Any:
    """The colours of a stream (see ``ops.terminal.Ink``): none unless it is a terminal, or with NO_COLOR."""
    from async_tasks.ops.terminal import plain

    return _coloured if is_terminal(err=err) and not os.environ.get("NO_COLOR") else plain


def _coloured(text: str, style: str) -> str:
    look = _LOOKS.get(style)
    return click.style(text, **look) if look and text else text


def _json(value: Any, *, indent: int | None = None, err: bool = False) -> str:
    from async_tasks.ops.terminal import json_text

    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
    return json_text(value, indent=indent, ascii_only=not encoding.lower().startswith("utf"))


def _write_all(stream: TextIO, text: str) -> None:
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # it is none of the system's, as in a test
        stream.write(text)
        return
    stream.flush()
    # By hand, because a stream of Python's that does not buffer (PYTHONUNBUFFERED) leaves out what a pipe or a
    # disk did not take at once, and says nothing.
    left = memoryview(text.encode(stream.encoding or "utf-8", "backslashreplace"))
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            # Somebody who shares the terminal or pipe has made it so.
            select.select([], [descriptor], [])


@contextmanager
def _uninterrupted() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _give_up(stream: TextIO) -> None:
    # Else Python would try once more at its end, and complain.
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
