"""The Flask application: where settings, engine and blueprints meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import Flask

from async_tasks import engine as engines
from async_tasks.settings import Settings, get_settings
from async_tasks.web import (
    actions,
    api,
    assets,
    auth,
    batch_pages,
    batch_records,
    batches,
    docs,
    failures,
    health,
    history_page,
    limits,
    outbox,
    overview,
    pages,
    problems,
    queues,
    schedules,
    security,
    sharing,
    site,
    stats,
    task_page,
    uploads,
    words,
    workers,
)
from async_tasks.web.live import Hub
from async_tasks.web.routing import AnyText, KeepEncodedSlashes

if TYPE_CHECKING:
    from async_tasks.engine import App

#: Text of a form is up to three bytes a byte on the wire; what is too large as JSON is said by the submission.
FORM_FACTOR = 4


#: What is served: each has a blueprint.
SERVED: Final[tuple[Any, ...]] = (
    actions,
    api,
    batch_pages,
    batch_records,
    batches,
    docs,
    failures,
    health,
    history_page,
    limits,
    outbox,
    overview,
    pages,
    queues,
    schedules,
    sharing,
    stats,
    task_page,
    uploads,
    workers,
)


def create_app(settings: Settings | None = None, engine: App | None = None) -> Flask:
    """Make the web application.

    Args:
        settings: the settings; None: those of ``engine``, or the process's own.
        engine: the Celery application to submit through; None: a new one from the settings.

    Raises:
        ConfigurationError: if the settings do not allow a start.
    """
    settings = settings or (engine.settings if engine else get_settings())
    app = Flask("async_tasks.web")
    app.json.sort_keys = False  # type: ignore[attr-defined] # the order of the contract, and of a result
    app.secret_key = settings.signing_key()
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_payload_bytes * FORM_FACTOR,
        MAX_FORM_MEMORY_SIZE=settings.max_payload_bytes * FORM_FACTOR,
        SESSION_COOKIE_NAME="async_tasks",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        # A stream that was opened before a form was sent would put the older cookie back.
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    app.extensions["async_tasks"] = engine or engines.build(settings)
    app.extensions["async_tasks_live"] = Hub(app.extensions["async_tasks"])
    app.url_map.converters["name"] = AnyText
    app.wsgi_app = KeepEncodedSlashes(app.wsgi_app)  # type: ignore[method-assign] # as Flask's docs do

    app.jinja_env.filters.update(words.FILTERS)

    problems.install(app)
    security.install(app, settings)
    auth.install(app, settings)
    assets.install(app)
    site.install(app, settings)
    for module in SERVED:
        app.register_blueprint(module.bp)
    app.register_blueprint(actions.api)
    return app
