"""What every page has: the header's links, the badge of the visitor's tasks, and what the page is to watch."""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from flask import Flask, current_app, request

from async_tasks.addresses import is_loopback
from async_tasks.settings import Settings
from async_tasks.web import auth, mine, results
from async_tasks.web.paused import PausedQueues

#: Where the header leads, if the application serves it: address, words.
PLACES: Final = (
    ("/", "Tasks"),
    ("/history", "History"),
    ("/failures", "Failures"),
    ("/overview", "Overview"),
    ("/workers", "Workers"),
    ("/queues", "Queues"),
    ("/schedules", "Schedules"),
    ("/docs", "API"),
    ("/outbox", "Outbox"),
)


class Link(NamedTuple):
    """One link of the header."""

    address: str
    words: str
    here: bool  # whether the current page is the one, or below it


def install(app: Flask, settings: Settings) -> None:
    """Give templates what they ask for: ``links()``, ``page_state()``, ``now()``, ``paused_queues`` and the like."""
    environment = app.jinja_env
    environment.globals.update(links=lambda: _links(settings), page_state=page_state, now=_now, served=_is_served)
    environment.globals.update(paused_queues=PausedQueues(app.extensions["async_tasks"]))
    environment.filters.update(shown=results.shown, preview=results.preview)


def page_state() -> dict[str, Any] | None:
    """The badge and the place in the stream of changes; None for whom nothing may be told, or nothing can be."""
    if not auth.is_trusted():
        return None
    auth.csrf_token()  # begins the session: what another tab submits from now on is told to this page
    found = mine.look()
    return None if found is None else {"badge": mine.badge(found), "cursor": found.cursor}


def _now() -> int:
    return round(time.time() * 1000)


def _links(settings: Settings) -> list[Link]:
    if not auth.is_trusted():
        return []
    wanted = [place for place in PLACES if _is_served(place[0])]
    if settings.smtp_url is not None:  # emails go out: there is no outbox to look at
        wanted = [place for place in wanted if place[0] != "/outbox"]
    flower = flower_address(settings)
    found = [Link(address, words, _is_here(address)) for address, words in wanted]
    return [*found, Link(flower, "Flower", here=False)] if flower else found


def flower_address(settings: Settings) -> str | None:
    """Where the visitor reaches Flower: on this machine, if that is where they are.

    From elsewhere nobody can tell: it listens on loopback, or behind something that gives it an address of its own.
    """
    host = urlsplit(f"//{request.host}").hostname or ""
    if not settings.flower_port or not is_loopback(host):
        return None
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.flower_port}/"


def _is_served(address: str) -> bool:
    return any(rule.rule == address for rule in current_app.url_map.iter_rules())


def _is_here(address: str) -> bool:
    if address == "/":
        return request.endpoint in ("pages.index", "pages.show_form", "pages.submit_form")
    return request.path == address or request.path.startswith(f"{address}/")
