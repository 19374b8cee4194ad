"""Commands of an operator: who is there, what waits, and that a queue pauses or goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from async_tasks.cli.base import engine, main
from async_tasks.cli.options import Text, json_option
from async_tasks.cli.output import ink, note, print_json, write

if TYPE_CHECKING:
    from async_tasks.ledger import Worker
    from async_tasks.operations import Queue


@main.command()
@json_option
def workers(as_json: bool) -> None:
    """Show the workers that are there, and what each runs since when."""
    from async_tasks import operations

    found = operations.workers(engine())
    if as_json:
        print_json([worker.public() for worker in found])
        return
    for worker in found:
        _write_worker(worker)
    if not any(not worker.lost for worker in found):
        note("no worker is there: start one with `async-tasks worker`")


def _write_worker(worker: Worker) -> None:
    from async_tasks.ops.terminal import harmless
    from async_tasks.ops.times import duration

    colours = ink()
    heard = f"not heard for {duration(worker.silent_for)}" if worker.lost else f"{worker.sign.pool} {worker.sign.size}"
    words = f"{worker.state:<9} {heard}, {', '.join(worker.sign.queues)}, {worker.sign.done} done"
    write(f"{colours(f'{harmless(worker.name, one_line=True):<28}', 'title')} {harmless(words, one_line=True)}")
    for record in worker.running:
        since = duration(worker.now - (record.started_at or worker.now))
        write(f"    {harmless(f'{record.id}  {record.name}', one_line=True)} {colours(f'for {since}', 'faint')}")


@main.command()
@click.option("--pause", type=Text(), metavar="QUEUE", help="Let nothing of this queue start, on any worker.")
@click.option("--resume", type=Text(), metavar="QUEUE", help="Let this queue go on.")
@json_option
def queues(pause: str | None, resume: str | None, as_json: bool) -> None:
    """Show what waits in each queue; pause one, or let it go on."""
    from async_tasks import operations

    app = engine()
    if pause is not None:
        operations.pause(app, pause)
    if resume is not None:
        operations.resume(app, resume)
    found = operations.queues(app)
    if as_json:
        print_json([queue.public() for queue in found])
        return
    for queue in found:
        _write_queue(queue)


def _write_queue(queue: Queue) -> None:
    from async_tasks.ops.terminal import harmless
    from async_tasks.ops.times import duration

    oldest = queue.waiting.oldest
    parts = [f"{queue.count:>7,} waiting", f"{len(queue.running):>4} running", f"{len(queue.consumers):>3} workers"]
    if oldest is not None:
        parts.append(f"the first for {duration(queue.now - oldest)}")
    if queue.paused is not None:
        parts.append("PAUSED")
    write(f"{ink()(f'{harmless(queue.name, one_line=True):<24}', 'title')} {'  '.join(parts)}")
