"""What belongs to a task: what started it and what it started, its chain and its group, what it repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from async_tasks import queries
from async_tasks.ledger.record import Record
from async_tasks.web.words import replays

if TYPE_CHECKING:
    from async_tasks.engine import App

#: What another task is to this one, in the order in which it is shown.
ROLES: Final = (
    "Repeats",
    "Repeated as",
    "Started by",
    "Follows",
    "Waited for",
    "Started",
    "Followed by",
    "Collected by",
    "Same group",
    "Same work",
)


@dataclass(frozen=True, slots=True)
class Relative:
    """One of them; without its record where that is no longer kept."""

    role: str
    id: str
    record: Record | None


@dataclass(frozen=True, slots=True)
class Family:
    """All that is shown of them."""

    relatives: Sequence[Relative]
    more: bool  # whether there are others
    batch_id: str | None

    @property
    def live(self) -> bool:
        """Whether any of them goes on."""
        return any(each.record is not None and not each.record.finished for each in self.relatives)


def family(app: App, record: Record) -> Family:
    """The relatives of a task.

    Raises:
        StoreUnavailable: if the store does not answer.
    """
    named = [each for each in (record.replay_of, *replays(record), record.parent_id) if each]
    found, more = queries.relatives(app, record, named)
    relatives = [Relative(_role(record, each), each.id, each) for each in found.values()]
    gone = [each for each in named if each not in found]
    relatives += [Relative("Repeats" if each == record.replay_of else "Started by", each, None) for each in gone]
    following = {each: place for place, each in enumerate(record.followers)}  # recorded together, in one millisecond
    relatives.sort(key=lambda each: (following.get(each.id, -1), each.id))
    return Family(sorted(relatives, key=_place), more, record.batch_id)


def _role(record: Record, other: Record) -> str:
    known = (
        ("Repeats", other.id == record.replay_of),
        ("Repeated as", other.replay_of == record.id),
        ("Follows", record.id in other.followers),
        ("Followed by", other.id in record.followers),
        ("Waited for", record.id in other.bodies),
        ("Collected by", other.id in record.bodies),
        ("Started by", other.id == record.parent_id),
        ("Started", other.parent_id == record.id),
        ("Same group", record.group_id is not None and record.group_id == other.group_id),
    )
    return next((role for role, holds in known if holds), ROLES[-1])


def _place(relative: Relative) -> tuple[int, int]:
    record = relative.record
    return ROLES.index(relative.role), record.submitted_at if record else 0
