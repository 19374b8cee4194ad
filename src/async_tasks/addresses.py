"""Small truths about addresses: who can reach a host, what a URL must look like, how to show one."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from pydantic import SecretStr


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def mask_url(url: str) -> str:
    """The URL with its password replaced by stars."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return url.replace(f":{parts.password}@", ":********@", 1)


def with_scheme(value: SecretStr | None, schemes: tuple[str, ...]) -> SecretStr | None:
    """The same URL.

    Raises:
        ValueError: if it has another scheme or no host.
    """
    if value is not None:
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in schemes or not parts.hostname:
            raise ValueError(f"must look like {schemes[0]}://user:password@host:port (schemes: {', '.join(schemes)})")
    return value
