"""Commands that submit tasks, and those that look at them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from async_tasks.cli.base import REFUSED, STILL_RUNNING, json_option, main, override, print_json, tasks_option
from async_tasks.errors import InvalidOption
from async_tasks.settings import get_settings


@main.command()
@tasks_option
@json_option
def catalog(modules: tuple[str, ...], as_json: bool) -> None:
    """List the tasks that can be submitted."""
    from async_tasks import catalog as tasks

    override(modules=modules or None)
    tasks.load_modules(get_settings().task_modules())
    if as_json:
        print_json(
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
@tasks_option
@json_option
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
    override(modules=modules or None)
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
@json_option
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
@json_option
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
        print_json({"tasks": [record.public() for record in page.tasks], "next_cursor": page.next_cursor})
        return
    for record in page.tasks:
        click.echo(f"{record.id}  {record.state:<9} {rfc3339(record.submitted_at)}  {record.name}")


@main.command()
@click.argument("task_id", metavar="ID")
@json_option
def cancel(task_id: str, as_json: bool) -> None:
    """Cancel a task: waiting, it never starts; running, it is stopped."""
    from async_tasks import submission
    from async_tasks.engine import celery

    record = submission.cancel(celery, task_id)
    if as_json:
        print_json(record.public())
    else:
        click.echo(f"{record.id} {'is being stopped' if record.cancel_requested else 'is revoked'}")


def _show(record: Any, as_json: bool, *, brief: bool = False) -> None:
    from async_tasks.ops.display import describe_record

    if as_json:
        print_json(record.public())
    elif brief:
        click.echo(record.id)
    else:
        click.echo(describe_record(record))
