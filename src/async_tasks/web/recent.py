"""What a task was given lately, to be put into its form again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from async_tasks import queries
from async_tasks.catalog import TaskSpec
from async_tasks.errors import StoreUnavailable
from async_tasks.ledger.record import Record

if TYPE_CHECKING:
    from async_tasks.engine import App

#: How many are offered.
OFFERED: Final = 5
#: Submissions of everybody that are looked at for them: many may have been given the same.
LOOKED_AT: Final = 20


class Recent(NamedTuple):
    """Arguments that a task was given."""

    record: Record
    mine: bool


def recent(app: App, spec: TaskSpec, own: Sequence[Record], visitor: str | None) -> list[Recent]:
    """The newest arguments of a task, each once: the visitor's own first, then those of others.

    Args:
        app: the engine's application.
        spec: of the task.
        own: the visitor's newest submissions, of whatever task.
        visitor: whose they are.
    """
    try:
        everybody = queries.page(app, name=spec.name, limit=LOOKED_AT).tasks
    except StoreUnavailable:  # a form can be filled in without
        everybody = []
    found: dict[str, Recent] = {}
    for record in _fitting(spec, [*own, *everybody]):
        text = json.dumps(record.args, sort_keys=True)
        found.setdefault(text, Recent(record, visitor is not None and record.submitted_by == visitor))
    return sorted(found.values(), key=lambda each: not each.mine)[:OFFERED]


def _fitting(spec: TaskSpec, records: Iterable[Record]) -> Iterable[Record]:
    names = spec.arguments_schema().get("properties", {}).keys()
    for record in records:
        if record.name == spec.name and isinstance(record.args, dict) and record.args and record.args.keys() <= names:
            yield record
