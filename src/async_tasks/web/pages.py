"""The pages: every task's form, what was submitted in this session, one task.

Everything works without JavaScript: post, redirect, reload. With it, ``static/app.js`` puts what the live
streams send in the place of what stood there; it is the same HTML from the same templates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flask import Blueprint, Response, current_app, flash, redirect, render_template, request, session, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from async_tasks import catalog, queries
from async_tasks.catalog import TaskSpec
from async_tasks.errors import (
    AlreadyFinished,
    InvalidArguments,
    PayloadTooLarge,
    StoreUnavailable,
    Undeliverable,
)
from async_tasks.ledger.record import Record
from async_tasks.submission import cancel, submit
from async_tasks.web import forms, streams
from async_tasks.web.problems import KINDS, describe

if TYPE_CHECKING:
    from async_tasks.engine import App

bp = Blueprint("pages", __name__)

#: Ids that a session remembers: a cookie holds four kilobytes.
REMEMBERED: Final = 40

#: What a form can show beside itself; anything else is a page of its own.
SHOWN_IN_FORM: Final = (PayloadTooLarge, Undeliverable, StoreUnavailable)


class Form(NamedTuple):
    """One task's form as a template shows it."""

    spec: TaskSpec
    fields: Sequence[forms.Field]
    typed: Mapping[str, str] | None  # what was sent; None: nothing yet
    messages: Mapping[str, Sequence[str]]  # what is wrong, by field

    def value(self, field: forms.Field) -> str:
        """What stands in a field."""
        if self.typed is None:
            return field.initial
        return "" if field.kind == "password" else self.typed.get(field.name, "")


@lru_cache(maxsize=1000)
def form_fields(spec: TaskSpec) -> list[forms.Field]:
    """The fields of a task's form."""
    return forms.fields(spec.arguments_schema())


@bp.get("/")
def index() -> tuple[str, int]:
    """Every task's form, and what was submitted in this session."""
    return _index()


@bp.post("/forms/<name:name>")
def submit_form(name: str) -> BaseResponse | tuple[str, int]:
    """Submit a form: back to the page, or the form again with what is wrong at each field."""
    spec = catalog.get(name)
    fields = form_fields(spec)
    try:
        record = submit(_app(), name, _typed_arguments(spec))
    except InvalidArguments as exc:
        return _index(Form(spec, fields, request.form, forms.by_field(fields, exc.problems)), 422)
    except SHOWN_IN_FORM as exc:
        if isinstance(exc, Undeliverable):
            _remember(exc.task_id)
        problem, _ = describe(exc)
        words = f"{problem['title']}. {problem['detail']} What you typed is kept."
        return _index(Form(spec, fields, request.form, {"": [words]}), problem["status"])
    _remember(record.id)
    flash(record.id, "submitted")
    return redirect(url_for("pages.index", _anchor="mine"), 303)


@bp.get("/tasks/<name:task_id>")
def show(task_id: str) -> str:
    """One task: its state, arguments, timeline, and result or error."""
    return render_template("task.html", task=queries.get(_app(), task_id))


@bp.post("/tasks/<name:task_id>/cancel")
def cancel_form(task_id: str) -> BaseResponse:
    """Cancel a task: back to its page."""
    try:
        record = cancel(_app(), task_id)
    except AlreadyFinished as exc:
        flash(str(exc))
    else:
        flash("Cancelled: it will not start." if record.finished else "It is being stopped.")
    return redirect(url_for("pages.show", task_id=task_id), 303)


@bp.get("/live/mine")
def live_mine() -> Response:
    """The list of this session's tasks, as it changes."""
    return streams.of_page(_mine(), _renderer("_entry.html"))


@bp.get("/live/tasks/<name:task_id>")
def live_task(task_id: str) -> Response:
    """The body of one task's page, as it changes."""
    return streams.of_page([task_id], _renderer("_task.html"))


@bp.get("/problems/<slug>")
def problem(slug: str) -> str:
    """What a problem's type means."""
    if slug not in KINDS:
        raise NotFound
    return render_template("problem.html", slug=slug, kind=KINDS[slug])


def _index(sent: Form | None = None, status: int = 200) -> tuple[str, int]:
    """The page with every form, one of them as it was sent."""
    shown = [
        sent if sent and sent.spec.name == spec.name else Form(spec, form_fields(spec), None, {})
        for spec in catalog.specs()
    ]
    tasks: list[Record] | None = None
    try:
        found = queries.get_many(_app(), _mine())
        tasks = [found[task_id] for task_id in _mine() if task_id in found]
    except StoreUnavailable as exc:
        describe(exc)  # logs it
        status = max(status, 503)
    return render_template("index.html", forms=shown, tasks=tasks), status


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


def _renderer(template: str) -> streams.Render:
    # Rendered while the stream runs, when there is no request any more: these templates need none.
    fragment = current_app.jinja_env.get_template(template)
    return lambda record: fragment.render(task=record)


def _mine() -> list[str]:
    return list(session.get("mine", ()))


def _remember(task_id: str) -> None:
    session.permanent = True
    session["mine"] = [task_id, *_mine()][:REMEMBERED]


def _app() -> App:
    app: App = current_app.extensions["async_tasks"]
    return app
