"""The page with the catalog, a task's form and the visitor's tasks; for the page of one task see ``task_page.py``.

Everything works without JavaScript: post, redirect, reload. With it, ``static/live.js`` puts what it is told in the
place of what stood there; it is the same HTML from the same templates (see ``updates.py``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flask import Blueprint, Response, current_app, flash, make_response, redirect, render_template, request, session
from flask import url_for as address
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from async_tasks import catalog, queries
from async_tasks.catalog import TaskSpec
from async_tasks.errors import (
    InvalidArguments,
    NotFinished,
    PayloadTooLarge,
    StoreUnavailable,
    Undeliverable,
    UnknownRecord,
)
from async_tasks.ledger.record import Record
from async_tasks.submission import replay, submit
from async_tasks.web import auth, forms, mine, updates
from async_tasks.web.once import key, new_once, sent_once
from async_tasks.web.problems import KINDS, describe
from async_tasks.web.recent import recent
from async_tasks.web.snippets import Snippets, snippets
from async_tasks.web.words import in_one_line

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("pages", __name__)

#: What a form can show beside itself; anything else is a page of its own.
SHOWN_IN_FORM: Final = (PayloadTooLarge, Undeliverable, StoreUnavailable)


class Form(NamedTuple):
    """One task's form as a template shows it."""

    spec: TaskSpec
    fields: Sequence[forms.Field]
    typed: Mapping[str, str] | None  # what was sent; None: nothing yet
    messages: Mapping[str, Sequence[str]]  # what is wrong, by field
    once: str  # told apart by it: a form that is sent twice, and two forms
    origin: str = ""  # the id of the task that is run again
    code_open: bool = False  # whether the code that submits it is unfolded

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
    """The form of one task, filled with what an earlier one was given: ``from`` runs that again, ``like`` does not."""
    spec = catalog.get(name)
    origin = request.args.get("from", "")
    earlier = origin or request.args.get("like", "")
    if not earlier:
        return _page(_empty(spec))
    record = queries.get(_app(), earlier)
    arguments = record.args if record.name == name and isinstance(record.args, dict) else {}
    fields = form_fields(spec)
    form = Form(spec, fields, forms.filled(fields, arguments), {}, new_once(), origin)
    return _page(form._replace(messages=_misfits(form, arguments)) if arguments else form)


@bp.post("/forms/<name:name>")
def submit_form(name: str) -> BaseResponse:
    """Submit a form: back to the page, or the form again with what is wrong at each field."""
    spec = catalog.get(name)
    fields = form_fields(spec)
    form = Form(spec, fields, request.form, {}, sent_once(), request.form.get("_from", ""))
    if (changed := forms.changed(fields, request.form)) is not None:  # a row more or less: nothing is submitted
        return _page(form._replace(typed=changed))
    if "_show" in request.form:
        return _page(form._replace(code_open=True))
    try:
        record = _submitted(form, _typed_arguments(spec))
    except InvalidArguments as exc:
        return _page(form._replace(messages=forms.by_field(fields, exc.problems, request.form)), 422)
    except SHOWN_IN_FORM as exc:
        if isinstance(exc, Undeliverable):  # it has its record, and trying again is another submission
            form = form._replace(once=new_once())
        problem, _ = describe(exc)
        words = f"{problem['title']}. {problem['detail']} What you typed is kept."
        return _page(form._replace(messages={"": [words]}), problem["status"])
    session["task"] = name
    flash(record.id, "submitted")
    return redirect(address(".show_form", name=name, _anchor="mine"), 303)


@bp.post("/snippets/<name:name>")
def show_snippets(name: str) -> str:
    """What is typed into a form, as programs would submit it; as a part of its page."""
    spec = catalog.get(name)
    form = Form(spec, form_fields(spec), request.form, {}, "")
    return render_template("_snippets.html", code=_code(form))


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


def _page(form: Form | None, status: int = 200) -> Response:
    """The page with the catalog, one form and the visitor's tasks."""
    found = mine.look()
    tasks = found.tasks if found else None
    words = request.args.get("find", "")
    page = render_template(
        "index.html",
        specs=[(spec, searched := _searched(spec), _is_found(searched, words)) for spec in catalog.specs()],
        find=words,
        form=form,
        tasks=tasks,
        code=_code(form) if form else None,
        recent=recent(_app(), form.spec, found.tasks, auth.visitor()) if form and found else [],
    )
    response = make_response(page, status if found else max(status, 503))
    mine.mark_seen(response, found)
    return response


def _searched(spec: TaskSpec) -> str:
    """The words under which a task is found: of its title, its name and its help."""
    return " ".join(dict.fromkeys(f"{spec.title} {spec.name} {spec.help}".casefold().split()))


def _is_found(searched: str, words: str) -> bool:
    return all(word in searched for word in words.casefold().split())


def _code(form: Form) -> Snippets:
    """What stands in a form, as a program would submit it; as far as it can be read."""
    typed = forms.filled(form.fields, {}) if form.typed is None else form.typed
    arguments, problems = forms.read(form.fields, typed)
    found = snippets(
        form.spec,
        form.fields,
        arguments,
        server=request.host_url.rstrip("/"),
        token=current_app.config["ADMIN_TOKEN"] is not None,
    )
    if not problems:
        with suppress(InvalidArguments):
            form.spec.validate(arguments)
            return found
    return found._replace(notes=["What is typed does not fit the task yet: it would be refused.", *found.notes])


def _misfits(form: Form, arguments: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """What of earlier arguments does not fit the task as it is declared today, by field."""
    known = {entry.key for entry in form.fields}
    messages: dict[str, Sequence[str]] = {}
    try:
        form.spec.validate({name: value for name, value in arguments.items() if name in known})
    except InvalidArguments as exc:
        messages.update(forms.by_field(form.fields, exc.problems, form.typed or {}))
    gone = [
        f"It takes no “{name}” any more, which was: {in_one_line(arguments[name])}" for name in arguments.keys() - known
    ]
    return {**messages, "": [*messages.get("", ()), *sorted(gone)]} if gone else messages


def _empty(spec: TaskSpec) -> Form:
    return Form(spec, form_fields(spec), None, {}, new_once())


def _submitted(form: Form, arguments: Mapping[str, Any]) -> Record:
    digest = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()[:32]
    given: dict[str, Any] = {
        "submitted_by": auth.visitor(),
        "idempotency_key": key(f"{form.spec.name}:{form.origin}:{digest}"),
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
        context={"csrf": auth.csrf_token() if visitor else "", "once": new_once()},
    )


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
