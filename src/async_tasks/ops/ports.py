"""The ports that a person chose: whether they are free, said before anything is started."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterable

from async_tasks.errors import ConfigurationError


def check_ports(ports: Iterable[tuple[str, int, str, str]]) -> None:
    """Whether every port can be listened on.

    Args:
        ports: of each the address, the port (0: any), and the flag and the variable that change it.

    Raises:
        ConfigurationError: with one line for each that cannot.
    """
    problems = []
    seen: set[int] = set()
    for host, port, flag, variable in ports:
        if port and port in seen:
            problems.append(f"port {port} is asked for twice: choose another with {flag} or {variable}")
        elif port and (reason := _refusal(host, port)):
            problems.append(f"port {port} {reason} on {host}: choose another with {flag} or {variable}")
        seen.add(port)
    if problems:
        raise ConfigurationError(problems)


def free_port(host: str) -> int:
    """A port that is free on ``host`` now.

    Raises:
        ConfigurationError: if ``host`` is no address of this machine.
    """
    try:
        with _listening(host, 0) as probe:
            port: int = probe.getsockname()[1]
            return port
    except OSError as exc:
        raise ConfigurationError([f"no port can be had on {host}: {exc.strerror or exc}"]) from exc


def reachable(host: str) -> str:
    """The address by which this machine reaches a server that listens on ``host``."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"  # noqa: PLR2004 - the version's name


def url(host: str, port: int) -> str:
    """The address of a server that listens on ``host``, as this machine's browser takes it."""
    name = reachable(host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"


def _refusal(host: str, port: int) -> str | None:
    try:
        _listening(host, port).close()
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            return "is in use"
        return f"cannot be used ({exc.strerror or exc})"
    return None


def _listening(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    server = socket.socket(family, kind, protocol)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(address)
        server.listen(1)
    except BaseException:
        server.close()
        raise
    return server
