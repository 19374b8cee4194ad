"""Bulk actions: what is done to all tasks that match. The pages look first and ask; the API does as it is told."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from flask import Blueprint, Response, current_app, flash, jsonify, redirect, render_template, request
from flask import url_for as address
from werkzeug.wrappers import Response as BaseResponse

from async_tasks import queries
from async_tasks.errors import InvalidOption
from async_tasks.ledger.actions import Action, Kind, shown
from async_tasks.ledger.filters import Filter
from async_tasks.submission import bulk
from async_tasks.web import auth, filters, inputs, mine

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("actions", __name__, url_prefix=f"{filters.PATH}/actions")
api = Blueprint("actions_api", __name__, url_prefix="/api/v1/actions")

#: Seconds after which it is worth asking again.
POLL: Final = "1"

#: Members of the body of the API.
MEMBERS: Final = ("action", "filter", "ids", "rate")

#: Bytes of a body: a thousand ids, and more.
MAX_BODY: Final = 256 * 1024


# -- pages -------------------------------------------------------------------------------------------------------------


@bp.get("")
def index() -> str:
    """The newest actions."""
    mine.look()
    return render_template("actions.html", actions=queries.actions(_app()), filters=_chosen_by)


@bp.post("")
def ask() -> str | BaseResponse:
    """What would be done, and, once that is confirmed, have it done."""
    app = _app()
    kind = _kind(request.form.get("action"))
    chosen = filters.chosen(request.form, app.ledger.now())
    ids = request.form.getlist("id")
    bulk.check(kind, ids, bulk.RATE)
    if request.form.get("scope") == "selected" and not ids:
        flash("Nothing is selected: tick the tasks that are meant, or act on all that match.")
        return redirect(chosen.address(), 303)
    if request.form.get("confirmed"):
        rate = inputs.seconds("rate", request.form.get("rate", "") or f"{bulk.RATE:g}")
        once = request.form.get("_once", "")[:32] or secrets.token_urlsafe(9)
        key = f"form:{auth.visitor()}:{once}:action"
        action = _begun(kind, chosen, ids, rate, auth.visitor(), key)
        return redirect(address(".show", action_id=action.id), 303)
    return render_template(
        "action_preview.html",
        kind=kind,
        chosen=chosen,
        ids=ids,
        preview=queries.preview(app, kind, chosen.filters, ids),
        rate=bulk.RATE,
        slowest=bulk.SLOWEST,
        fastest=bulk.FASTEST,
        once=secrets.token_urlsafe(9),
    )


@bp.get("/<action_id>")
def show(action_id: str) -> str:
    """How far an action is."""
    mine.look()
    action = queries.action(_app(), action_id)
    return render_template(
        "action.html",
        action=action,
        chosen=_chosen_by(action),
        told=queries.not_done(_app(), action_id),
        visitor=auth.visitor(),
    )


@bp.post("/<action_id>/stop")
def stop_form(action_id: str) -> BaseResponse:
    """Stop an action: back to its page."""
    bulk.stop(_app(), action_id, requested_by=auth.visitor())
    return redirect(address(".show", action_id=action_id), 303)


def _chosen_by(action: Action) -> filters.Chosen:
    """The view that an action is about: moments, and no preset, as the time goes on."""
    return filters.chosen({name: str(value) for name, value in shown(action.filter).items()}, 0)


# -- the API -----------------------------------------------------------------------------------------------------------


@api.post("")
def create_action() -> Response:
    """Begin an action: 202; or with ``preview=true`` say what it would meet: 200, and nothing is done."""
    app = _app()
    preview = inputs.parameters("preview").get("preview", "")
    if preview not in ("", "true", "false"):
        raise InvalidOption("preview", "must be true or false")
    key = inputs.idempotency_key()
    given = inputs.arguments(MAX_BODY)
    for member in given:
        if member not in MEMBERS:
            raise InvalidOption(member[:100], f"is no member of an action; the members are {', '.join(MEMBERS)}")
    kind = _kind(given.get("action"))
    ids = _ids(given)
    chosen = filters.of_body(given.get("filter", {} if ids else None), app.ledger.now())
    rate = given.get("rate", bulk.RATE)
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise InvalidOption("rate", "must be a number: how many in a second")
    bulk.check(kind, ids, rate)
    rate = float(rate)
    if preview == "true":
        seen = queries.preview(app, kind, chosen.filters, ids)
        return jsonify(
            {
                "action": kind,
                "filter": shown(Filter(**chosen.filters)),
                "rate": rate,
                "matched": seen.matched.number,
                "eligible": seen.eligible.number,
                "exact": seen.matched.exact and seen.eligible.exact,
            }
        )
    whole = json.dumps([kind, dict(chosen.given), ids, rate], sort_keys=True)
    named = key and f"{key}:{hashlib.sha256(whole.encode()).hexdigest()}"
    answer = jsonify(_begun(kind, chosen, ids, rate, None, named).public())
    answer.status_code = 202
    answer.headers["Location"] = answer.json["links"]["self"]  # type: ignore[index] # it is an object
    answer.headers["Retry-After"] = POLL
    return answer


@api.get("")
def list_actions() -> dict[str, Any]:
    """The newest actions."""
    inputs.parameters()
    return {"actions": [action.public() for action in queries.actions(_app())]}


@api.get("/<action_id>")
def get_action(action_id: str) -> Response:
    """How far an action is, and why what could not be done was not."""
    inputs.parameters()
    return jsonify(_told(queries.action(_app(), action_id)))


@api.delete("/<action_id>")
def stop_action(action_id: str) -> Response:
    """Stop an action; what it has done stays done."""
    inputs.parameters()
    return jsonify(_told(bulk.stop(_app(), action_id)))


def _told(action: Action) -> dict[str, Any]:
    return {**action.public(), "problems": queries.not_done(_app(), action.id)}


def _begun(
    kind: Kind, chosen: filters.Chosen, ids: list[str], rate: float, requested_by: str | None, key: str | None
) -> Action:
    # Counted now: what somebody was shown a while ago may be otherwise by the time they say yes.
    seen = queries.preview(_app(), kind, chosen.filters, ids)
    return bulk.start(
        _app(),
        kind,
        Filter(**chosen.filters),
        ids=ids,
        rate=rate,
        matched=seen.matched.number,
        eligible=seen.eligible.number,
        requested_by=requested_by,
        key=key,
    )


def _kind(given: Any) -> Kind:
    if given not in get_args(Kind):
        raise InvalidOption("action", f"must be one of {', '.join(get_args(Kind))}")
    return cast("Kind", given)


def _ids(given: Mapping[str, Any]) -> list[str]:
    ids = given.get("ids", [])
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise InvalidOption("ids", "must be a list of strings: ids of tasks")
    if "ids" in given and (not ids or "filter" in given):
        raise InvalidOption("ids", "name at least one, and no filter beside them")
    return ids


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
