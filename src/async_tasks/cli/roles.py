"""Commands that run a role of the system, and those that look at one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from async_tasks.cli.base import checked_settings, main, override
from async_tasks.cli.options import json_option, tasks_option
from async_tasks.cli.output import print_json, write
from async_tasks.errors import ConfigurationError


@main.command()
@tasks_option
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder of all data.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the pages and the API.")
@click.option("--flower-port", type=click.IntRange(0, 65535), help="Port of Flower.")
@click.option("--concurrency", type=click.IntRange(1), help="Tasks that run at a time.")
@click.option("--no-flower", is_flag=True, help="Leave Flower out.")
def up(modules: tuple[str, ...], no_flower: bool, **options: Any) -> None:
    """Run the whole system on this machine: store, web, worker and Flower."""
    from async_tasks.ops.supervisor import Supervisor
    from async_tasks.settings import get_settings

    override(modules=modules or None, **options)
    sys.exit(Supervisor(get_settings(), flower=not no_flower).run())


@main.command()
@tasks_option
@click.option("--host", help="Address to listen on; beyond loopback a token is required.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.")
def web(modules: tuple[str, ...], **options: Any) -> None:
    """Run the web process: pages and API."""
    override(modules=modules or None, **options)
    settings = checked_settings(web=True)
    from async_tasks.web.server import serve

    serve(settings)


@main.command()
@tasks_option
@click.option("--concurrency", type=click.IntRange(1), help="Tasks that run at a time.")
@click.option("--queues", "-Q", help="Queues to serve, comma-separated; all by default.")
@click.option("--name", default="celery", show_default=True, help="Name of the worker, unique on this machine.")
def worker(modules: tuple[str, ...], concurrency: int | None, queues: str | None, name: str) -> None:
    """Run a worker, with a dispatcher beside it."""
    override(modules=modules or None, concurrency=concurrency)
    settings = checked_settings()
    # Read by Celery at import: its pool processes then ignore SIGTERM, which a terminal or a supervisor may send
    # to the whole group; what becomes of their tasks is the main process's to say.
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
@tasks_option
@click.option("--host", "flower_host", help="Address to listen on; beyond loopback a token is required.")
@click.option("--port", "flower_port", type=click.IntRange(0, 65535), help="Port to listen on.")
def flower(modules: tuple[str, ...], **options: Any) -> None:
    """Run Flower, the monitor of Celery."""
    override(modules=modules or None, **options)
    settings = checked_settings(flower=True)
    from async_tasks.ops.flower import environment

    os.environ.update(environment(settings, os.environ))
    os.execv(  # noqa: S606 - Flower takes this process's place, so that signals reach it
        sys.executable,
        [
            sys.executable, "-m", "celery", "-A", "async_tasks.engine", "--quiet", "flower",
            f"--address={settings.flower_host}", f"--port={settings.flower_port}",
        ],
    )  # fmt: skip


@main.command()
@json_option
def check(as_json: bool) -> None:
    """Print the settings in force, secrets masked, and every problem between them."""
    from async_tasks.settings import load

    settings = load()
    problems = settings.check(web=True, flower=True)
    if as_json:
        print_json({"settings": settings.masked(), "problems": problems})
    else:
        for name, value in settings.masked().items():
            write(f"{name}={'' if value is None else value}")
    if problems:
        raise ConfigurationError(problems)


@main.command()
@click.argument("role", type=click.Choice(["web", "worker", "flower"]))
@json_option
def health(role: str, as_json: bool) -> None:
    """Ask whether ROLE on this machine does its work; for health checks."""
    from async_tasks.ops.health import check_role
    from async_tasks.settings import get_settings

    words = check_role(role, get_settings())
    if as_json:
        print_json({"role": role, "healthy": True, "detail": words})
    else:
        write(words)
