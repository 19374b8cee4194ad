"""What the subcommands share: the group, its errors and exit statuses, common options."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn

import click

from async_tasks.errors import AsyncTasksError, ConfigurationError
from async_tasks.settings import ENV_PREFIX, get_settings

#: Exit statuses besides 0 (done) and 2 (wrong usage).
REFUSED = 1
UNAVAILABLE = 3
STILL_RUNNING = 4


class _Group(click.Group):
    """Turns our errors into one clear message and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AsyncTasksError as exc:
            _fail(exc)
        finally:
            _close_engine()


def _close_engine() -> None:
    # Only where a command has used it: importing it takes longer than most commands.
    if "async_tasks.engine.app" in sys.modules:
        from async_tasks.engine.app import close_default_app

        close_default_app()


def _fail(exc: AsyncTasksError) -> NoReturn:
    from async_tasks.errors import Unavailable

    for line in exc.problems if isinstance(exc, ConfigurationError) else [str(exc)]:
        click.echo(f"async-tasks: {line}", err=True)
    sys.exit(UNAVAILABLE if isinstance(exc, Unavailable) else REFUSED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="async-tasks")
def main() -> None:
    """Take work off the web request: submit typed functions, watch them, trust them."""


def override(**values: Any) -> None:
    """Options of the command line win over the environment, here and in every process started from here."""
    for name, value in values.items():
        if value is not None:
            os.environ[f"{ENV_PREFIX}{name.upper()}"] = ",".join(value) if isinstance(value, tuple) else str(value)
    get_settings.cache_clear()


tasks_option = click.option(
    "--tasks", "modules", multiple=True, metavar="MODULE", help="Module with tasks of your own."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def checked_settings(*, web: bool = False, flower: bool = False) -> Any:
    settings = get_settings()
    problems = settings.check(web=web, flower=flower)
    if problems:
        raise ConfigurationError(problems)
    return settings


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
