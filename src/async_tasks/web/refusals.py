"""What gunicorn refuses itself, because it is no request that the application could be asked, as a problem."""

from __future__ import annotations

import json
import logging
import secrets
from http import HTTPStatus
from typing import Final

from gunicorn.http import errors

logger = logging.getLogger(__name__)

#: About our own answers or settings, and no fault of the caller.
OURS: Final = (errors.ConfigurationProblem, errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)


def answer(error: Exception) -> bytes | None:
    """The whole answer, or None if the error is not the caller's.

    Args:
        error: what gunicorn raised.
    """
    from async_tasks.web.problems import KINDS, PROBLEM_JSON  # after gevent has patched what it imports

    if not isinstance(error, errors.ParseException) or isinstance(error, OURS):
        return None
    match error:
        case errors.LimitRequestLine():
            slug = "uri-too-long"
        case errors.LimitRequestHeaders():
            slug = "headers-too-large"
        case _:
            slug = "bad-request"
    kind = KINDS[slug]
    request_id = secrets.token_hex(8)
    logger.warning("refused what is no request: %s; request id %s", error, request_id)
    problem = {
        "type": f"/problems/{slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": kind.advice,
        "instance": "",
        "request_id": request_id,
    }
    body = json.dumps(problem)
    head = (
        f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}",
        "Connection: close",
        f"Content-Type: {PROBLEM_JSON}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        f"X-Request-ID: {request_id}",
    )
    return "\r\n".join([*head, "", body]).encode("ascii")
