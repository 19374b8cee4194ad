"""Options that several subcommands share, and the types of their values."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from async_tasks.cli import completing

if TYPE_CHECKING:
    from async_tasks.ledger import State

F = TypeVar("F", bound=Callable[..., Any])


class Text(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4
    """Text that can be sent to a server: a shell hands on bytes that are no UTF-8 as halves of characters."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take what is Unicode."""
        try:
            str(value).encode()
        except UnicodeEncodeError:
            self.fail(f"{value!r} is no UTF-8", param, ctx)
        return str(value)


class Seconds(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4
    """A duration: ``90``, ``30s``, ``15m``, ``2h``, ``7d``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Take what is a duration."""
        from async_tasks.ops.times import parse_seconds

        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_seconds(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class Moment(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4
    """A point in time."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Take what is a point in time."""
        from async_tasks.ops.times import parse_moment

        if isinstance(value, datetime):
            return value
        try:
            return parse_moment(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class SecondsOrMoment(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4
    """A duration from now, or a point in time."""

    name = "duration or time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | datetime:
        """Take what is either."""
        from async_tasks.ops.times import parse_moment, parse_seconds

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        with suppress(ValueError):
            return parse_seconds(value)
        try:
            return parse_moment(value)
        except ValueError:
            self.fail(f"{value!r} is neither a duration, such as 15m or 2h, nor a time", param, ctx)


class Past(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4
    """A point in time, or how long ago it was; becomes milliseconds since the epoch."""

    name = "time or how long ago"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Take what is either."""
        from async_tasks.ops.times import parse_past

        if isinstance(value, int):
            return value
        try:
            return parse_past(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class StateName(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4
    """The name of a state, whatever the case."""

    name = "state"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> State:
        """Take what names a state."""
        from async_tasks.ledger import State

        try:
            return State(str(value).upper())
        except ValueError:
            self.fail(f"{value!r} is none of {', '.join(State)}", param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """The states."""
        return completing.states(incomplete)


tasks_option = click.option(
    "--tasks", "modules", multiple=True, metavar="MODULE", help="Module with tasks of your own."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
wait_option = click.option("--wait", is_flag=True, help="Wait for the end and print the result; exit 1 if it failed.")
key_option = click.option(
    "--idempotency-key",
    type=Text(),
    metavar="KEY",
    help="Of this submission: repeated with the same key, it is not done twice.",
)
document_option = click.option(
    "--args", "document", metavar="JSON", help="Arguments as one JSON object, or - to read it from standard input."
)


def timeout_option(default: float | None) -> Callable[[F], F]:
    """``--timeout``, with that many seconds if it is not given."""
    words = "600" if default else "none"
    return click.option(
        "--timeout",
        type=Seconds(),
        default=default,
        metavar="DURATION",
        help=f"Wait at most so long [default: {words}].",
    )


def ids_argument(*, finished: bool | None = None, **options: Any) -> Callable[[F], F]:
    """The argument ID, completed by recent ids."""
    complete = completing.ids(finished=finished)
    name = "task_ids" if options.get("nargs") else "task_id"
    return click.argument(name, type=Text(), shell_complete=complete, **options)


def pairs_argument() -> Callable[[F], F]:
    """``KEY=VALUE…``, completed by the task's parameters."""
    return click.argument("arguments", nargs=-1, metavar="[KEY=VALUE|KEY@FILE]...", shell_complete=completing.pairs)
