"""``/openapi.json``, and ``/docs``: the same document for people.

The page is made here and not by a viewer in the browser: of those that are widely used, none works under our
content policy and is free of serious accessibility problems (docs/api.md has what was measured).
"""

from __future__ import annotations

import json
from functools import lru_cache

from flask import Blueprint, Response, current_app, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from async_tasks import catalog
from async_tasks.catalog import TaskSpec
from async_tasks.web import inputs, openapi, reference
from async_tasks.web.api import tagged

bp = Blueprint("docs", __name__)


@bp.get("/openapi.json")
def show_document() -> BaseResponse:
    """The OpenAPI document."""
    inputs.parameters()
    return tagged(Response(_text(*_wanted()), mimetype="application/json"))


@bp.get("/docs")
def show_reference() -> str:
    """The API reference."""
    return render_template("docs.html", **_pages(*_wanted()), root=request.host_url.rstrip("/"))


def _wanted() -> tuple[tuple[TaskSpec, ...], bool]:
    return tuple(catalog.specs()), current_app.config["ADMIN_TOKEN"] is not None


@lru_cache(maxsize=4)
def _text(specs: tuple[TaskSpec, ...], guarded: bool) -> bytes:
    return json.dumps(openapi.document(specs, guarded=guarded), ensure_ascii=False, separators=(",", ":")).encode()


@lru_cache(maxsize=4)
def _pages(specs: tuple[TaskSpec, ...], guarded: bool) -> dict[str, object]:
    document = openapi.document(specs, guarded=guarded)
    return {
        "info": document["info"],
        "groups": reference.groups(document),
        "parameters": reference.parameters(document),
        "schemas": reference.shared(document),
    }
