"""Ids and names in URLs: any printable string, percent-encoded.

WSGI hands over the path decoded, in which ``%2F`` and ``/`` are the same. ``KeepEncodedSlashes`` puts the
difference back, and the converter undoes it, so that ``a%2Fevents`` is an id and ``a/events`` is a stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, unquote_to_bytes

from werkzeug.routing import BaseConverter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_KEPT = re.compile(r"%(25|2[Ff])")


class KeepEncodedSlashes:
    """WSGI middleware: ``%2F`` and ``%25`` of the request line stay encoded in the path, all else is decoded."""

    def __init__(self, wsgi_app: WSGIApplication) -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        decoded = environ.get("PATH_INFO", "")
        raw = environ.get("RAW_URI", "").partition("?")[0]
        if "%" in raw and unquote_to_bytes(raw) == decoded.encode("latin-1"):
            path = unquote_to_bytes(_KEPT.sub(r"%25\1", raw)).decode("latin-1")
        else:  # not told how it came (or mounted below a prefix): what is decoded is all there is
            path = decoded.replace("%", "%25")
        environ["PATH_INFO"] = path
        return self._wsgi_app(environ, start_response)


class AnyText(BaseConverter):
    """One id or name. Slashes may come unencoded too, where no longer route claims them, by whatever method."""

    part_isolating = False
    regex = "(?s:[^/].*?)(?<!/events)(?<!/replay)(?<!/results)(?<!/logs)"
    weight = 200

    def to_python(self, value: str) -> str:
        return unquote(value)

    def to_url(self, value: str) -> str:
        return quote(value, safe="")
