# ruff: noqa: INP001 - a script, no package

"""Writes ``async_tasks.client.sync`` from ``async_tasks.client.aio``: the same words without waiting in them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

CLIENT: Final = Path(__file__).parents[1] / "src/async_tasks/client"

#: What each waits with; written by hand, twice.
OWN: Final = {"__init__.py", "clock.py"}

#: From the words of an event loop to those of a thread, in this order.
WORDS: Final = (
    (r"\basync (?=def|with|for)", ""),
    (r"\bawait ", ""),
    (r"``async with``", "``with``"),
    (r"\bAsync(?=Client|TaskHandle|Batch|Submitter|Connection|Generator\b)", ""),
    (r"\b__a(?=enter__|exit__)", "__"),
    (r"\ba(?=closing\b|close\b|read\b|iter_sse\b)", ""),
    (r"\bclient\.aio\b", "client.sync"),
    (r"  # noqa: ASYNC109.*", ""),
)


def modules() -> dict[str, str]:
    """Every module of the sync client, by the name of its file."""
    return {path.name: _written(path) for path in sorted((CLIENT / "aio").glob("*.py")) if path.name not in OWN}


def _written(path: Path) -> str:
    text = path.read_text()
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text)
    text = f"# Written by tools/write_sync_client.py from ../aio/{path.name}: edit that, and run it.\n{text}"
    name = str(CLIENT / "sync" / path.name)
    # The names change their order, and a loop that only awaited becomes `yield from`.
    mended = ["check", "--select", "I,UP028", "--fix", "--unsafe-fixes", "--quiet"]
    for command in (mended, ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", name, "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    for name, text in modules().items():
        (CLIENT / "sync" / name).write_text(text)
