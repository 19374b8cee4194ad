# ruff: noqa: INP001 - a script, no package

"""Write docs/settings.md from the settings themselves: ``python tools/write_settings_reference.py``."""

from __future__ import annotations

from pathlib import Path

from async_tasks.settings import ENV_PREFIX, Settings

PLACE = Path(__file__).parents[1] / "docs" / "settings.md"

HEAD = """# Settings

Each is an environment variable, or a line of a file `.env` in the folder where the command is started. The environment
wins over the file, an option of the command line over both. `async-tasks check` prints what is in force, with secrets
masked, and every problem at once. Every process of a system (web, workers, Flower, your own programs) reads them.

| variable | default | meaning |
|---|---|---|
"""


def reference() -> str:
    """The whole page."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, tuple):
            default = ",".join(default)
        shown = "" if default in (None, "") else f"`{default}`"
        rows.append(f"| `{ENV_PREFIX}{name.upper()}` | {shown} | {field.description} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PLACE.write_text(reference())
