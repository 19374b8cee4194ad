"""Bulk actions: what was asked to be done to all records of a filter, and how far that is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, cast

from async_tasks.ledger.connection import PREFIX, StoreConnection
from async_tasks.ledger.filters import Filter
from async_tasks.ledger.message import ms, pack
from async_tasks.ledger.record import rfc3339

Kind = Literal["cancel", "replay"]
Status = Literal["running", "finished", "stopped"]

#: Actions remembered; of older ones those that are being carried out.
KEPT: Final = 500


class Outcome(NamedTuple):
    """What became of one record."""

    what: Literal["done", "skipped", "failed"]
    why: str = ""  # the same for many: it is counted by
    words: str = ""  # about this one
    task_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A bulk action. Times are milliseconds since the epoch, by the store's clock."""

    id: str
    kind: Kind
    filter: Filter
    ids: int  # records that were named one by one; 0: the filter says which
    rate: float  # done in a second, at most
    by: str | None  # who asked for it
    asked_at: int
    matched: int  # as it was asked for
    eligible: int  # of those, what could be done
    state: Status
    done: int
    skipped: Mapping[str, int]  # by the reason
    failed: Mapping[str, int]  # by the reason
    finished_at: int | None
    stopped_by: str | None
    # Where the dispatchers are.
    turn: int = 0
    cursor: int | None = None  # the number of the record that was looked at last
    ended: bool = False

    @property
    def treated(self) -> int:
        """How many records have been looked at and counted."""
        return self.done + sum(self.skipped.values()) + sum(self.failed.values())

    def public(self) -> dict[str, Any]:
        """The action as callers see it; times as RFC 3339 strings."""
        return {
            "id": self.id,
            "action": self.kind,
            "filter": shown(self.filter),
            "rate": self.rate,
            "requested_by": self.by,
            "requested_at": rfc3339(self.asked_at),
            "state": self.state,
            "matched": self.matched,
            "eligible": self.eligible,
            "done": self.done,
            "skipped": dict(self.skipped),
            "failed": dict(self.failed),
            "finished_at": rfc3339(self.finished_at),
            "links": {"self": f"/api/v1/actions/{self.id}", "page": f"/history/actions/{self.id}"},
        }


class Taken(NamedTuple):
    """What a dispatcher has to do now (None: nothing), and the seconds until there is something (None: never)."""

    action: Action | None
    todo: Sequence[str]
    next_in: float | None


def shown(given: Filter) -> dict[str, Any]:
    """A filter as callers see it: its times as RFC 3339 strings."""
    return {k: rfc3339(v) if k in ("since", "until") else v for k, v in given.document().items()}


class Actions:
    """Moves of bulk actions. Every method raises StoreUnavailable when the store does not answer in time."""

    def __init__(self, connection: StoreConnection) -> None:
        self.connection = connection
        self.client = connection.client

    def create(
        self,
        action_id: str,
        kind: Kind,
        chosen: Filter,
        *,
        ids: Sequence[str],
        rate: float,
        by: str | None,
        matched: int,
        eligible: int,
    ) -> Action:
        """Write an action down for the dispatchers; one that is there already is answered as it is."""
        document = {
            "kind": kind,
            "filter": json.dumps(chosen.document()),
            "ids": len(ids),
            "rate": str(rate),
            "by": by,
            "matched": matched,
            "eligible": eligible,
            "ended": int(bool(ids)),
        }
        return _action(self.connection.script("actions", "create", action_id, KEPT, pack(document), *ids))

    def get(self, action_id: str) -> Action | None:
        """The action of that id."""
        return next(iter(self._read([action_id])), None)

    def newest(self, count: int) -> list[Action]:
        """The newest actions."""
        ids: Any = self.connection.call(lambda: self.client.zrevrange(f"{PREFIX}actions", 0, count - 1))
        return self._read([raw.decode() for raw in ids])

    def told(self, action_id: str) -> list[dict[str, str]]:
        """Of what could not be done, the last: ``id`` and ``reason``."""
        raws: Any = self.connection.call(lambda: self.client.lrange(f"{PREFIX}action:{action_id}:told", 0, -1))
        return [json.loads(raw) for raw in raws]

    def stop(self, action_id: str, by: str | None) -> Action | None:
        """Let nothing more of it be begun; the action as it is then, or None if there is none of that id."""
        raw = self.connection.script("actions", "stop", action_id, by or "")
        return _action(raw) if raw else None

    def take(self, *, lease: float) -> Taken:
        """Take a step of the action that has waited longest, for so many seconds."""
        wait, *taken = self.connection.script("actions", "take", ms(lease, 1000))
        if not taken:
            return Taken(None, (), None if wait < 0 else wait / 1000)
        fields, todo = taken
        return Taken(_action(fields), [raw.decode() for raw in todo], 0.0)

    def found(
        self, action: Action, cursor: int | None, ids: Iterable[str], *, ended: bool, left: int, why: str
    ) -> bool:
        """Note what is to be done next; False if that is another's by now, or nobody's any more.

        Args:
            action: as it was taken.
            cursor: the number of the record that was looked at last.
            ids: of the records.
            ended: whether there are no more.
            left: how many were met with which it cannot be done.
            why: that is.
        """
        place = "" if cursor is None else cursor
        answer = self.connection.script("actions", "found", action.id, action.turn, place, int(ended), left, why, *ids)
        return bool(answer)

    def settle(self, action: Action, outcomes: Sequence[Outcome], *, pause: float) -> bool:
        """Note what became of the first of what was to be done; the next step comes after a pause (seconds)."""
        flat = [
            part
            for outcome in outcomes
            for part in (
                outcome.what,
                outcome.why,
                json.dumps({"id": outcome.task_id, "reason": outcome.words}) if outcome.words else "",
            )
        ]
        return bool(
            self.connection.script("actions", "settle", action.id, action.turn, len(outcomes), ms(pause, 1000), *flat)
        )

    def _read(self, ids: Sequence[str]) -> list[Action]:
        def read() -> Any:
            with self.client.pipeline(transaction=False) as pipe:
                for each in ids:
                    pipe.hgetall(f"{PREFIX}action:{each}")
                return pipe.execute()

        return [_action(fields) for fields in self.connection.call(read) if fields]


def _action(raw: Any) -> Action:
    # A script answers pairs, a command a mapping.
    pairs = raw.items() if isinstance(raw, dict) else zip(raw[::2], raw[1::2], strict=True)
    given = {name.decode(): value.decode() for name, value in pairs}
    counts: dict[str, dict[str, int]] = {"skipped": {}, "failed": {}}
    for name, value in given.items():
        outcome, colon, why = name.partition(":")
        if colon:
            counts[outcome][why] = int(value)
    return Action(
        id=given["id"],
        kind=cast("Kind", given["kind"]),
        filter=Filter.from_document(json.loads(given["filter"])),
        ids=int(given["ids"]),
        rate=float(given["rate"]),
        by=given.get("by"),
        asked_at=int(given["asked_at"]),
        matched=int(given["matched"]),
        eligible=int(given["eligible"]),
        state=cast("Status", given["state"]),
        done=int(given.get("done", 0)),
        skipped=counts["skipped"],
        failed=counts["failed"],
        finished_at=int(given["finished_at"]) if "finished_at" in given else None,
        stopped_by=given.get("stopped_by") or None,
        turn=int(given.get("turn", 0)),
        cursor=int(given["cursor"]) if given.get("cursor") else None,
        ended=given.get("ended") == "1",
    )
