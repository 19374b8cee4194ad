"""Whether a role of the system on this machine does its work."""

from __future__ import annotations

import http.client
import socket
from typing import Final

from async_tasks.errors import AsyncTasksError, Unavailable
from async_tasks.settings import Settings

#: Seconds that a role has to answer.
TIMEOUT: Final = 5.0


class Unhealthy(AsyncTasksError):
    """Raised when a role does not answer, or says that it cannot work."""


def check_role(role: str, settings: Settings) -> str:
    """Ask one role, as health checks of containers do.

    Args:
        role: ``web``, ``worker`` or ``flower``.
        settings: where it listens.

    Returns:
        What it answered, in words.

    Raises:
        Unhealthy: if it does not answer in time or says that it cannot work.
    """
    if role == "worker":
        return _worker()
    if role == "web":
        return _http("web", settings.host, settings.port, "/health/ready")
    return _http("flower", settings.flower_host, settings.flower_port, "/healthcheck")


def _http(role: str, host: str, port: int, path: str) -> str:
    # A server that listens on every address is asked on this machine's own.
    target = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - nothing is bound here
    connection = http.client.HTTPConnection(target, port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(2000).decode(errors="replace").strip()
    except OSError as exc:
        raise Unhealthy(f"{role} does not answer on {target}:{port}: {exc}") from exc
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise Unhealthy(f"{role} on {target}:{port} answered {answer.status}: {body}")
    return f"{role} on {target}:{port}: {body}"


def _worker() -> str:
    from async_tasks.engine import celery

    host = socket.gethostname()
    try:
        celery.ledger.ping()
        celery.broker_ready(TIMEOUT)
    except Unavailable as exc:
        raise Unhealthy(str(exc)) from exc
    answers = celery.control.ping(timeout=TIMEOUT / 2)
    names = [name for answer in answers for name in answer if name.endswith(f"@{host}")]
    if not names:
        raise Unhealthy(f"no worker of this machine ({host}) answered within {TIMEOUT / 2:g} s")
    return f"worker: {', '.join(sorted(names))}"
