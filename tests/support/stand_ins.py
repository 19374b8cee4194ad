"""Roles that do next to nothing, for tests of their supervisor: ``python -m tests.support.stand_ins up``.

``STAND_IN_<ROLE>`` makes a role misbehave: ``fails`` (ends by itself), ``stubborn`` (does not end when asked);
``STAND_IN_PATIENCE`` is how many seconds the supervisor has with each. The roles import nothing of ours: the
tests start hundreds.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import FrameType


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/live" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _note(text: str) -> None:
    with (Path(os.environ["ASYNC_TASKS_DATA_DIR"]) / "notes").open("a") as notes:
        notes.write(text + "\n")


def _store_answers() -> bool:
    description = json.loads((Path(os.environ["ASYNC_TASKS_DATA_DIR"]) / "embedded.json").read_text())
    with suppress(OSError), socket.create_connection(("127.0.0.1", description["port"]), timeout=2):
        return True
    return False


def _worker() -> None:
    # As a pool process, and as one that has left the worker's session: neither ends by being asked.
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
    subprocess.Popen([sys.executable, "-c", deaf])
    subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True)


def play(role: str) -> None:
    """Be a role until it is asked to end."""
    manner = os.environ.get(f"STAND_IN_{role.upper()}", "")
    if manner == "fails":
        sys.exit(f"{role}: no such module: tasks_of_mine")

    def asked(_number: int, _frame: FrameType | None) -> None:
        if manner == "stubborn":
            return
        _note(f"{role} ended {'with' if _store_answers() else 'without'} the store")
        os._exit(0)

    signal.signal(signal.SIGTERM, asked)
    _note(f"{role} plays")
    if role == "worker":
        _worker()
    if role == "web":
        HTTPServer(("127.0.0.1", int(os.environ["ASYNC_TASKS_PORT"])), _Handler).serve_forever()
    while True:
        signal.pause()


def up() -> int:
    """Supervise the stand-ins."""
    from async_tasks.errors import ConfigurationError
    from async_tasks.ops import supervisor
    from async_tasks.settings import load

    if patience := os.environ.get("STAND_IN_PATIENCE"):
        supervisor.PATIENCE.update(dict.fromkeys(supervisor.PATIENCE, float(patience)))
    commands = {role: (sys.executable, "-m", "tests.support.stand_ins", role) for role in supervisor.ROLES}
    try:
        return supervisor.Supervisor(load(), commands=commands).run()
    except ConfigurationError as exc:
        sys.stdout.write(f"refused: {exc}\n")
        return 1


if __name__ == "__main__":
    if sys.argv[1] == "up":
        sys.exit(up())
    play(sys.argv[1])
