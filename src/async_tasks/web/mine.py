"""The tasks of the visitor: their list, and how many have finished since it was last looked at.

When it was looked at stands in a cookie of its own that the page's script may write: it changes while the list is
open, without a request, and it decides on nothing but a number in the header.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from flask import Response, current_app, g, request

from async_tasks import queries
from async_tasks.errors import StoreUnavailable
from async_tasks.ledger.record import Record, State
from async_tasks.web import auth
from async_tasks.web.problems import describe

if TYPE_CHECKING:
    from async_tasks.engine import App

#: Tasks in the list; older ones are found by their pages.
LISTED: Final = 40

SEEN_COOKIE: Final = "async_tasks_seen"
SEEN_FOR: Final = 366 * 86400  # seconds


class Look(NamedTuple):
    """What a page begins with: the visitor's tasks, and the place in the stream of changes before they were read."""

    tasks: list[Record]
    cursor: str


class Badge(NamedTuple):
    """What finished since the list was last looked at; ``failed`` of them without success."""

    finished: int
    failed: int

    @property
    def words(self) -> str:
        """For titles and for those who cannot see colours."""
        if not self.finished:
            return ""
        return f"{self.finished} finished" + (f", {self.failed} failed" if self.failed else "")


def listed(app: App, visitor: str | None) -> list[Record]:
    """The visitor's newest tasks, newest first.

    Raises:
        StoreUnavailable: if the store does not answer.
    """
    if visitor is None:
        return []
    return queries.page(app, submitted_by=visitor, limit=LISTED).tasks


def look() -> Look | None:
    """What the current request's page begins with, asked for once; None if the store does not answer."""
    if "look" not in g:
        app: App = current_app.extensions["async_tasks"]
        try:
            # In this order: what changes in between is told twice, and not never.
            cursor = queries.latest_change(app)
            g.look = Look(listed(app, auth.visitor()), cursor)
        except StoreUnavailable as exc:
            describe(exc)  # logs it
            g.look = None
    found: Look | None = g.look
    return found


def seen_at() -> int:
    """Up to when the visitor has seen the list: milliseconds since the epoch, by the store's clock."""
    text = request.cookies.get(SEEN_COOKIE, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0  # noqa: PLR2004 - a time has 13


def unseen(records: Iterable[Record], seen: int) -> list[Record]:
    """Those that have finished since."""
    return [record for record in records if record.finished and (record.finished_at or 0) > seen]


def badge(found: Look | None) -> Badge:
    """What the header shows of the visitor's tasks."""
    fresh = unseen(found.tasks if found else (), seen_at())
    return Badge(len(fresh), sum(record.state is State.FAILURE for record in fresh))


def mark_seen(response: Response, found: Look | None) -> None:
    """Note that the list was looked at as it was then."""
    latest = max((record.finished_at or 0 for record in (found.tasks if found else ())), default=0)
    if latest > seen_at():
        response.set_cookie(SEEN_COOKIE, str(latest), max_age=SEEN_FOR, samesite="Lax", secure=request.is_secure)
