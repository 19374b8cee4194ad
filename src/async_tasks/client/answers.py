"""What the server answered: a document, or the error that it means."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import httpx

from async_tasks.client.errors import (
    BY_SLUG,
    ClientError,
    ProblemError,
    ServerUnavailable,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)

D = TypeVar("D")
T = TypeVar("T")

#: Answers of a server or a proxy that may be another one a little later.
TEMPORARY: Final = frozenset({429, 502, 503, 504})

#: Answers to a call that the server does not have: it is another one, or an older one.
NOWHERE: Final = frozenset({404, 405})

_KIND: Final = "application/problem+json"
_ADVICE: Final = "See that the client's URL is that of the server, and that both are of about the same version."


def document(response: httpx.Response) -> Mapping[str, Any]:
    """The JSON object of an answer that has been read.

    Raises:
        ClientError: what the answer means if it is no success.
    """
    if not response.is_success:
        raise error(response)
    found = _json(response)
    if not isinstance(found, Mapping):
        raise UnexpectedAnswer(f"{_where(response)} answered {response.status_code} with no JSON object. {_ADVICE}")
    return found


def parsed(read: Callable[[D], T], doc: D) -> T:
    """What ``read`` makes of what the server sent.

    Raises:
        UnexpectedAnswer: if it cannot make anything of it.
    """
    try:
        return read(doc)
    except (LookupError, TypeError, ValueError, AttributeError) as exc:
        raise UnexpectedAnswer(f"The server's answer cannot be understood ({exc!r}). {_ADVICE}") from exc


def error(response: httpx.Response) -> ClientError:
    """What an answer means that is no success; it has been read."""
    status = response.status_code
    found = _json(response)
    problem = found if isinstance(found, Mapping) and response.headers.get("Content-Type", "").startswith(_KIND) else {}
    kind = BY_SLUG.get(str(problem.get("type", "")).rpartition("/")[2])
    if kind is None and status in TEMPORARY:
        kind = ServerUnavailable
    elif kind is None and status == httpx.codes.UNAUTHORIZED:
        kind = Unauthorized
    elif kind is None and problem and status not in NOWHERE:
        kind = ProblemError
    if kind is None:
        target = response.headers.get("Location")
        advice = f"It points to {target}: use that address." if target else _ADVICE
        return UnexpectedAnswer(f"{_where(response)} answered {status}, which no async-tasks server does. {advice}")
    answered = kind(status, problem)
    if isinstance(answered, Unavailable):
        answered.retry_after = retry_after(response.headers.get("Retry-After"))
    return answered


def no_answer(url: str, failure: httpx.TransportError) -> Unreachable:
    """What a failure of the network means."""
    words = str(failure) or {"ReadTimeout": "it took too long", "ConnectTimeout": "the connection took too long"}.get(
        type(failure).__name__, type(failure).__name__
    )
    return Unreachable(url, words.rstrip("."))


def is_hopeless(failure: BaseException | None) -> bool:
    """Whether a failure of the network will be the same however often one tries."""
    while failure is not None:
        if isinstance(failure, ssl.SSLCertVerificationError | httpx.UnsupportedProtocol):
            return True
        failure = failure.__cause__ or failure.__context__
    return False


def retry_after(header: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date; None if there are none to be had of it."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # TypeError: a date without a zone
        return None


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _where(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url.copy_with(userinfo=b'', query=None)}"
