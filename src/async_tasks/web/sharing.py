"""Links that show one task, to whoever has them, until they expire; and nothing else of the system.

A link is a signed id and a moment: nothing is stored, and none can be made up. All of them end when
ASYNC_TASKS_SECRET_KEY is another.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from flask import Blueprint, Response, current_app, flash, make_response, redirect, render_template, request
from flask import url_for as address
from itsdangerous import BadData, URLSafeSerializer
from werkzeug.wrappers import Response as BaseResponse

from async_tasks import queries
from async_tasks.errors import UnknownRecord
from async_tasks.web.task_page import details

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("sharing", __name__)


class Life(NamedTuple):
    """How long a link is good for."""

    seconds: int
    words: str


LIVES: Final = {"1h": Life(3600, "1 hour"), "1d": Life(86_400, "1 day"), "7d": Life(7 * 86_400, "7 days")}

#: Nobody else is to hear of the address, to find it, or to keep what it shows.
HEADERS: Final = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow", "Cache-Control": "no-store"}


@bp.post("/tasks/<name:task_id>/share")
def share(task_id: str) -> BaseResponse:
    """Make a link that shows this task: back to its page, which says it."""
    queries.get(_app(), task_id)
    life = LIVES.get(request.form.get("life", ""), LIVES["1d"])
    token = _signing().dumps([task_id, int(time.time()) + life.seconds])
    flash(f"{request.host_url.rstrip('/')}{address('.show', token=token)}", f"shared for {life.words}")
    return redirect(address("task_page.show", task_id=task_id), 303)


@bp.get("/shared/<token>")
def show(token: str) -> Response:
    """The task that a link is for, to look at."""
    try:
        task_id, until = _signing().loads(token)
    except BadData:
        return _nothing("There is no such link", "It is not complete, or it was not made here. Ask for it again.", 404)
    if until <= time.time():
        return _nothing("The link has expired", "Ask whoever shared it for another one.", 410)
    try:
        record = queries.get(_app(), task_id)
    except UnknownRecord:
        return _nothing("The task is no longer kept", "Its time is over, and so is that of its result.", 404)
    return make_response(
        render_template("shared.html", task=record, shared=True, until=until, **details(_app(), record))
    )


@bp.after_request
def keep_to_yourself(response: Response) -> Response:
    """Say what browsers and search engines are not to do with it, errors too."""
    response.headers.update(HEADERS)
    return response


def _nothing(title: str, words: str, status: int) -> Response:
    return make_response(render_template("shared_nothing.html", title=title, words=words), status)


def _signing() -> URLSafeSerializer:
    return URLSafeSerializer(
        str(current_app.secret_key), salt="async-tasks.shared", signer_kwargs={"digest_method": hashlib.sha256}
    )


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
