"""Following one task to its end on a terminal, in a file or as JSON; for ``watch`` and for ``--wait``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from async_tasks.cli.base import REFUSED, STILL_RUNNING, interrupted, tell
from async_tasks.cli.output import ink, is_terminal, note, print_json, print_json_line, write
from async_tasks.errors import RecordError

if TYPE_CHECKING:
    from async_tasks.engine import App
    from async_tasks.ledger import Record
    from async_tasks.ledger.record import TimelineEntry
    from async_tasks.ops.progressbar import Bar
    from async_tasks.ops.watching import Outage, Seen

#: Exit statuses by final state.
STATUSES: Final = {"SUCCESS": 0, "FAILURE": REFUSED, "REVOKED": REFUSED}


class StillRunning(RecordError):
    """Raised when the time to wait is over before the task is."""

    def __init__(self, record: Record, timeout: float) -> None:
        super().__init__(
            record.id,
            f"Task {record.id} is still {record.state} after {timeout:g} s, and goes on: "
            f"async-tasks watch {record.id}, or cancel {record.id}",
        )


class View(Protocol):
    """How a task is shown while it is followed."""

    def see(self, seen: Seen) -> None:
        """Show what is new."""

    def tick(self) -> None:
        """Show that time goes by."""

    def clear(self) -> None:
        """Make room for other lines."""

    def end(self, record: Record) -> None:
        """Show what came of it."""


def follow_to_end(app: App, task_id: str, timeout: float | None, view: View, *, as_json: bool) -> NoReturn:
    """Show a task until it is final or the time is over, and end with the exit status that says which."""
    from async_tasks.ops.watching import Outage, Seen, follow

    record: Record | None = None
    try:
        for found in follow(app, task_id, timeout=timeout):
            match found:
                case Seen():
                    record = found.record
                    view.see(found)
                case Outage():
                    view.clear()
                    note(outage(found))
            view.tick()
    except KeyboardInterrupt:
        view.clear()
        goes_on = f"task {task_id} goes on: async-tasks watch {task_id}, or cancel {task_id}"
        interrupted(f"no longer watching; {goes_on}")
    finally:
        view.clear()
    assert record is not None, "the first that is yielded is the record"  # noqa: S101
    view.end(record)
    if not record.finished:
        tell(StillRunning(record, timeout or 0), as_json=as_json)
    sys.exit(STATUSES.get(record.state, STILL_RUNNING))


def wait_for(app: App, record: Record, timeout: float, *, as_json: bool) -> NoReturn:
    """What ``--wait`` does: a bar on standard error if that is a terminal, then the result on standard output."""
    if is_terminal(err=True) and not as_json:
        from async_tasks.ops.terminal import harmless

        write(ink(err=True)(harmless(record.id), "faint"), err=True)
    follow_to_end(app, record.id, timeout, WaitingView(as_json=as_json), as_json=as_json)


def outage(found: Outage) -> str:
    """An outage, or its end, in words."""
    return f"{found.reason}; trying again" if found.reason else "the store answers again"


class WaitingView:
    """A bar on standard error, and in the end the result alone on standard output."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._bar = _bar(err=True)
        self._record: Record | None = None

    def see(self, seen: Seen) -> None:
        self._record = seen.record

    def tick(self) -> None:
        if self._bar and self._record and not self._record.finished:
            self._bar.draw(self._record)

    def clear(self) -> None:
        if self._bar:
            self._bar.clear()

    def end(self, record: Record) -> None:
        if self._as_json:
            print_json(record.public())
        elif record.state == "SUCCESS":
            write_result(record.result)
        elif record.error is not None and record.finished:
            from async_tasks.ops.display import describe_error

            note(f"{record.state}: {describe_error(record.error)}")


class TerminalView:
    """Each event on a line, and a bar below them."""

    def __init__(self) -> None:
        self._ink = ink()
        self._bar = _bar(err=False)
        self._record: Record | None = None
        self._last: TimelineEntry | None = None

    def see(self, seen: Seen) -> None:
        from async_tasks.ops import display, terminal, times

        events = display.new_events(seen.record, self._last)
        if events:
            self.clear()
        if self._record is None:
            call = display.describe_call(seen.record)
            write(f"{self._ink(call, 'title')}\n{self._ink(terminal.harmless(seen.record.id), 'faint')}")
        self._record = seen.record
        for entry in events:
            write(f"{self._ink(times.clock(entry['at']), 'faint')}  {display.describe_event(entry)}")
            self._last = entry

    def tick(self) -> None:
        if self._bar and self._record and not self._record.finished:
            self._bar.draw(self._record)

    def clear(self) -> None:
        if self._bar:
            self._bar.clear()

    def end(self, record: Record) -> None:
        from async_tasks.ops.display import describe_error, describe_state

        write(describe_state(record, ink=self._ink))
        if record.state == "SUCCESS":
            write_result(record.result)
        elif record.error is not None and record.finished:
            write(self._ink(describe_error(record.error), "wrong"))


class LinesView:
    """Each change on a line: time, what happened; in the end the result or the error."""

    def __init__(self) -> None:
        self._last: TimelineEntry | None = None
        self._progress: Any = None

    def see(self, seen: Seen) -> None:
        from async_tasks.ledger import rfc3339
        from async_tasks.ops import display, progressbar

        for entry in display.new_events(seen.record, self._last):
            write(f"{rfc3339(entry['at'])}\t{display.describe_event(entry)}")
            self._last = entry
        if seen.record.progress not in (None, self._progress):
            self._progress = seen.record.progress
            write(f"{rfc3339(seen.at)}\tprogress\t{progressbar.describe_progress(seen.record.progress)}")

    def tick(self) -> None:
        pass

    def clear(self) -> None:
        pass

    def end(self, record: Record) -> None:
        from async_tasks.ops.display import describe_error
        from async_tasks.ops.terminal import harmless, shown

        if record.state == "SUCCESS":
            write(f"{record.state}\t{shown(record.result, one_line=True)}")
        elif record.error is not None and record.finished:
            write(f"{record.state}\t{harmless(describe_error(record.error), one_line=True)}")


class JsonView:
    """The record on a line of JSON, whenever it has changed."""

    def see(self, seen: Seen) -> None:
        print_json_line(seen.record.public())

    def tick(self) -> None:
        pass

    def clear(self) -> None:
        pass

    def end(self, record: Record) -> None:
        pass


def write_result(result: Any) -> None:
    """A result alone: text as it is, anything else as JSON; nothing of none.

    On a terminal, control characters of the text are written as escapes; a program gets it as it is.
    """
    from async_tasks.ops.terminal import shown

    if isinstance(result, str) and not sys.stdout.isatty():
        write(result)
    elif result is not None:
        write(shown(result))


def _bar(*, err: bool) -> Bar | None:
    from async_tasks.ops.progressbar import Bar

    return Bar(sys.stderr if err else sys.stdout, ink(err=err)) if is_terminal(err=err) else None
