"""The pages: the catalog with a task's form and the visitor's tasks, and one task.

Everything works without JavaScript: post, redirect, reload. With it, ``static/live.js`` puts what it is told in the
place of what stood there; it is the same HTML from the same templates (see ``updates.py``).
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, flash, make_response, redirect, render_template, request, session
from flask import url_for as address
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from async_tasks import catalog, queries
from async_tasks.catalog import TaskSpec
from async_tasks.errors import (
    AlreadyFinished,
    InvalidArguments,
    NotFinished,
    PayloadTooLarge,
    StoreUnavailable,
    Undeliverable,
    UnknownRecord,
)
from async_tasks.ledger.record import Record
from async_tasks.submission import cancel, replay, submit
from async_tasks.web import auth, forms, mine, updates
from async_tasks.web.family import family
from async_tasks.web.problems import KINDS, describe
from async_tasks.web.timeline import draw

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("pages", __name__)

#: What a form can show beside itself; anything else is a page of its own.
SHOWN_IN_FORM: Final = (PayloadTooLarge, Undeliverable, StoreUnavailable)

#: Letters of a form's one-time value that are taken.
ONCE: Final = 32


class Form(NamedTuple):
    """One task's form as a template shows it."""

    spec: TaskSpec
    fields: Sequence[forms.Field]
    typed: Mapping[str, str] | None  # what was sent; None: nothing yet
    messages: Mapping[str, Sequence[str]]  # what is wrong, by field
    once: str  # told apart by it: a form that is sent twice, and two forms
    origin: str = ""  # the id of the task that is run again

    def shown(self) -> list[forms.Shown]:
        """The fields with what stands in them."""
        return forms.shown(self.fields, self.typed, self.messages, self.spec.name)

    def wrong(self) -> list[forms.Shown]:
        """The fields with something wrong in them, those within others too."""

        def within(entries: Sequence[forms.Shown]) -> Iterator[forms.Shown]:
            for entry in entries:
                if entry.messages:
                    yield entry
                yield from within(entry.parts)

        return list(within(self.shown())) if self.messages else []


@lru_cache(maxsize=1000)
def form_fields(spec: TaskSpec) -> list[forms.Field]:
    """The fields of a task's form."""
    return forms.fields(spec.arguments_schema())


@bp.get("/")
def index() -> Response:
    """The form of the task that was submitted last, or of the first."""
    names = [spec.name for spec in catalog.specs()]
    last = session.get("task")
    name = last if last in names else next(iter(names), None)
    return _page(_empty(catalog.get(name)) if name else None)


@bp.get("/forms/<name:name>")
def show_form(name: str) -> Response:
    """The form of one task; with ``from``, filled with what an earlier one was given."""
    spec = catalog.get(name)
    origin = request.args.get("from", "")
    if not origin:
        return _page(_empty(spec))
    record = queries.get(_app(), origin)
    arguments = record.args if record.name == name and isinstance(record.args, dict) else {}
    fields = form_fields(spec)
    return _page(Form(spec, fields, forms.filled(fields, arguments), {}, _new_once(), origin))


@bp.post("/forms/<name:name>")
def submit_form(name: str) -> BaseResponse:
    """Submit a form: back to the page, or the form again with what is wrong at each field."""
    spec = catalog.get(name)
    fields = form_fields(spec)
    form = Form(spec, fields, request.form, {}, _sent_once(), request.form.get("_from", ""))
    if (changed := forms.changed(fields, request.form)) is not None:  # a row more or less: nothing is submitted
        return _page(form._replace(typed=changed))
    try:
        record = _submitted(form, _typed_arguments(spec))
    except InvalidArguments as exc:
        return _page(form._replace(messages=forms.by_field(fields, exc.problems, request.form)), 422)
    except SHOWN_IN_FORM as exc:
        if isinstance(exc, Undeliverable):  # it has its record, and trying again is another submission
            form = form._replace(once=_new_once())
        problem, _ = describe(exc)
        words = f"{problem['title']}. {problem['detail']} What you typed is kept."
        return _page(form._replace(messages={"": [words]}), problem["status"])
    session["task"] = name
    flash(record.id, "submitted")
    return redirect(address(".show_form", name=name, _anchor="mine"), 303)


@bp.get("/tasks/<name:task_id>")
def show(task_id: str) -> str:
    """One task: its state, arguments, timeline, and result or error."""
    mine.look()  # first, so that what changes while the page is made is told afterwards
    app = _app()
    record = queries.get(app, task_id)
    return render_template(
        "task.html",
        **updates.task_context(record, auth.visitor()),
        **details(app, record),
        kin=family(app, record),
        batch_pages=any(rule.rule.startswith("/batches/<") for rule in current_app.url_map.iter_rules()),
        once=_new_once(),
    )


@bp.post("/tasks/<name:task_id>/cancel")
def cancel_form(task_id: str) -> BaseResponse:
    """Cancel a task: back to its page."""
    try:
        record = cancel(_app(), task_id)
    except AlreadyFinished as exc:
        flash(str(exc))
    else:
        if record.finished:
            flash("Cancelled: it will not start.")
    return redirect(address(".show", task_id=task_id), 303)


@bp.post("/tasks/<name:task_id>/replay")
def replay_form(task_id: str) -> BaseResponse:
    """Run a finished task again with the same arguments: to the page of the new one."""
    try:
        record = replay(_app(), task_id, submitted_by=auth.visitor(), idempotency_key=_key(f"again:{task_id}"))
    except NotFinished as exc:
        flash(str(exc))
        return redirect(address(".show", task_id=task_id), 303)
    except InvalidArguments as exc:
        flash("The task has changed: these arguments do not fit it any more. Correct them, and submit it.")
        return redirect(f"{address('.show_form', name=exc.name)}?{urlencode({'from': task_id})}", 303)
    flash(record.id, "submitted")
    return redirect(address(".show", task_id=record.id), 303)


@bp.get("/live")
def live() -> Response:
    """Whatever a page shows, as it changes: server-sent events."""
    return updates.stream(_view())


@bp.get("/live/now")
def live_now() -> dict[str, Any]:
    """The same at one go, for a page that the stream does not reach."""
    return updates.now(_view())


@bp.get("/problems/<slug>")
def problem(slug: str) -> str:
    """What a problem's type means."""
    if slug not in KINDS:
        raise NotFound
    return render_template("problem.html", slug=slug, kind=KINDS[slug])


def details(app: App, record: Record) -> dict[str, Any]:
    """What the page of a task shows beyond its record."""
    return {"drawing": draw(record, round(time.time() * 1000)), "log": queries.log(app, record.id)}


def _page(form: Form | None, status: int = 200) -> Response:
    """The page with the catalog, one form and the visitor's tasks."""
    found = mine.look()
    tasks = found.tasks if found else None
    page = render_template("index.html", specs=catalog.specs(), form=form, tasks=tasks)
    response = make_response(page, status if found else max(status, 503))
    mine.mark_seen(response, found)
    return response


def _empty(spec: TaskSpec) -> Form:
    return Form(spec, form_fields(spec), None, {}, _new_once())


def _submitted(form: Form, arguments: Mapping[str, Any]) -> Record:
    digest = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()[:32]
    given: dict[str, Any] = {
        "submitted_by": auth.visitor(),
        "idempotency_key": _key(f"{form.spec.name}:{form.origin}:{digest}"),
    }
    if form.origin:
        with suppress(NotFinished, UnknownRecord):  # then it is just another task
            if queries.get(_app(), form.origin).name == form.spec.name:
                return replay(_app(), form.origin, arguments, **given)
    return submit(_app(), form.spec.name, arguments, **given)


def _typed_arguments(spec: TaskSpec) -> dict[str, Any]:
    """What was typed into a task's form; raises InvalidArguments for what could not even be read."""
    arguments, problems = forms.read(form_fields(spec), request.form)
    if problems:
        unread = {problem["field"] for problem in problems}
        try:
            spec.validate(arguments)
        except InvalidArguments as exc:
            # Everything at once: those fields are missing only because they were not read.
            problems += [problem for problem in exc.problems if problem["field"] not in unread]
        raise InvalidArguments(spec.name, problems)
    return arguments


def _new_once() -> str:
    return secrets.token_urlsafe(9)


def _sent_once() -> str:
    return request.form.get("_once", "")[:ONCE] or _new_once()


def _key(what: str) -> str | None:
    """The idempotency key of a form: a double click, or a reload of what was posted, submits once."""
    visitor = auth.visitor()
    return f"form:{visitor}:{_sent_once()}:{what}" if visitor else None


def _view() -> updates.View:
    visitor = auth.visitor()
    return updates.View(
        visitor=visitor,
        task_id=request.args.get("task") or None,
        everything="all" in request.args,
        listed="list" in request.args,
        after=request.headers.get("Last-Event-ID") or request.args.get("after") or None,
        seen=mine.seen_at(),
        # A session that began here could take the place of one that a page has just begun.
        context={"csrf": auth.csrf_token() if visitor else "", "once": _new_once()},
    )


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
