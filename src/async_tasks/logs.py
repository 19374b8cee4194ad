"""Logging: lines for people on a terminal, JSON elsewhere; every line of a task carries its id."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor

from async_tasks.settings import Settings

#: Loggers that say more than anybody wants to read at the level of everything else.
_QUIET: Final = {
    "celery.worker.strategy": logging.WARNING,  # "received": the timeline of each record says it
    "celery.app.trace": logging.WARNING,  # "succeeded": we say it in one line, without the result
    "amqp": logging.WARNING,
    "kombu": logging.WARNING,
    "tornado.access": logging.WARNING,
}


def configure_logging(settings: Settings, level: int | None = None) -> None:
    """Send every log line of this process to standard error, in the settings' form.

    Args:
        settings: form, and level where none is given.
        level: the least severe level that is logged, as numbered by :mod:`logging`.
    """
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=as_json),
        structlog.processors.UnicodeDecoder(),
    ]
    rendering: list[Processor] = (
        [
            # Without the values of local variables, among which are passwords and what people submitted.
            structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(default=str),
        ]
        if as_json
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, _drop_celery_data],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level or settings.log_level.upper())
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    logging.captureWarnings(capture=True)


def _drop_celery_data(_: Any, __: str, event: EventDict) -> EventDict:
    # Celery's lines carry arguments and results in an extra field; they are in the record, not in the logs.
    event.pop("data", None)
    return event
