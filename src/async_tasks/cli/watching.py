"""``async-tasks watch``."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from async_tasks.cli import completing, following
from async_tasks.cli.base import engine, interrupted, main
from async_tasks.cli.options import StateName, Text, ids_argument, json_option, timeout_option
from async_tasks.cli.output import ink, is_terminal, note, print_json_line, write

if TYPE_CHECKING:
    from async_tasks.engine import App
    from async_tasks.ledger import Change, State


@main.command()
@ids_argument(metavar="[ID]", required=False)
@click.option(
    "--task",
    "name",
    type=Text(),
    metavar="NAME",
    shell_complete=completing.names,
    help="Without ID: only changes of this task.",
)
@click.option("--state", type=StateName(), metavar="STATE", help="Without ID: only changes to this state.")
@timeout_option(None)
@json_option
def watch(task_id: str | None, name: str | None, state: State | None, timeout: float | None, as_json: bool) -> None:
    """Follow the task ID until its end, or without ID every change of every task.

    Exit status with ID: 0 if it succeeded, 1 if it did not, 4 if it was still running when the time was over.
    """
    if task_id is None:
        _watch_all(engine(), name, state, timeout, as_json=as_json)
        return
    if name or state:
        raise click.UsageError("--task and --state are for watching without ID.")
    view: following.View = following.LinesView()
    if as_json:
        view = following.JsonView()
    elif is_terminal():
        view = following.TerminalView()
    following.follow_to_end(engine(), task_id, timeout, view, as_json=as_json)


def _watch_all(app: App, name: str | None, state: State | None, timeout: float | None, *, as_json: bool) -> None:
    from async_tasks.ops.watching import Lost, Outage, changes

    show = _print_json if as_json else _print_for_people if is_terminal() else _print_line
    try:
        for found in changes(app, timeout=timeout):
            match found:
                case None:
                    continue
                case Outage():
                    note(following.outage(found))
                case Lost():
                    note("some changes were missed: the store no longer has them")
                case _ if name in (None, found.name) and state in (None, found.state):
                    show(found)
    except KeyboardInterrupt:
        interrupted()


def _print_json(change: Change) -> None:
    from async_tasks.ledger import rfc3339

    # As the API streams it: /api/v1/events.
    print_json_line(
        {
            "id": change.id,
            "name": change.name,
            "state": str(change.state),
            "event": change.event,
            "at": rfc3339(change.at),
            "links": {"self": f"/api/v1/tasks/{quote(change.id, safe='')}"},
        }
    )


def _print_line(change: Change) -> None:
    from async_tasks.ledger import rfc3339
    from async_tasks.ops.terminal import harmless

    fields = (rfc3339(change.at) or "", change.id, change.state, change.name, change.event)
    write("\t".join(harmless(field, one_line=True) for field in fields))


def _print_for_people(change: Change) -> None:
    from async_tasks.ops import times
    from async_tasks.ops.terminal import harmless

    colours = ink()
    words = harmless(f"{change.id}  {change.name}", one_line=True)
    state = colours(f"{change.state:<9}", change.state)
    write(f"{colours(times.clock(change.at), 'faint')}  {state}  {words}  {colours(change.event, 'faint')}")
