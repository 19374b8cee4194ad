"""Log lines: what is in them, and what must never be."""

from __future__ import annotations

import json
import logging
import sys

import pytest
import structlog

from async_tasks.logs import configure_logging
from async_tasks.settings import load


@pytest.fixture(autouse=True)
def _as_it_was():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)


def fail(password: str) -> None:
    raise ValueError(f"a password of {len(password)} characters")


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("through", [structlog.get_logger, logging.getLogger])
def test_a_traceback_shows_no_values(form, through, capsys):
    configure_logging(load(log_format=form))
    try:
        fail("hidden-" + "from-logs")
    except ValueError:
        through("tests").exception("it failed")
    logged = capsys.readouterr().err
    assert "it failed" in logged
    assert "a password of 16 characters" in logged
    assert "in fail" in logged or '"name": "fail"' in logged
    assert "hidden-from-logs" not in logged


def test_json_lines_are_one_object_each(capsys):
    configure_logging(load(log_format="json"))
    structlog.get_logger("tests").info("two\nlines", task_id="a")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["task_id"], line["level"], line["logger"]) == ("two\nlines", "a", "info", "tests")
    assert sys.stderr.isatty() is False
