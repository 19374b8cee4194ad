"""The pages of the outbox: what ``send_email`` has filed where no SMTP server is set, as plain text."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app, render_template, send_file
from werkzeug.exceptions import NotFound

from async_tasks import outbox, queries
from async_tasks.errors import StoreUnavailable, UnknownRecord

if TYPE_CHECKING:
    from async_tasks.engine import App
    from async_tasks.ledger.record import Record

bp = Blueprint("outbox", __name__, url_prefix="/outbox")

logger = logging.getLogger(__name__)


@bp.get("")
def index() -> str | tuple[str, int]:
    """The newest emails, or why there are none."""
    settings = _app().settings
    if settings.smtp_url is not None:
        return render_template("outbox.html", sends=True)
    folder = settings.outbox.absolute()
    try:
        entries, count = outbox.entries(folder)
    except OSError as exc:
        logger.warning("The outbox cannot be read: %s", exc)
        return render_template("outbox.html", folder=folder, problem_reading=exc.strerror or str(exc)), 503
    return render_template("outbox.html", folder=folder, entries=entries, count=count)


@bp.get("/<key>")
def show(key: str) -> str:
    """One email: its headers and its plain text."""
    try:
        email = outbox.read(_app().settings.outbox, key)
    except OSError as exc:
        logger.warning("An email of the outbox cannot be read: %s", exc)
        email = None
    if email is None:
        raise NotFound
    return render_template("outbox_message.html", email=email, task=_task(key))


@bp.get("/<key>/download")
def download(key: str) -> Response:
    """One email as the file that it is."""
    stream = outbox.opened(_app().settings.outbox, key)
    if stream is None:
        raise NotFound
    # A file's name that is safe: it has passed for a key.
    response = send_file(stream, "message/rfc822", as_attachment=True, download_name=f"{key}.eml")
    response.content_length = os.fstat(stream.fileno()).st_size
    return response


def _task(key: str) -> Record | None:
    """The task that filed it, if its record is still there; most keys are ids."""
    with suppress(UnknownRecord, StoreUnavailable):
        return queries.get(_app(), key)
    return None


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
