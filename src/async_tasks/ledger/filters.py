"""Which records are meant: conditions that all have to hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from async_tasks.ledger.record import Record, State

#: The ledger's index of a condition, where they are not named alike.
INDEXES: Final = {"fingerprint": "failure"}

#: Conditions on a field of a record, which has to be equal.
_EQUAL: Final = ("state", "name", "queue", "worker", "submitted_by", "batch_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What ``queries.page`` takes; times are milliseconds since the epoch, None is no condition."""

    state: State | None = None
    name: str | None = None
    queue: str | None = None
    worker: str | None = None
    submitted_by: str | None = None
    batch_id: str | None = None
    fingerprint: str | None = None  # of its error
    q: str | None = None  # text in arguments, result or error, whatever the case
    since: int | None = None  # not older
    until: int | None = None  # not newer

    @classmethod
    def from_document(cls, given: Mapping[str, Any]) -> Filter:
        """Read what :meth:`document` made."""
        state = given.get("state")
        return cls(**{**given, "state": State(state) if state else None})

    def document(self) -> dict[str, Any]:
        """The conditions that there are, by name; can be written as JSON."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value is not None}

    def indexed(self) -> dict[str, str]:
        """What the ledger's indexes can tell, as ``Ledger.find`` takes it."""
        given = {name: getattr(self, name) for name in (*_EQUAL, "fingerprint")}
        return {INDEXES.get(name, name): str(value) for name, value in given.items() if value is not None}

    def matches(self, record: Record) -> bool:
        """Whether a record is meant."""
        pairs = ((getattr(self, name), getattr(record, name)) for name in _EQUAL)
        if any(wanted is not None and wanted != there for wanted, there in pairs):
            return False
        if self.since is not None and record.submitted_at < self.since:
            return False
        if self.until is not None and record.submitted_at > self.until:
            return False
        if self.fingerprint is not None and _fingerprint(record) != self.fingerprint:
            return False
        return self.q is None or _has_text(record, self.q)


def _fingerprint(record: Record) -> str | None:
    # Of a task that is tried again, the error is not its end.
    return record.error["fingerprint"] if record.finished and record.error else None


def _has_text(record: Record, q: str) -> bool:
    text = json.dumps([record.args, record.result, record.error], ensure_ascii=False)
    return q.casefold() in text.casefold()
