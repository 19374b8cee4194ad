"""Forms that are sent once: each carries a value of its own, which goes into the idempotency key of what it submits."""

from __future__ import annotations

import secrets
from typing import Final

from flask import request

from async_tasks.web import auth

#: Letters of such a value that are taken.
LETTERS: Final = 32


def new_once() -> str:
    """A value for a form that is about to be shown."""
    return secrets.token_urlsafe(9)


def sent_once() -> str:
    """The value of the form that was sent."""
    return request.form.get("_once", "")[:LETTERS] or new_once()


def key(what: str) -> str | None:
    """The idempotency key of a form: a double click, or a reload of what was posted, submits once."""
    visitor = auth.visitor()
    return f"form:{visitor}:{sent_once()}:{what}" if visitor else None
