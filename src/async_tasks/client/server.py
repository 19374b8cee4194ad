"""Where the server is and who asks, checked once."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any, Final

import httpx

from async_tasks.client.calls import Call

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")

#: As many at once as there are threads or tasks that wait: each stream holds a connection.
LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=30)


class Server:
    """The address of a server and the credential for it, which is shown nowhere.

    Attributes:
        url: without credentials and without a slash at the end.

    Raises:
        ValueError: if the URL or the token cannot be one.
    """

    def __init__(self, url: str, token: str | None) -> None:
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, TypeError) as exc:
            raise ValueError(f"The URL of the server cannot be read: {exc}") from None
        if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.query or parsed.fragment:
            shown = parsed.copy_with(userinfo=b"", query=None)
            raise ValueError(f"{str(shown)!r} is no URL of a server: write it like http://127.0.0.1:5000")
        if token is not None and not _TOKEN.fullmatch(token):
            raise ValueError("The token holds a space, a line break or another character that no header can carry")
        if token is not None and parsed.userinfo:
            raise ValueError("Give a token, or a user and password in the URL, not both: there is one header for them")
        self.url = str(parsed.copy_with(userinfo=b"")).rstrip("/")
        self._headers = {"User-Agent": "async-tasks-client"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        elif parsed.userinfo:
            # Not left in the URL, which is logged.
            credential = b64encode(f"{parsed.username}:{parsed.password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {credential}"

    def request(self, call: Call) -> dict[str, Any]:
        """A call as httpx's ``build_request`` takes it."""
        return {
            "method": call.method,
            "url": f"{self.url}{call.path}",
            "params": dict(call.query) or None,
            "headers": {**self._headers, **call.headers},
            "content": call.content,
        }
