"""Limits of tasks that hold over all workers, and how an operator changes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, current_app, flash, redirect, render_template, request
from flask import url_for as address
from werkzeug.wrappers import Response

from async_tasks import operations
from async_tasks.errors import InvalidOption
from async_tasks.ledger import Limited
from async_tasks.ledger.record import rfc3339
from async_tasks.web import auth, inputs
from async_tasks.web.problems import Refused

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("limits", __name__)

MEMBERS: Final = ("rate_limit", "concurrency")


@bp.get("/limits")
def index() -> str:
    """Every task with its limits."""
    return render_template("limits.html", limits=operations.limits(_app()))


@bp.get("/limits/<name>")
def show(name: str) -> str:
    """The form in which the limits of one task are changed."""
    limit = operations.limit(_app(), name)
    return _form(limit, {member: limit.holds.get(member) or "" for member in MEMBERS})


@bp.post("/limits/<name>")
def change(name: str) -> Response | tuple[str, int]:
    """Change the limits of one task, or let those hold again that it declares."""
    if "declared" in request.form:
        operations.unset_limit(_app(), name)
        flash(f"{name} is limited as it declares.")
        return redirect(address(".index"), 303)
    typed = {member: request.form.get(member, "").strip() for member in MEMBERS}
    try:
        operations.set_limit(_app(), name, **_read(typed), by=auth.visitor())
    except InvalidOption as exc:
        return _form(operations.limit(_app(), name), typed, {exc.option: exc.message}), 422
    flash(f"The limits of {name} are changed.")
    return redirect(address(".index"), 303)


@bp.get("/api/v1/limits")
def list_limits() -> dict[str, Any]:
    """The limits of every task, for programs."""
    inputs.parameters()
    return {"limits": [public(limit) for limit in operations.limits(_app())]}


@bp.put("/api/v1/limits/<name>")
def put_limit(name: str) -> dict[str, Any]:
    """Limit a task in place of what it declares, for programs."""
    inputs.parameters()
    given = inputs.arguments_if_any(_app().settings.max_payload_bytes)
    if given is None:  # which is not to take every limit away
        raise Refused("invalid-json", "The body must be a JSON object: rate_limit and concurrency, or {} for no limit.")
    for member in given:
        if member not in MEMBERS:
            raise InvalidOption(member, f"is no member; there are: {', '.join(MEMBERS)}")
    rate, concurrency = given.get("rate_limit"), given.get("concurrency")
    if rate is not None and not isinstance(rate, str):
        raise InvalidOption("rate_limit", "must be text such as '10/m', or null")
    if concurrency is not None and (not isinstance(concurrency, int) or isinstance(concurrency, bool)):
        raise InvalidOption("concurrency", "must be a whole number, or null")
    return public(operations.set_limit(_app(), name, rate_limit=rate, concurrency=concurrency))


@bp.delete("/api/v1/limits/<name>")
def delete_limit(name: str) -> dict[str, Any]:
    """Limit a task as it declares, for programs."""
    inputs.parameters()
    return public(operations.unset_limit(_app(), name))


def public(limit: Limited) -> dict[str, Any]:
    """As the API shows it."""
    chosen = None if limit.set is None else {"at": rfc3339(limit.set["at"]), "by": limit.set.get("by")}

    def members(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
        return None if values is None else {member: values.get(member) for member in MEMBERS}

    return {
        "name": limit.name,
        **{member: limit.holds.get(member) for member in MEMBERS},
        "declared": members(limit.declared),
        "set": None if chosen is None else {**(members(limit.set) or {}), **chosen},
        "running": limit.running,
        "waiting": limit.waiting,
    }


def _form(limit: Limited, typed: Mapping[str, Any], wrong: Mapping[str, str] | None = None) -> str:
    return render_template("limit.html", limit=limit, typed=typed, wrong=wrong or {})


def _read(typed: Mapping[str, str]) -> dict[str, Any]:
    concurrency = typed["concurrency"]
    return {
        "rate_limit": typed["rate_limit"] or None,
        "concurrency": inputs.whole("concurrency", concurrency) if concurrency else None,
    }


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
