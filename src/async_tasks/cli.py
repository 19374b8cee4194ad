"""The command ``async-tasks``: a thin door; each subcommand calls one function of the rooms below."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from async_tasks.errors import AsyncTasksError, ConfigurationError, InvalidOption
from async_tasks.settings import ENV_PREFIX, get_settings, load

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


def _fail(exc: AsyncTasksError) -> NoReturn:
    from async_tasks.errors import Unavailable

    for line in exc.problems if isinstance(exc, ConfigurationError) else [str(exc)]:
        click.echo(f"async-tasks: {line}", err=True)
    sys.exit(UNAVAILABLE if isinstance(exc, Unavailable) else REFUSED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="async-tasks")
def main() -> None:
    """Take work off the web request: submit typed functions, watch them, trust them."""


def _override(**values: Any) -> None:
    """Options of the command line win over the environment, here and in every process started from here."""
    for name, value in values.items():
        if value is not None:
            os.environ[f"{ENV_PREFIX}{name.upper()}"] = ",".join(value) if isinstance(value, tuple) else str(value)
    get_settings.cache_clear()


_tasks = click.option("--tasks", "modules", multiple=True, metavar="MODULE", help="Module with tasks of your own.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


@main.command()
@_tasks
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder of all data.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the pages and the API.")
@click.option("--flower-port", type=click.IntRange(0, 65535), help="Port of Flower.")
@click.option("--concurrency", type=click.IntRange(1), help="Tasks that run at a time.")
@click.option("--no-flower", is_flag=True, help="Leave Flower out.")
def up(modules: tuple[str, ...], no_flower: bool, **options: Any) -> None:
    """Run the whole system on this machine: store, web, worker and Flower."""
    from async_tasks.ops.supervisor import Supervisor

    _override(modules=modules or None, **options)
    sys.exit(Supervisor(get_settings(), flower=not no_flower).run())


@main.command()
@_tasks
@click.option("--host", help="Address to listen on; beyond loopback a token is required.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.")
def web(modules: tuple[str, ...], **options: Any) -> None:
    """Run the web process: pages and API."""
    _override(modules=modules or None, **options)
    settings = _checked(web=True)
    from async_tasks.web.server import serve

    serve(settings)


@main.command()
@_tasks
@click.option("--concurrency", type=click.IntRange(1), help="Tasks that run at a time.")
@click.option("--queues", "-Q", help="Queues to serve, comma-separated; all by default.")
@click.option("--name", default="celery", show_default=True, help="Name of the worker, unique on this machine.")
def worker(modules: tuple[str, ...], concurrency: int | None, queues: str | None, name: str) -> None:
    """Run a worker, with a dispatcher beside it."""
    _override(modules=modules or None, concurrency=concurrency)
    settings = _checked()
    # Read by Celery at import: SIGTERM is then its soft shutdown, which hands long tasks back.
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    from async_tasks.engine import celery

    unknown = set((queues or "").split(",")) - {"", *celery.queue_names}
    if unknown:
        raise ConfigurationError(
            [f"--queues: {', '.join(sorted(unknown))}: no such queue; there are {', '.join(celery.queue_names)}"]
        )
    celery.worker_main(
        [
            "worker",
            f"--hostname={name}@%h",
            f"--concurrency={settings.concurrency}",
            f"--queues={queues or ','.join(celery.queue_names)}",
            f"--loglevel={settings.log_level}",
            # It waits a second for neighbours that have nothing to say here.
            "--without-mingle",
        ]
    )


@main.command()
@_tasks
@click.option("--host", "flower_host", help="Address to listen on; beyond loopback a token is required.")
@click.option("--port", "flower_port", type=click.IntRange(0, 65535), help="Port to listen on.")
def flower(modules: tuple[str, ...], **options: Any) -> None:
    """Run Flower, the monitor of Celery."""
    _override(modules=modules or None, **options)
    settings = _checked(flower=True)
    if settings.admin_token is not None:
        # By the environment: a command line is for everybody on the machine to read.
        os.environ["FLOWER_BASIC_AUTH"] = f"admin:{settings.admin_token.get_secret_value()}"
    os.execv(  # noqa: S606 - Flower takes this process's place, so that signals reach it
        sys.executable,
        [
            sys.executable, "-m", "celery", "-A", "async_tasks.engine", "--quiet", "flower",
            f"--address={settings.flower_host}", f"--port={settings.flower_port}",
        ],
    )  # fmt: skip


def _checked(*, web: bool = False, flower: bool = False) -> Any:
    settings = get_settings()
    problems = settings.check(web=web, flower=flower)
    if problems:
        raise ConfigurationError(problems)
    return settings


@main.command()
@_tasks
@_json
def catalog(modules: tuple[str, ...], as_json: bool) -> None:
    """List the tasks that can be submitted."""
    from async_tasks import catalog as tasks

    _override(modules=modules or None)
    tasks.load_modules(get_settings().modules)
    if as_json:
        _print_json(
            [
                {"name": s.name, "title": s.title, "help": s.help, "arguments": s.arguments_schema()}
                for s in tasks.specs()
            ]
        )
        return
    for spec in tasks.specs():
        click.echo(f"{spec.name:<24} {spec.title}")
        for name, schema in spec.arguments_schema().get("properties", {}).items():
            required = name in spec.arguments_schema().get("required", [])
            default = "" if required else f"  (default {json.dumps(schema.get('default'))})"
            click.echo(f"    {name}={schema.get('type') or 'value'}{default}")


@main.command()
@click.argument("name")
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--args", "document", help="All arguments as one JSON object, or - to read it from standard input.")
@click.option("--delay", type=float, help="Seconds before which it is not to run.")
@click.option("--expires", type=float, help="Seconds after which it is not to start any more.")
@click.option("--priority", type=int, help="0 (normal) to 9 (most urgent).")
@click.option("--wait", is_flag=True, help="Wait for the result, print it, and exit 1 unless it succeeded.")
@click.option("--timeout", type=float, default=600, show_default=True, help="Seconds to wait at most.")
@_tasks
@_json
def submit(
    name: str,
    arguments: Sequence[str],
    document: str | None,
    wait: bool,
    timeout: float,
    modules: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Submit the task NAME.

    Values are taken as the task's parameter says: text as it stands, anything else as JSON.
    """
    _override(modules=modules or None)
    from async_tasks import catalog as tasks
    from async_tasks import queries, submission
    from async_tasks.engine import celery
    from async_tasks.ops.arguments import parse_arguments

    record = submission.submit(celery, name, parse_arguments(tasks.get(name), arguments, document), **options)
    if wait:
        record = queries.wait(celery, record.id, timeout)
    _show(record, as_json, brief=not wait)
    if wait:
        sys.exit({"SUCCESS": 0, "FAILURE": REFUSED, "REVOKED": REFUSED}.get(record.state, STILL_RUNNING))


@main.command()
@click.argument("task_id", metavar="ID")
@_json
def show(task_id: str, as_json: bool) -> None:
    """Show all that is known of one task."""
    from async_tasks import queries
    from async_tasks.engine import celery

    _show(queries.get(celery, task_id), as_json)


@main.command(name="list")
@click.option("--state", help="Only tasks in this state.")
@click.option("--task", "name", help="Only this task.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@click.option("--cursor", help="Go on from the next_cursor of --json.")
@_json
def list_(state: str | None, as_json: bool, **filters: Any) -> None:
    """List tasks, newest first."""
    from async_tasks import queries
    from async_tasks.engine import celery
    from async_tasks.ledger import State, rfc3339

    wanted = state.upper() if state else None
    if wanted and wanted not in State.__members__:
        raise InvalidOption("state", f"{state!r} is none of {', '.join(State.__members__)}")
    page = queries.page(celery, state=State(wanted) if wanted else None, **filters)
    if as_json:
        _print_json({"tasks": [record.public() for record in page.tasks], "next_cursor": page.next_cursor})
        return
    for record in page.tasks:
        click.echo(f"{record.id}  {record.state:<9} {rfc3339(record.submitted_at)}  {record.name}")


@main.command()
@click.argument("task_id", metavar="ID")
@_json
def cancel(task_id: str, as_json: bool) -> None:
    """Cancel a task: waiting, it never starts; running, it is stopped."""
    from async_tasks import submission
    from async_tasks.engine import celery

    record = submission.cancel(celery, task_id)
    if as_json:
        _print_json(record.public())
    else:
        click.echo(f"{record.id} {'is being stopped' if record.cancel_requested else 'is revoked'}")


@main.command()
@_json
def check(as_json: bool) -> None:
    """Print the settings in force, secrets masked, and every problem between them."""
    settings = load()
    problems = settings.check(web=True, flower=True)
    if as_json:
        _print_json({"settings": settings.masked(), "problems": problems})
    else:
        for name, value in settings.masked().items():
            click.echo(f"{name}={'' if value is None else value}")
    if problems:
        raise ConfigurationError(problems)


@main.command()
@click.argument("role", type=click.Choice(["web", "worker", "flower"]))
def health(role: str) -> None:
    """Ask whether ROLE on this machine does its work; for health checks."""
    from async_tasks.ops.health import check_role

    click.echo(check_role(role, get_settings()))


def _show(record: Any, as_json: bool, *, brief: bool = False) -> None:
    from async_tasks.ops.display import describe_record

    if as_json:
        _print_json(record.public())
    elif brief:
        click.echo(record.id)
    else:
        click.echo(describe_record(record))


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
