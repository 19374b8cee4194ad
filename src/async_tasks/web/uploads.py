"""One task over every row of a file: upload it, look at what would be submitted, and submit it as a batch.

Between the look and the submission the rows are in the ledger's store, compressed, for half an hour: any web process
may be asked next, and a cookie holds no megabytes. They are found by the session, whose cookie is signed, so that a
visitor reaches only their own; each has one at a time, so that what is kept is bounded.
"""

from __future__ import annotations

import json
import secrets
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response, current_app, flash, redirect, render_template, request, session
from flask import url_for as address
from werkzeug.wrappers import Response as BaseResponse

from async_tasks import catalog, queries
from async_tasks.catalog import TaskSpec
from async_tasks.errors import InvalidBatch, UnknownBatch
from async_tasks.submission import Entry, batch_id_of, submit_batch
from async_tasks.web import auth, files
from async_tasks.web.batches import FACTOR
from async_tasks.web.downloads import guarded
from async_tasks.web.pages import form_fields
from async_tasks.web.problems import Refused
from async_tasks.web.words import in_one_line

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("uploads", __name__, url_prefix="/forms")

#: Seconds from the look to the submission.
KEPT: Final = 30 * 60
#: Rows of one piece: between two others get their turn.
PIECE: Final = 500
#: What a form sends around its file, and what of a form may be held in memory.
AROUND: Final = 64 * 1024
FORM: Final = 1 << 20
#: A browser that is still sending sees no answer: so much of what is too large is read and thrown away.
DRAINED: Final = 4
CHUNK: Final = 256 * 1024

#: Letters of a file's name that are kept.
NAME: Final = 200


@bp.url_value_preprocessor
def let_in(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Take a larger body than forms have, before anything reads it; refuse one that is larger still in words."""
    if request.method != "POST" or request.endpoint != "uploads.upload":
        return
    limit = _limit()
    request.max_content_length = limit + AROUND
    # Werkzeug holds a piece of the file against it, too.
    request.max_form_memory_size = FORM
    if (request.content_length or 0) > limit + AROUND:
        left = limit * DRAINED
        while left > 0 and (chunk := request.environ["wsgi.input"].read(min(CHUNK, left))):
            left -= len(chunk)
        raise Refused("payload-too-large", f"The file is larger than the {limit:,} bytes that are taken. Split it.")


@bp.get("/<name:name>/file")
def show(name: str) -> Response:
    """The form for a file."""
    return _page(catalog.get(name))


@bp.get("/<name:name>/template.csv")
def template(name: str) -> Response:
    """A file with nothing but the names of the columns."""
    columns = [guarded(each.name) for each in files.described(form_fields(catalog.get(name)))]
    quoted = [f'"{each.replace(chr(34), chr(34) * 2)}"' if set(each) & set(',;"\n') else each for each in columns]
    response = Response(f"\ufeff{','.join(quoted)}\r\n", mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=f"{name}.csv")
    return response


@bp.post("/<name:name>/file")
def upload(name: str) -> BaseResponse:
    """Read a file: on to the look at it, or the form again with everything that is wrong."""
    spec = catalog.get(name)
    visitor = _visitor()
    given = request.files.get("file")
    filename = (given.filename or "")[:NAME] if given else ""
    if given is None or not filename:
        return _page(spec, refused="Choose a file first.")
    try:
        contents = files.read(_app(), spec, form_fields(spec), given.read(), filename)
    except files.Unreadable as exc:
        return _page(spec, refused=str(exc), filename=filename)
    if contents.wrong:
        return _page(spec, contents=contents, filename=filename)
    token = secrets.token_urlsafe(12)
    head = {
        "token": token,
        "name": name,
        "file": filename,
        "count": contents.count,
        "strict": contents.strict,
        **_shown(spec, contents.first),
    }
    _app().ledger.uploads.keep(visitor, list(_pieces(head, contents.arguments)), KEPT)
    return redirect(address(".look", name=name, token=token), 303)


@bp.get("/<name:name>/file/<token>")
def look(name: str, token: str) -> BaseResponse | str:
    """What would be submitted."""
    spec = catalog.get(name)
    head = _kept(auth.visitor(), name, token)
    if head is None:
        return _submitted_before(name, token) or _gone(name)
    return render_template("look.html", spec=spec, upload=head)


@bp.post("/<name:name>/file/<token>")
def confirm(name: str, token: str) -> BaseResponse:
    """Submit it, once, however often it is confirmed: to the page of the batch."""
    visitor = _visitor()
    catalog.get(name)
    head = _kept(visitor, name, token)
    if head is None:
        return _submitted_before(name, token) or _gone(name)
    entries = [Entry(name, arguments) for arguments in _arguments(_app().ledger.uploads.rest(visitor))]
    if len(entries) != head["count"]:  # it went between the two questions
        return _submitted_before(name, token) or _gone(name)
    try:
        batch = submit_batch(
            _app(),
            entries,
            submitted_by=visitor,
            idempotency_key=_key(visitor, token),
            strict=head["strict"],
            file=head["file"],
        )
    except InvalidBatch:
        flash("The task has changed since: the rows do not fit it any more. Upload the file again to see why.")
        return redirect(address(".show", name=name), 303)
    _app().ledger.uploads.drop(visitor)
    session["task"] = name
    return redirect(address("batch_pages.show", batch_id=batch.batch_id), 303)


def _page(spec: TaskSpec, *, refused: str = "", contents: files.Contents | None = None, filename: str = "") -> Response:
    page = render_template(
        "upload.html",
        spec=spec,
        columns=files.described(form_fields(spec)),
        limit=_limit(),
        refused=refused,
        contents=contents,
        filename=filename,
    )
    return Response(page, 422 if refused or contents else 200)


def _shown(spec: TaskSpec, first: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The first rows as the look shows them: the names of the columns, and short cells."""
    secret = {field.key for field in form_fields(spec) if field.secret}
    columns = list(dict.fromkeys(key for row in first for key in row))
    rows = [
        ["hidden" if key in secret else in_one_line(row[key]) if key in row else "" for key in columns] for row in first
    ]
    return {"columns": columns, "rows": rows}


def _pieces(head: Mapping[str, Any], arguments: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    yield json.dumps(head).encode()
    for start in range(0, len(arguments), PIECE):
        time.sleep(0)
        yield zlib.compress(json.dumps(arguments[start : start + PIECE]).encode(), 1)


def _arguments(pieces: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    for piece in pieces:
        time.sleep(0)
        yield from json.loads(zlib.decompress(piece))


def _kept(visitor: str | None, name: str, token: str) -> dict[str, Any] | None:
    """What the visitor has uploaded, if it is that; None if it expired, was submitted, or another one followed it."""
    raw = _app().ledger.uploads.first(visitor) if visitor else None
    head: dict[str, Any] | None = json.loads(raw) if raw else None
    return head if head and head["token"] == token and head["name"] == name else None


def _submitted_before(name: str, token: str) -> BaseResponse | None:
    """To the page of the batch, if the upload was confirmed already."""
    visitor = auth.visitor()
    with suppress(UnknownBatch):
        batch, _ = queries.batch(_app(), batch_id_of(_key(visitor or "", token)))
        if name in batch.names:
            return redirect(address("batch_pages.show", batch_id=batch.id), 303)
    return None


def _gone(name: str) -> BaseResponse:
    flash("That upload is kept no longer: half an hour has passed, or another one followed it. Upload the file again.")
    return redirect(address(".show", name=name), 303)


def _key(visitor: str, token: str) -> str:
    return f"file:{visitor}:{token}"


def _visitor() -> str:
    visitor = auth.visitor()
    if visitor is None:  # a program with a bearer token: it has batches
        raise Refused("stale-form")
    return visitor


def _limit() -> int:
    return _app().settings.max_payload_bytes * FACTOR


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
