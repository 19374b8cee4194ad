"""The web process: gunicorn with gevent workers, each of which holds thousands of streams.

Nothing of the application is imported before a worker has been forked and patched: its connections, locks and
threads are gevent's from the first.
"""

from __future__ import annotations

import errno
import gc
import resource
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import gevent
from gevent.server import StreamServer
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.ggevent import GeventWorker

from async_tasks.errors import ConfigurationError
from async_tasks.logs import configure_logging
from async_tasks.settings import Settings
from async_tasks.web import refusals
from async_tasks.web.masking import masked

if TYPE_CHECKING:
    from types import FrameType

    from flask import Flask

CONNECTIONS: Final = 4000  # of one process at a time, streams included
ACCEPTS: Final = 10  # connections taken before those that are open have a turn; gevent takes a hundred
#: Seconds that what was woken (streams, by a change) has before the sockets are looked at again. Gevent's own 5 ms
#: starve a thousand streams while as many clients come back.
TURN: Final = 0.2
GRACE: Final = 5  # seconds that requests get to end when the process stops; streams are closed at once
KEEPALIVE: Final = 15  # seconds that a connection may be silent between two requests

#: Who may say by X-Forwarded-Proto that a request came over TLS.
TRUSTED_PROXIES: Final = "127.0.0.1,::1"


def serve(settings: Settings) -> None:
    """Serve until told to stop by SIGTERM or SIGINT; then the process ends.

    Raises:
        ConfigurationError: if the settings do not allow a start, or the port is in use.
    """
    problems = settings.check(web=True)
    if problems:
        raise ConfigurationError(problems)
    settings.signing_key()
    settings.store()
    configure_logging(settings)
    raise_file_limit()
    Server(settings, bind(settings.host, settings.port)).run()


def bind(host: str, port: int) -> int:
    """Listen; here and not in gunicorn, which would try for five seconds before it says so.

    Returns:
        The file descriptor of the socket; whoever takes it closes it.

    Raises:
        ConfigurationError: naming the setting that would help.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    # What a stopped server leaves behind must not keep the next from starting.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as exc:
        listener.close()
        if exc.errno == errno.EADDRINUSE:
            problem = f"Port {port} on {host} is in use: choose another with --port or ASYNC_TASKS_PORT"
        else:
            problem = f"ASYNC_TASKS_HOST, ASYNC_TASKS_PORT: cannot listen on {host} port {port}: {exc.strerror}"
        raise ConfigurationError([problem]) from None
    return listener.detach()


def raise_file_limit() -> None:
    """Let this process open a file for each connection, as far as it may: most systems begin with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CONNECTIONS  # a request that waits for a result holds one to the store too
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Server(BaseApplication):
    """gunicorn, configured by our settings alone: no file, no command line, no environment."""

    def __init__(self, settings: Settings, listener: int) -> None:
        self.settings = settings
        self.listener = listener
        super().__init__()

    def load_config(self) -> None:
        """Say what is not gunicorn's default, and what its environment must not change."""
        chosen: dict[str, Any] = {
            "bind": f"fd://{self.listener}",
            "workers": self.settings.web_processes,
            "worker_class": Worker,
            "worker_connections": CONNECTIONS,
            "graceful_timeout": GRACE,
            "keepalive": KEEPALIVE,
            "proc_name": "async-tasks web",
            "forwarded_allow_ips": TRUSTED_PROXIES,
            "control_socket_disable": True,  # a read-only root has no place for it, and nobody asks for it
            "accesslog": None,
            "errorlog": None,
            "loglevel": self.settings.log_level,
            "logger_class": Log,
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the application; called in each worker."""
        from async_tasks.web.app import create_app  # after gevent has patched what it imports

        return create_app(self.settings)


class Log(Logger):
    """gunicorn's words through the process's own logging."""

    def __init__(self, cfg: Any) -> None:
        super().__init__(cfg)
        self.error_log.propagate = True
        self.access_log.propagate = True

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Say what failed, without what is a credential in the address that was asked for."""
        super().exception(msg, *(masked(each) if isinstance(each, str) else each for each in args), **kwargs)


class Worker(GeventWorker):
    """A gevent worker whose streams do not hold up its end, and whose own errors are problems as all others are."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer what is no request that the application could be asked."""
        if (answer := refusals.answer(exc)) is None:
            super().handle_error(req, client, addr, exc)
            return
        with suppress(OSError):
            client.sendall(answer)

    def run(self) -> None:
        """Serve, and let no crowd of newcomers hold up what is open."""
        StreamServer.max_accept = ACCEPTS
        gevent.setswitchinterval(TURN)
        # What stands now is never garbage, and looking through it all holds up every stream.
        gc.collect()
        gc.freeze()
        super().run()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop gracefully, and close the streams; they would not end by themselves."""
        super().handle_exit(sig, frame)
        gevent.spawn(self._close_streams)

    def _close_streams(self) -> None:
        if "async_tasks.web.live" in sys.modules:
            self.wsgi.extensions["async_tasks_live"].close()
