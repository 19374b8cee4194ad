"""The views of the History page that a visitor has given a name.

They are kept in a cookie of their own. A visitor is nobody but the holder of a cookie: views in the store would be lost
with it all the same, and would have to be tidied up there.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode

from flask import Response, request

from async_tasks.errors import InvalidOption
from async_tasks.web.filters import LABELS

COOKIE: Final = "async_tasks_views"
KEPT_FOR: Final = 366 * 86400  # seconds

#: Letters of a name.
MAX_NAME: Final = 40
#: Bytes of the cookie: browsers keep 4096 with its name and attributes, and servers take as much in a header.
MAX_BYTES: Final = 3500


def saved() -> dict[str, str]:
    """The visitor's views: queries of the page's address, by name."""
    text = request.cookies.get(COOKIE, "")
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return {str(name): _query(dict(given)) for name, given in found}
    except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error):
        return {}


def keep(response: Response, name: str, given: Mapping[str, str]) -> None:
    """Give a view a name; one of that name makes room.

    Raises:
        InvalidOption: if there is no name, or no room.
    """
    name = " ".join(name.split())[:MAX_NAME]
    if not name:
        raise InvalidOption("name", "a view needs a name")
    _write(response, {**_read(), name: dict(given)})


def forget(response: Response, name: str) -> None:
    """Forget a view."""
    _write(response, {known: given for known, given in _read().items() if known != name})


def _read() -> dict[str, dict[str, str]]:
    return {name: dict(parse_qsl(query)) for name, query in saved().items()}


def _write(response: Response, views: Mapping[str, Mapping[str, str]]) -> None:
    text = json.dumps([[name, dict(given)] for name, given in views.items()], separators=(",", ":"))
    value = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    if len(value) > MAX_BYTES:
        raise InvalidOption("name", "there is no room for another view: remove one first")
    response.set_cookie(COOKIE, value, max_age=KEPT_FOR, samesite="Lax", secure=request.is_secure, httponly=True)


def _query(given: Mapping[str, str]) -> str:
    return urlencode([(name, str(given[name])) for name in LABELS if given.get(name)])
