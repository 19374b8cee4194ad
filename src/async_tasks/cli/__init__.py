"""The command ``async-tasks``: a thin door; each subcommand calls one function of the rooms below."""

# The modules of the subcommands add them to the group when they are imported.
from async_tasks.cli import roles, tasks
from async_tasks.cli.base import main

__all__ = ["main", "roles", "tasks"]
