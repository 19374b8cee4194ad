"""One email to one SMTP server, and what its answers mean."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

from async_tasks.addresses import is_loopback
from async_tasks.errors import AsyncTasksError

#: RFC 5321: from here on, the server says that trying again will not help.
_PERMANENT: Final = 500


class EmailError(AsyncTasksError):
    """Root of what goes wrong when an email is sent."""


class TemporaryEmailError(EmailError):
    """Raised when the server is away or asks to try again later."""


class PermanentEmailError(EmailError):
    """Raised when trying again cannot help; carries the server's words."""


@dataclass(frozen=True, slots=True)
class _Server:
    host: str
    port: int
    tls: bool  # from the first byte on, not by STARTTLS
    user: str | None
    password: str = field(repr=False)


def send(email: EmailMessage, url: str, *, timeout: float) -> None:
    """Hand an email over to a server; on return, the server has accepted it.

    Encrypted from the start for ``smtps://``, and by STARTTLS for ``smtp://`` where the server offers it;
    certificates are verified. A login is never sent in the clear, but to this very machine.

    When the connection breaks after the text was sent and before the server has answered, nobody knows
    whether it took the email: it is sent again then, with the same Message-ID.

    Args:
        email: with its headers From and To.
        url: ``smtp://user:password@host:587`` or ``smtps://…``; ports by default 25, 587 with a login, 465.
        timeout: of each step, in seconds.

    Raises:
        TemporaryEmailError: if the server is away or asks to try again later.
        PermanentEmailError: if it refuses, or cannot be talked to safely.
    """
    server = _parse(url)
    with _explained(server):
        client = _connect(server, timeout)
        try:
            if not server.tls and client.has_extn("starttls"):
                client.starttls(context=ssl.create_default_context())
                client.ehlo()
            if server.user is not None:
                _login(client, server)
            client.send_message(email)
        except BaseException:
            client.close()
            raise
        # Accepted: whatever goes wrong while saying goodbye must not have it sent again.
        with contextlib.suppress(OSError):
            client.quit()
        client.close()


def _parse(url: str) -> _Server:
    parts = urlsplit(url)
    tls = parts.scheme == "smtps"
    user = unquote(parts.username) if parts.username else None
    default = 465 if tls else 587 if user else 25
    return _Server(parts.hostname or "", parts.port or default, tls, user, unquote(parts.password or ""))


def _connect(server: _Server, timeout: float) -> smtplib.SMTP:
    if server.tls:
        context = ssl.create_default_context()
        client: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=timeout, context=context)
    else:
        client = smtplib.SMTP(server.host, server.port, timeout=timeout)
    try:
        client.ehlo_or_helo_if_needed()
    except BaseException:
        client.close()
        raise
    return client


def _login(client: smtplib.SMTP, server: _Server) -> None:
    if not isinstance(client.sock, ssl.SSLSocket) and not is_loopback(server.host):
        raise PermanentEmailError(
            f"The mail server {server.host}:{server.port} offers no encryption, so the password of "
            "ASYNC_TASKS_SMTP_URL was not sent: use smtps://, or a server that offers STARTTLS"
        )
    try:
        client.login(server.user or "", server.password)
    except UnicodeEncodeError:
        raise PermanentEmailError("User and password of ASYNC_TASKS_SMTP_URL must be ASCII") from None


@contextlib.contextmanager
def _explained(server: _Server) -> Iterator[None]:
    at = f"{server.host}:{server.port}"
    try:
        yield
    except smtplib.SMTPRecipientsRefused as exc:
        code, words = next(iter(exc.recipients.values()))
        raise _answer(at, code, words) from exc
    except smtplib.SMTPResponseException as exc:
        raise _answer(at, exc.smtp_code, exc.smtp_error) from exc
    except smtplib.SMTPNotSupportedError as exc:
        raise PermanentEmailError(f"The mail server {at} cannot do what the email needs: {exc}") from exc
    except ssl.SSLCertVerificationError as exc:
        raise PermanentEmailError(
            f"The certificate of the mail server {at} is not trusted: {exc.verify_message}. "
            "If an authority of your own signed it, name its file in SSL_CERT_FILE"
        ) from exc
    except OSError as exc:  # timeouts, refused and broken connections; smtplib's other errors are of this kind too
        raise TemporaryEmailError(f"The mail server {at} could not be reached, or hung up: {exc}") from exc


def _answer(at: str, code: int, words: bytes | str) -> EmailError:
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    answer = f"The mail server {at} answered {code} {' '.join(text.split())}"
    return PermanentEmailError(answer) if code >= _PERMANENT else TemporaryEmailError(answer)
