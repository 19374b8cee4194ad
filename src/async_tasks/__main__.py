"""``python -m async_tasks``: the command ``async-tasks``."""

from async_tasks.cli import main

main()
