"""A real SMTP server of the test's own, which answers as it is told and keeps what it gets."""

# ruff: noqa: N802 - aiosmtpd names its hooks
from __future__ import annotations

import asyncio
import email
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "ada", "s3cret/@:"
LOGIN = "ada:s3cret%2F%40%3A@"


@dataclass
class Mail:
    """One email as the server got it."""

    sender: str
    recipients: list[str]
    content: bytes
    encrypted: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        parsed = email.message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass
class Handler:
    """Keeps what it gets; answers otherwise where told to, by the name of the command."""

    answers: dict[str, str] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    hang_up: str = ""  # at which command
    on_quit: Callable[[], object] = lambda: None  # when the client has heard that its email is accepted

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "MAIL" in self.answers:
            return self.answers["MAIL"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.hang_up == "DATA":
            server.transport.abort()
            return "250 never heard"
        if "DATA" in self.answers:
            return self.answers["DATA"]
        user = session.auth_data.decode() if session.auth_data else None
        content = envelope.original_content or b""
        encrypted = server.transport.get_extra_info("sslcontext") is not None
        mail = Mail(str(envelope.mail_from), envelope.rcpt_tos, content, encrypted, user)
        self.mails.append(mail)
        return "250 OK"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.on_quit()
        if self.hang_up == "QUIT":
            server.transport.abort()
        return self.answers.get("QUIT", "221 Bye")


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    if isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode()):
        return AuthResult(success=True, auth_data=data.login)
    return AuthResult(success=False, handled=False)


@contextmanager
def smtp_server(handler: Handler, *, tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[int]:
    """Serve on a free port of this machine; yields the port."""
    loop = asyncio.new_event_loop()

    def protocol() -> SMTP:
        return SMTP(handler, loop=loop, hostname="mail.test", authenticator=_authenticate, **options)

    server = loop.run_until_complete(loop.create_server(protocol, "127.0.0.1", 0, ssl=tls))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _stop(server: asyncio.AbstractServer) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)
