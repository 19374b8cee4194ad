"""Carries out bulk actions: cancels or runs again whatever a filter leaves, at the rate that was asked for.

Any number of dispatchers may come: one at a time takes a step of an action, with a lease. What it is to do is written
down before it does it, and counted after; whoever goes on after its death does the rest of the step again, which has no
effect where it was done: a cancelled task says by which action, and the key of a replay names the action and the task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from async_tasks import catalog
from async_tasks.engine.recording import Provenance
from async_tasks.errors import InvalidArguments, StoreUnavailable, UnknownTask
from async_tasks.ledger import Record, Sending, State, Submitted
from async_tasks.ledger.actions import Action, Actions, Outcome

if TYPE_CHECKING:
    from async_tasks.engine.app import App

log = structlog.get_logger(__name__)

#: Seconds of work taken in one step, so that a rate is kept evenly.
STEP: Final = 0.2
#: Seconds that a dispatcher may take for a step, before it is another's.
LEASE: Final = 5.0
#: Records looked at in one step; dispatchers have more to do.
LOOK: Final = 200

#: Reasons, as they are counted by.
FINISHED: Final = "had finished already"
UNFINISHED: Final = "had not finished"
GONE: Final = "was no longer there"
EQUAL: Final = "an equal one is there already"
MISFIT: Final = "its arguments no longer fit the task"
UNKNOWN: Final = "no task of that name is served any more"
REFUSED: Final = "could not be submitted"


class Found(NamedTuple):
    """The next part of what an action means."""

    ids: list[str]
    left: int  # met, but it cannot be done with them
    cursor: int | None
    ended: bool


class Bulk:
    """The bulk actions that are open; a dispatcher calls it."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.actions = Actions(app.ledger.connection)

    def step(self) -> float | None:
        """Do one step of one action.

        Returns:
            Seconds until there is something to do again; None: never.

        Raises:
            StoreUnavailable: if the ledger did not answer; the step is done again.
        """
        action, todo, next_in = self.actions.take(lease=LEASE)
        if action is None:
            return next_in
        room = max(1, math.ceil(action.rate * STEP))
        if not todo and not action.ended:
            found = self._find(action, room)
            why = FINISHED if action.kind == "cancel" else UNFINISHED
            if not self.actions.found(action, found.cursor, found.ids, ended=found.ended, left=found.left, why=why):
                return 0.0
            todo = found.ids
        outcomes = self._do(action, todo[:room])
        done = sum(outcome.what == "done" for outcome in outcomes)
        self.actions.settle(action, outcomes, pause=done / action.rate)
        return 0.0

    def _find(self, action: Action, room: int) -> Found:
        """The next records that it can be done with, as many as there is room for."""
        ledger, chosen = self.app.ledger, action.filter
        segments = ledger.find(chosen.indexed(), since=chosen.since, until=chosen.until, before=action.cursor)
        numbers = list(islice(chain.from_iterable(segments), LOOK))
        ids: list[str] = []
        left = 0
        cursor = action.cursor
        for number, record in zip(numbers, ledger.numbered(numbers), strict=True):
            if len(ids) == room:
                return Found(ids, left, cursor, ended=False)
            cursor = number
            if record is None or not _is_meant(action, record):
                continue
            if record.finished == (action.kind == "replay"):
                ids.append(record.id)
            else:
                left += 1
        return Found(ids, left, cursor, ended=len(numbers) < LOOK)

    def _do(self, action: Action, ids: Sequence[str]) -> list[Outcome]:
        if not ids:
            return []
        return self._cancel(action, ids) if action.kind == "cancel" else self._replay(action, ids)

    def _cancel(self, action: Action, ids: Sequence[str]) -> list[Outcome]:
        why = f"cancelled by bulk action {action.id}"
        return [_cancelled(answer, why) for answer in self.app.ledger.cancel_many(ids, why)]

    def _replay(self, action: Action, ids: Sequence[str]) -> list[Outcome]:
        records = self.app.ledger.get_many(ids)
        outcomes: dict[str, Outcome] = {}
        sendings: dict[str, Sending] = {}
        for task_id in ids:
            prepared = self._prepared(action, records.get(task_id))
            if isinstance(prepared, Outcome):
                outcomes[task_id] = prepared
            else:
                sendings[task_id] = prepared
        answers = self.app.ledger.submit_many(list(sendings.values())) if sendings else []
        for task_id, answer in zip(sendings, answers, strict=True):
            outcomes[task_id] = _replayed(answer)
        return [outcomes[task_id] for task_id in ids]

    def _prepared(self, action: Action, record: Record | None) -> Sending | Outcome:
        """What is to be sent, or why it is not."""
        if record is None:
            return Outcome("skipped", GONE)
        if not record.finished:
            return Outcome("skipped", UNFINISHED)
        provenance = Provenance(
            submitted_by=action.by,
            replay_of=record.id,
            # The key makes it one task, whoever comes again to it.
            idempotency_key=f"action:{action.id}:{record.id}",
            fingerprint="action",
        )
        try:
            spec = catalog.get(record.name)
            values = spec.validate(record.args)
            options: dict[str, Any] = {} if spec.options.priority is None else {"priority": spec.options.priority}
            return self.app.sending(record.name, values, provenance=provenance, **options)
        except UnknownTask as exc:
            return Outcome("failed", UNKNOWN, str(exc), record.id)
        except InvalidArguments as exc:
            return Outcome("failed", MISFIT, str(exc), record.id)
        except StoreUnavailable:
            raise
        except Exception as exc:  # whatever a validator raises: the others of the action have a right to go on
            log.exception("not submitted again", task_id=record.id, task_name=record.name)
            return Outcome("failed", REFUSED, f"{type(exc).__name__}: {exc}", record.id)


def _is_meant(action: Action, record: Record) -> bool:
    """Whether the filter holds, and held when the action was asked for, as far as that can be told."""
    if not action.filter.matches(record):
        return False
    ended_later = (record.finished_at or 0) > action.asked_at
    return not (action.filter.state and record.finished and ended_later)


def _cancelled(answer: tuple[str, Record | None], why: str) -> Outcome:
    outcome, record = answer
    if record is None:
        return Outcome("skipped", GONE)
    # Ended by this very action: whoever did it died before it was counted.
    ours = record.state is State.REVOKED and any(entry.get("detail") == why for entry in record.timeline)
    if outcome == "finished" and not ours:
        return Outcome("skipped", FINISHED)
    return Outcome("done")


def _replayed(answer: Submitted) -> Outcome:
    if answer.outcome == "duplicate":
        return Outcome("skipped", EQUAL)
    # Recorded by now, or by who died before it was counted.
    return Outcome("done")
