"""An email's text: headers and body."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from email_validator import EmailNotValidError, validate_email

from async_tasks.errors import ConfigurationError


def key(task_id: str) -> str:
    """The task's id, fit for a file's name and a header: an id of another kind is hashed."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", task_id):
        return task_id
    return hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def compose(sender: str, recipient: str, subject: str, body: str, *, key: str) -> EmailMessage:
    """Write an email.

    Args:
        sender: an address, or a name and an address: ``Reports <reports@example.com>``.
        recipient: an address; its domain may hold any letters.
        subject: one line.
        body: plain text.
        key: the left side of the Message-ID.

    Raises:
        ConfigurationError: if ``sender`` is no address.
        ValueError: if ``recipient`` is none, or ``subject`` is not one line.
    """
    author = _author(sender)
    to = _ascii_domain(recipient)
    # A local part beyond ASCII needs a server that speaks SMTPUTF8; all else is ASCII on the way.
    email = EmailMessage(policy.SMTP if to.isascii() and author.addr_spec.isascii() else policy.SMTPUTF8)
    email["From"] = author
    email["To"] = _address(to)
    email["Subject"] = subject
    if str(email["Subject"]) != subject:
        raise ValueError(f"{subject!r} is not one line of plain text")
    email["Date"] = format_datetime(datetime.now(UTC))
    email["Message-ID"] = f"<{key}@{author.domain}>"
    email["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    email.set_content(body, cte="quoted-printable")  # for servers that take seven bits and short lines only
    return email


def _author(sender: str) -> Address:
    name, address = parseaddr(sender)
    local, _, domain = address.rpartition("@")
    wrong = ConfigurationError(
        [f"ASYNC_TASKS_EMAIL_FROM: {sender!r} is no address; it should look like reports@example.com"]
    )
    # The parser puts an address together from pieces where it finds none.
    if not (local and domain and address in sender):
        raise wrong
    try:
        # Not checked as a recipient is: `async-tasks@localhost` is a good sender on one machine.
        return Address(name, local, domain.encode("idna").decode("ascii"))
    except (ValueError, IndexError) as exc:
        raise wrong from exc


def _ascii_domain(recipient: str) -> str:
    try:
        checked = validate_email(recipient, check_deliverability=False)
    except EmailNotValidError as exc:
        raise ValueError(f"{recipient!r} is no address: {exc}") from exc
    return f"{checked.local_part}@{checked.ascii_domain}"


def _address(address: str) -> Address:
    local, _, domain = address.rpartition("@")
    return Address("", local, domain)
