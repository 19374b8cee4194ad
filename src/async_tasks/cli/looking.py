"""Commands that look: at what can be submitted, at one task, at all."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from async_tasks.cli import completing
from async_tasks.cli.base import engine, main, override
from async_tasks.cli.options import Past, StateName, Text, ids_argument, json_option, tasks_option
from async_tasks.cli.output import ink, is_terminal, note, print_json, print_json_line, write

if TYPE_CHECKING:
    from async_tasks.engine import App
    from async_tasks.ledger import Page

#: Records asked for at a time.
PAGE: Final = 200


@main.command()
@tasks_option
@json_option
def catalog(modules: tuple[str, ...], as_json: bool) -> None:
    """List the tasks that can be submitted."""
    from async_tasks import catalog as tasks
    from async_tasks.settings import get_settings

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
    colours = ink()
    for spec in tasks.specs():
        write(f"{colours(f'{spec.name:<24}', 'title')} {spec.title}")
        schema = spec.arguments_schema()
        for name, part in schema.get("properties", {}).items():
            default = f"  (default {json.dumps(part.get('default'))})" if name not in schema.get("required", []) else ""
            write(f"    {name}={_kind(part, schema)}{colours(default, 'faint')}")


@main.command()
@ids_argument(metavar="ID")
@click.option("--traceback", is_flag=True, help="With the traceback of an error.")
@json_option
def show(task_id: str, traceback: bool, as_json: bool) -> None:
    """Show all that is known of one task."""
    from async_tasks import queries
    from async_tasks.ops.display import describe_record

    record = queries.get(engine(), task_id)
    if as_json:
        print_json(record.public())
    else:
        write(describe_record(record, ink=ink(), traceback=traceback))


@main.command(name="list")
@click.option("--state", type=StateName(), metavar="STATE", help="Only tasks in this state.")
@click.option("--task", "name", type=Text(), metavar="NAME", shell_complete=completing.names, help="Only this task.")
@click.option("--queue", type=Text(), metavar="NAME", help="Only tasks of this queue.")
@click.option("--worker", type=Text(), metavar="NAME", help="Only tasks that this worker was the last to start.")
@click.option("--submitter", "submitted_by", type=Text(), metavar="NAME", help="Only tasks of this submitter.")
@click.option("--fingerprint", type=Text(), metavar="TEXT", help="Only tasks that ended with this kind of error.")
@click.option("--text", "q", type=Text(), metavar="TEXT", help="Only with this text in arguments, result or error.")
@click.option("--since", type=Past(), metavar="TIME", help="Not older: a time, or how long ago (30m, 2h, 7d).")
@click.option("--until", type=Past(), metavar="TIME", help="Not newer: the same.")
@click.option("--batch", "batch_id", type=Text(), metavar="ID", help="Only tasks of this batch.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many [default: 20].")
@click.option("--all", "everything", is_flag=True, help="All of them; with --json one on each line.")
@click.option("--cursor", type=Text(), metavar="CURSOR", help="Go on where a list ended, from its next_cursor.")
@json_option
def list_(limit: int | None, everything: bool, cursor: str | None, as_json: bool, **filters: Any) -> None:
    """List tasks, newest first."""
    if everything and limit is not None:
        raise click.UsageError("Give --limit or --all, not both.")
    pages = _pages(engine(), None if everything else limit or 20, cursor, filters)
    if as_json and not everything:
        found = list(pages)
        tasks = [record.public() for page in found for record in page.tasks]
        print_json({"tasks": tasks, "next_cursor": found[-1].next_cursor})
        return
    number, rest = 0, None
    for page in pages:
        _print_page(page, as_json=as_json, first=not number)
        number, rest = number + len(page.tasks), page.next_cursor
    if not number:
        note(_nothing(filters))
    elif rest:
        note(f"there are more: --all lists them, --cursor {rest} goes on here")


def _pages(app: App, limit: int | None, cursor: str | None, filters: Mapping[str, Any]) -> Iterator[Page]:
    from async_tasks import queries

    while True:
        page = queries.page(app, limit=PAGE if limit is None else min(limit, PAGE), cursor=cursor, **filters)
        yield page
        limit = None if limit is None else limit - len(page.tasks)
        # A page of a search may hold fewer than there are.
        if page.next_cursor is None or limit == 0:
            return
        cursor = page.next_cursor


def _print_page(page: Page, *, as_json: bool, first: bool) -> None:
    from async_tasks.ops.display import row, table

    if as_json:
        for record in page.tasks:
            print_json_line(record.public())
    elif is_terminal():
        for line in table(page.tasks, os.get_terminal_size(sys.stdout.fileno()).columns or 80, ink=ink(), head=first):
            write(line)
    else:
        for record in page.tasks:
            write(row(record))


def _nothing(filters: Mapping[str, Any]) -> str:
    if not any(value is not None for value in filters.values()):
        return "there are no tasks yet; submit one: async-tasks submit reverse_text text=hello"
    return "no task fits these filters; `async-tasks list` shows the newest of all"


def _kind(part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    from async_tasks.catalog.branches import takes_text
    from async_tasks.ops.arguments import choices

    if found := choices(part, schema):
        return "|".join(found)
    return "text" if takes_text(part, schema) else part.get("type") or "JSON"
