"""Which requests are heard at all, and what browsers are told not to do."""

from __future__ import annotations

import re
import secrets
from typing import Final
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, g, request
from flask.sessions import SecureCookieSessionInterface
from werkzeug.sansio.utils import host_is_trusted

from async_tasks.addresses import is_loopback
from async_tasks.settings import Settings
from async_tasks.web.problems import Refused, wants_json

WILDCARDS: Final = frozenset({"", "0.0.0.0", "::", "*"})  # noqa: S104 - named to be told apart
UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})

#: No inline script or style, and nothing from elsewhere.
CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that know no frame-ancestors
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)


def install(app: Flask, settings: Settings) -> None:
    """Guard every request of ``app`` and put the security headers on every answer."""
    known = known_hosts(settings)

    def guard() -> None:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        # On every line that is logged for this request; one greenlet serves many requests of a connection.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)
        # Probes name the address of a machine or a pod, and what they are told is no secret.
        if request.blueprint != "health" and not is_known_host(request.host, known):
            raise Refused("unknown-host", f"This server does not answer to the host {request.host!r}.")

    app.before_request(guard)
    app.after_request(_add_headers)
    app.session_interface = CookieSession()


def known_hosts(settings: Settings) -> list[str]:
    """The host names that requests may carry, besides loopback ones."""
    own = [] if settings.host in WILDCARDS else [settings.host]
    return [*own, *settings.allowed_hosts]


def is_known_host(host: str, known: list[str]) -> bool:
    """Whether a Host header (with or without a port) names this server; a guard against DNS rebinding too."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if is_loopback(name) or any(":" in entry and entry == name for entry in known):
        return True
    return host_is_trusted(name, [entry for entry in known if ":" not in entry])


def require_own_origin(*, proof: bool) -> None:
    """Refuse what another site made a browser send.

    Args:
        proof: whether the request must show that it comes from our own pages; otherwise only one that shows
            the contrary is refused (programs send neither header).

    Raises:
        Refused: 403.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    own_origin = origin is not None and urlsplit(origin).netloc == request.host
    if (site not in (None, "same-origin", "none")) or (origin is not None and not own_origin):
        raise Refused("foreign-origin")
    if proof and not (own_origin or site == "same-origin"):
        raise Refused("foreign-origin", "A request with the session's cookie must say that it comes from here.")


class CookieSession(SecureCookieSessionInterface):
    """Flask's signed cookie, Secure whenever the request came over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 - Flask's signature
        return request.is_secure


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-ID"] = g.get("request_id", "")
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-cache" if wants_json() else "no-store")
    return response
