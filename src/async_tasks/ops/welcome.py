"""What ``async-tasks up`` says when everything runs: where it is, how to try it, how to stop it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from async_tasks.addresses import mask_url
from async_tasks.settings import Settings


def welcome(settings: Settings, data_dir: Path, *, web: str, flower: str | None, store: str) -> str:
    """The text.

    Args:
        settings: the settings in force.
        data_dir: the absolute data folder.
        web: the URL of the page, with a slash at the end.
        flower: the URL of Flower; None leaves it out.
        store: kind, version and place of the embedded store; empty if there is none.
    """
    rows = {
        "page": web,
        "API": f"{web}api/v1/tasks",
        "Flower": flower,
        "data": str(data_dir),
        "store": store or mask_url(settings.store()),
        "broker": None if store else mask_url(settings.broker()),
        "try": f"{_command(settings, data_dir)} submit reverse_text text=hello --wait",
        "stop": "Ctrl-C",
    }
    return "\n".join(["ready", "", *(f"  {name:<8}{value}" for name, value in rows.items() if value), ""])


def _command(settings: Settings, data_dir: Path) -> str:
    """The command ``async-tasks`` as it can be typed in another terminal, in the same folder."""
    own = Path(sys.executable).with_name("async-tasks")
    found = shutil.which("async-tasks")
    if found and Path(found) == own:
        command = "async-tasks"
    else:
        command = os.path.relpath(own) if own.is_relative_to(Path.cwd()) else str(own)
    default: Path = type(settings).model_fields["data_dir"].default
    if data_dir == default.resolve():
        return shlex.quote(command)
    return f"ASYNC_TASKS_DATA_DIR={shlex.quote(str(data_dir))} {shlex.quote(command)}"
