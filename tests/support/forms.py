"""Forms of functions that a test writes, and of single annotations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from async_tasks import catalog, task
from async_tasks.catalog import TaskSpec
from async_tasks.web import forms, words
from async_tasks.web.forms import Field


def spec_of(function: Any) -> TaskSpec:
    """A function as a task."""
    task(function)
    return catalog.get(function.__name__)


def form_of(function: Any) -> list[Field]:
    """The fields of a function's form."""
    return forms.fields(spec_of(function).arguments_schema())


def probe(annotation: Any, *default: Any) -> TaskSpec:
    """A task with one parameter, ``value``."""

    def probe(value: Any) -> None:
        """Probe."""

    probe.__annotations__["value"] = annotation
    probe.__defaults__ = default or None
    return spec_of(probe)


def one(annotation: Any, *default: Any) -> Field:
    """The field of one parameter."""
    (entry,) = forms.fields(probe(annotation, *default).arguments_schema())
    return entry


def read(annotation: Any, typed: dict[str, str], *default: Any) -> Any:
    """What one parameter is read as; MISSING if it is left out. Nothing may be unreadable."""
    arguments, problems = forms.read([one(annotation, *default)], typed)
    assert problems == []
    return arguments.get("value", forms.MISSING)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    folder = Path(words.__file__).parent / "templates"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    environment.filters.update(words.FILTERS)
    environment.globals["asset"] = lambda name: name
    return environment


def html_of(
    form: Sequence[Field],
    typed: Mapping[str, str] | None = None,
    messages: Mapping[str, Sequence[str]] | None = None,
    name: str = "probe",
) -> str:
    """The HTML of a form, as it stands on its page."""
    shown = SimpleNamespace(shown=lambda: forms.shown(form, typed, messages, name))
    template: Any = _environment().get_template("_field.html").module
    return str(template.fields(shown))


class _Browser(HTMLParser):
    """What a browser would send of a form: the successful controls, by HTML's rules."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self.area: list[str] | None = None
        self.names: dict[str, str] = {}
        self.select: list[tuple[str, bool]] = []
        self.templates = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        at = {name: "" if value is None else value for name, value in attributes}
        if tag == "template":
            self.templates += 1
        if self.templates:
            return
        if tag == "input" and (at.get("type") not in ("checkbox", "radio") or "checked" in at):
            self._send(at["name"], at["value"].replace("\n", "") if at.get("type") != "hidden" else at["value"])
        elif tag == "textarea":
            self.names["area"], self.area = at["name"], []
        elif tag == "select":
            self.names["select"], self.select = at["name"], []
        elif tag == "option":
            self.select.append((at["value"], "selected" in at))

    def handle_endtag(self, tag: str) -> None:
        if tag == "template":
            self.templates -= 1
        if self.templates:
            return
        if tag == "textarea" and self.area is not None:
            # The line break after the tag is no part of it.
            self._send(self.names["area"], "".join(self.area).removeprefix("\n"))
            self.area = None
        elif tag == "select" and self.select:
            chosen = [value for value, selected in self.select if selected] or [self.select[0][0]]
            self._send(self.names["select"], chosen[-1])

    def handle_data(self, data: str) -> None:
        if self.area is not None:
            self.area.append(data)

    def _send(self, name: str, value: str) -> None:
        self.sent.append((name, re.sub("\r\n|\r|\n", "\r\n", value)))


def sent_by_browser(html: str) -> dict[str, str]:
    """What a browser sends of a form that nobody touched, by the names of the inputs; each is there once."""
    browser = _Browser()
    # As it reads what it is sent.
    browser.feed(re.sub("\r\n|\r", "\n", html).replace("\0", "\ufffd"))
    names = [name for name, _ in browser.sent]
    assert len(names) == len(set(names)), names
    return dict(browser.sent)
