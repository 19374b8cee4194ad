"""Commands that submit tasks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from async_tasks.cli import completing
from async_tasks.cli.base import engine, main, override
from async_tasks.cli.following import wait_for
from async_tasks.cli.options import (
    Moment,
    Seconds,
    SecondsOrMoment,
    document_option,
    ids_argument,
    json_option,
    key_option,
    pairs_argument,
    tasks_option,
    timeout_option,
    wait_option,
)
from async_tasks.cli.output import note, print_json, write
from async_tasks.errors import InvalidBatch, StoreUnavailable

if TYPE_CHECKING:
    from async_tasks.engine import App
    from async_tasks.ledger import Record


@main.command()
@click.argument("name", required=False, shell_complete=completing.names)
@pairs_argument()
@document_option
@click.option("--delay", type=Seconds(), metavar="DURATION", help="Not to run before so long from now (90, 15m, 2h).")
@click.option("--eta", type=Moment(), metavar="TIME", help="Not to run before this time.")
@click.option("--expires", type=SecondsOrMoment(), metavar="DURATION|TIME", help="Not to start later than that.")
@click.option("--priority", type=int, help="0 (normal) to 9 (most urgent).")
@key_option
@click.option(
    "--batch",
    type=click.Path(allow_dash=True),
    metavar="FILE",
    help="Submit what the file lists, all of it or nothing: a JSON array or an object a line; - is standard input.",
)
@wait_option
@timeout_option(600)
@tasks_option
@json_option
def submit(
    name: str | None,
    arguments: tuple[str, ...],
    document: str | None,
    idempotency_key: str | None,
    batch: str | None,
    wait: bool,
    timeout: float,
    modules: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Submit the task NAME, and print its id.

    Values are taken as the task's parameter says: text as it stands, anything else as JSON. KEY@FILE takes the text
    of a file, KEY@- that of standard input.
    """
    override(modules=modules or None)
    if batch is not None:
        _check_alone({"NAME": name, "--args": document, "--wait": wait or None, **options})
        _submit_batch(batch, idempotency_key, as_json=as_json)
        return
    if name is None:
        raise click.UsageError("Missing argument 'NAME': which task? `async-tasks catalog` lists them.")
    from async_tasks import catalog, submission
    from async_tasks.ops.arguments import parse_arguments

    app = engine()
    values = parse_arguments(catalog.get(name), arguments, document)
    record = submission.submit(app, name, values, idempotency_key=idempotency_key, **options)
    _finish(app, record, wait=wait, timeout=timeout, as_json=as_json)


@main.command()
@ids_argument(finished=True, metavar="ID")
@pairs_argument()
@document_option
@key_option
@wait_option
@timeout_option(600)
@tasks_option
@json_option
def replay(
    task_id: str,
    arguments: tuple[str, ...],
    document: str | None,
    idempotency_key: str | None,
    wait: bool,
    timeout: float,
    modules: tuple[str, ...],
    as_json: bool,
) -> None:
    """Submit the finished task ID again, and print the new id.

    The arguments are those of its record, with the given ones in place of theirs.
    """
    override(modules=modules or None)
    from async_tasks import catalog, queries, submission
    from async_tasks.ops.arguments import parse_arguments

    app = engine()
    edited = None
    if arguments or document is not None:
        first = queries.get(app, task_id)
        spec = catalog.get(first.name)
        edited = _recorded(first.args, spec.arguments_schema()) | parse_arguments(spec, arguments, document)
    record = submission.replay(app, task_id, edited, idempotency_key=idempotency_key)
    _finish(app, record, wait=wait, timeout=timeout, as_json=as_json)


def _recorded(args: Any, schema: Mapping[str, Any]) -> dict[str, Any]:
    # Of a message that came from elsewhere the names may not be known; then all have to be given.
    known = isinstance(args, Mapping) and args.keys() <= schema.get("properties", {}).keys()
    return dict(args) if known else {}


def _finish(app: App, record: Record, *, wait: bool, timeout: float, as_json: bool) -> None:
    if wait:
        wait_for(app, record, timeout, as_json=as_json)
    if as_json:
        print_json(record.public())
    else:
        write(record.id)
    if _is_deferred(app, record.id):
        note("the broker did not take it in time; it is recorded, and published as soon as the broker does")


def _is_deferred(app: App, task_id: str) -> bool:
    from async_tasks import queries

    with suppress(StoreUnavailable):
        found = queries.get_many(app, [task_id]).get(task_id)
        return found is not None and found.timeline[-1]["event"] == "publish deferred"
    return False


def _submit_batch(path: str, idempotency_key: str | None, *, as_json: bool) -> None:
    from async_tasks import submission
    from async_tasks.ops.arguments import read_text
    from async_tasks.ops.batches import read_batch, with_lines

    entries, lines = read_batch(read_text("--batch", path))
    try:
        batch = submission.submit_batch(engine(), entries, idempotency_key=idempotency_key)
    except InvalidBatch as exc:
        raise with_lines(exc, lines) from None
    if as_json:
        print_json({"batch_id": batch.batch_id, "ids": batch.ids})
        return
    write("\n".join(batch.ids))
    number = "1 task" if len(batch.ids) == 1 else f"{len(batch.ids):,} tasks"
    note(f"batch {batch.batch_id}: {number}; async-tasks list --batch {batch.batch_id}")


def _check_alone(others: Mapping[str, Any]) -> None:
    given = [
        name if name.isupper() or name.startswith("-") else f"--{name}" for name, v in others.items() if v is not None
    ]
    if given:
        raise click.UsageError(f"--batch takes these from the file: {', '.join(given)}.")
