"""``/api/v1/batches``: how far batches are, their results as files, and the end of what has not finished."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response, current_app, jsonify

from async_tasks import queries
from async_tasks.errors import InvalidOption
from async_tasks.submission import cancel_batch
from async_tasks.web import downloads, inputs

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("batch_records", __name__, url_prefix="/api/v1/batches")

MAX_LIMIT: Final = 200  # batches on one page

#: By the query parameter ``format``.
FORMATS: Final = {"ndjson": "application/x-ndjson", "csv": "text/csv"}

#: Of a file: whether the batch had finished when it began.
FINISHED: Final = "X-Batch-Finished"


@bp.get("")
def list_batches() -> dict[str, Any]:
    """The batches that were begun last, newest first."""
    given = inputs.parameters("limit", "cursor")
    page = queries.batches(_app(), limit=limit(given.get("limit") or "50"), cursor=given.get("cursor") or None)
    return {"batches": [batch.public(page.now) for batch in page.batches], "next_cursor": page.next_cursor}


@bp.get("/<name:batch_id>")
def show_batch(batch_id: str) -> Response:
    """How far a batch is."""
    inputs.parameters()
    found, now = queries.batch(_app(), batch_id)
    return jsonify(found.public(now))


@bp.delete("/<name:batch_id>")
def end_batch(batch_id: str) -> Response:
    """Cancel what has not finished: 200 if nothing of it runs any more, 202 if some is being stopped."""
    inputs.parameters()
    stopping = cancel_batch(_app(), batch_id)
    found, now = queries.batch(_app(), batch_id)
    answer = jsonify(found.public(now))
    answer.status_code = 202 if stopping else 200
    return answer


@bp.get("/<name:batch_id>/results")
def download(batch_id: str) -> Response:
    """Every entry with its arguments and its result or error, in the order of the batch, as a file."""
    app = _app()
    form = inputs.parameters("format").get("format") or "ndjson"
    if form not in FORMATS:
        raise InvalidOption("format", f"{form!r} is no format here; the formats are {', '.join(FORMATS)}")
    found, _ = queries.batch(app, batch_id)

    def read() -> Iterator[list[queries.Row]]:
        return queries.batch_rows(app, batch_id)

    parts = downloads.table(read, final=found.finished) if form == "csv" else downloads.ndjson(read())
    # While the status can still say that the store is away.
    begun = next(parts, b"")
    answer = Response(chain([begun], parts), mimetype=FORMATS[form])
    answer.headers.set("Content-Disposition", "attachment", filename=f"batch-{batch_id}.{form}")
    answer.headers[FINISHED] = "true" if found.finished else "false"
    return answer


def limit(text: str) -> int:
    """A number of batches on a page."""
    wanted = inputs.whole("limit", text)
    if not 1 <= wanted <= MAX_LIMIT:
        raise InvalidOption("limit", f"must be between 1 and {MAX_LIMIT}")
    return wanted


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
