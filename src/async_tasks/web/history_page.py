"""The History page: every task, newest first, through any filters. Its address is the view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, current_app, flash, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from async_tasks import catalog, queries
from async_tasks.errors import InvalidOption
from async_tasks.ledger.record import Count, Page, State
from async_tasks.web import auth, filters, mine, views
from async_tasks.web.filters import Chosen

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("history", __name__, url_prefix=filters.PATH)

#: Tasks on a page.
LIMIT: Final = 50

#: Pages back that an address remembers; a page of history can be gone on from, but not back from.
TRAIL: Final = 20
#: The first page in a trail.
FIRST: Final = "-"


@dataclass(frozen=True, slots=True)
class Pages:
    """Where the pages before and after this one are; None: there is none."""

    newest: str | None
    newer: str | None
    older: str | None


@bp.get("")
def index() -> str | BaseResponse:
    """The tasks that the address asks for."""
    mine.look()  # first, so that what changes while the page is made is told afterwards
    app = _app()
    if "last" in request.args:  # a form was sent: its fields become the address that stays
        return redirect(filters.chosen(filters.of_form(request.args), app.ledger.now()).address(), 303)
    chosen = filters.chosen(request.args, app.ledger.now())
    cursor = request.args.get("cursor") or None
    page = queries.page(app, limit=LIMIT, cursor=cursor, **chosen.filters)
    return render_template(
        "history.html",
        chosen=chosen,
        given=chosen.given,
        page=page,
        pages=_pages(chosen, page, cursor),
        first=cursor is None,
        counts=_counts(app, chosen),
        names=[spec.name for spec in catalog.specs()],
        queues=app.queue_names,
        presets=filters.PRESETS,
        states=list(State),
        clock=filters.clock,
        views=views.saved(),
        visitor=auth.visitor(),
    )


@bp.post("/views")
def save_view() -> BaseResponse:
    """Give the view a name, or forget one: back to it."""
    given = filters.chosen(request.form, _app().ledger.now())
    response = redirect(given.address(), 303)
    assert isinstance(response, Response)  # noqa: S101 - for the type checker: Flask's own
    if forgotten := request.form.get("forget"):
        views.forget(response, forgotten)
        return response
    try:
        views.keep(response, request.form.get("view", ""), given.given)
    except InvalidOption as exc:
        flash(exc.message[:1].upper() + exc.message[1:] + ".")
    return response


def _counts(app: App, chosen: Chosen) -> dict[State, Count] | None:
    """How many there are in each state; None where that would be a search through all of them."""
    if "q" in chosen.filters:
        return None
    return {state: queries.count(app, **queries.in_state(chosen.filters, state)) for state in State}


def _pages(chosen: Chosen, page: Page, cursor: str | None) -> Pages:
    trail = [part for part in request.args.get("trail", "").split(".") if part]
    newer = trail[-1] if trail else None
    rest = ".".join(trail[:-1])
    onward = ".".join([*trail, cursor or FIRST][-TRAIL:])
    return Pages(
        newest=chosen.address() if cursor else None,
        newer=newer and chosen.address(cursor=None if newer == FIRST else newer, trail=rest),
        older=page.next_cursor and chosen.address(cursor=page.next_cursor, trail=onward),
    )


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
