"""What the subcommands share: the group, its errors and exit statuses, common options."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from async_tasks.cli.output import is_terminal, note, prepare_streams, print_json_line, say, write
from async_tasks.errors import AsyncTasksError, ConfigurationError, InvalidArguments, InvalidBatch, InvalidOption

if TYPE_CHECKING:
    from async_tasks.engine import App
    from async_tasks.settings import Settings

#: Exit statuses besides 0 (done). 2 is click's own, and 141 that of a pipe that nobody reads (see output.py).
REFUSED: Final = 1
WRONG_USAGE: Final = 2
UNAVAILABLE: Final = 3
STILL_RUNNING: Final = 4
INTERRUPTED: Final = 130


class _Group(click.Group):
    """Turns errors into clear messages and exit statuses."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        given = sys.argv[1:] if args is None else list(args)
        as_json = "--json" in (given[: given.index("--")] if "--" in given else given)
        prepare_streams()
        try:
            # Without click's own way to end a program, which knows neither our statuses nor JSON.
            status = super().main(given, *rest, **(options | {"standalone_mode": False}))
        except click.ClickException as exc:
            if as_json:
                print_json_line(_problem("usage", exc.format_message()), err=True)
            else:
                exc.show()
            status = exc.exit_code
        except click.Abort:
            status = INTERRUPTED
        except AsyncTasksError as exc:
            status = tell(exc, as_json=as_json)
        finally:
            _close_engine()
        sys.exit(status if isinstance(status, int) else 0)


def _close_engine() -> None:
    # Only where a command has used it: importing it takes longer than most commands.
    if "async_tasks.engine.app" in sys.modules:
        from async_tasks.engine.app import close_default_app

        close_default_app()


def tell(error: AsyncTasksError, *, as_json: bool) -> int:
    """Say on standard error what is wrong.

    Returns:
        The exit status that belongs to it.
    """
    from async_tasks.errors import Unavailable

    if as_json:
        print_json_line(describe(error), err=True)
    else:
        for line in _lines(error):
            say(line)
    return UNAVAILABLE if isinstance(error, Unavailable) else REFUSED


def describe(error: AsyncTasksError) -> dict[str, Any]:
    """An error for programs. Its type is the last part of the API's (``/problems/invalid-arguments``)."""
    name = type(error).__name__
    kind = "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")
    described = _problem(kind, str(error), _problems(error))
    if task_id := getattr(error, "task_id", None):
        described["error"]["id"] = task_id
    return described


def _problem(kind: str, message: str, problems: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message, "problems": list(problems)}}


def _problems(error: AsyncTasksError) -> Sequence[Mapping[str, Any]]:
    match error:
        case InvalidArguments() | InvalidBatch():
            return error.problems
        case InvalidOption():
            return [{"field": error.option, "message": error.message}]
        case ConfigurationError():
            return [{"field": "", "message": line} for line in error.problems]
    return []


def _lines(error: AsyncTasksError) -> list[str]:
    if isinstance(error, ConfigurationError):
        return error.problems
    if isinstance(error, InvalidBatch):
        return [
            ": ".join(filter(None, (f"line {p['line']}" if "line" in p else "", p["field"], p["message"])))
            for p in _problems(error)
        ] + ["nothing of the batch was submitted"]
    return [str(error)]


def interrupted(words: str = "") -> NoReturn:
    """End after Ctrl-C, saying what goes on."""
    if is_terminal(err=True):
        write("\r\x1b[K", err=True, newline=False)  # the terminal has written ^C
    if words:
        note(words)
    sys.exit(INTERRUPTED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="async-tasks")
def main() -> None:
    """Take work off the web request: submit typed functions, watch them, trust them."""


def override(**values: Any) -> None:
    """Options of the command line win over the environment, here and in every process started from here."""
    # Late, as in every subcommand: reading settings is half of the time that `--help` would take.
    from async_tasks.settings import ENV_PREFIX, get_settings

    for name, value in values.items():
        if value is not None:
            os.environ[f"{ENV_PREFIX}{name.upper()}"] = ",".join(value) if isinstance(value, tuple) else str(value)
    get_settings.cache_clear()


def checked_settings(*, web: bool = False, flower: bool = False) -> Settings:
    """The settings in force.

    Raises:
        ConfigurationError: if there are problems between them.
    """
    from async_tasks.settings import get_settings

    settings = get_settings()
    problems = settings.check(web=web, flower=flower)
    if problems:
        raise ConfigurationError(problems)
    return settings


def engine() -> App:
    """The application of this process, its log on standard error and only of what went wrong."""
    import logging

    from async_tasks.logs import configure_logging
    from async_tasks.settings import get_settings

    configure_logging(get_settings(), logging.ERROR)
    from async_tasks.engine import celery

    return celery
