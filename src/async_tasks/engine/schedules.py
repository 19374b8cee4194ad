"""Submits what the catalog's schedules say. Any number of dispatchers come to the same moments, and each runs once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from async_tasks import catalog
from async_tasks.engine.recording import Provenance
from async_tasks.errors import InvalidArguments, Undeliverable

if TYPE_CHECKING:
    from async_tasks.catalog import TaskSpec
    from async_tasks.engine.app import App

log = structlog.get_logger(__name__)

#: Who submits what is scheduled, in its record.
SUBMITTER: Final = "schedule"


class Schedules:
    """The schedules of this process's catalog; a dispatcher calls it."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._specs = {spec.name: spec for spec in catalog.specs() if spec.options.schedule is not None}
        self._registered = False

    def submit_due(self) -> float | None:
        """Submit what has come due.

        Returns:
            Seconds until the next; None: there is none.

        Raises:
            StoreUnavailable: if the ledger did not answer; what was due still is.
        """
        if not self._specs:
            return None
        if not self._registered:
            self._register()
        now, next_in, due = self.app.ledger.due_schedules()
        for name, at in due:
            if spec := self._specs.get(name):
                self._submit(spec, at, now)
                next_in = 0.0
        return next_in

    def _register(self) -> None:
        now = self.app.ledger.now()
        for name, spec in self._specs.items():
            schedule = spec.options.schedule
            assert schedule is not None  # noqa: S101 - those without were left out
            self.app.ledger.register_schedule(name, str(schedule), schedule.after(now))
        self._registered = True

    def _submit(self, spec: TaskSpec, at: int, now: int) -> None:
        schedule = spec.options.schedule
        assert schedule is not None  # noqa: S101 - those without were left out
        moments = schedule.due(at, now)
        for moment in moments:
            # The key makes it one task, whoever comes first, and whoever dies in between.
            provenance = Provenance(
                submitted_by=SUBMITTER,
                idempotency_key=f"schedule:{spec.name}:{schedule}:{moment}",
                fingerprint=SUBMITTER,
            )
            try:
                values = spec.validate(schedule.arguments)
                result = self.app.send_task(spec.name, kwargs=values, provenance=provenance)
                if result.submitted.record is not None:  # another dispatcher's, where that was faster
                    self.app.ledger.controls.note_run(spec.name, result.submitted.record.id)
            except (InvalidArguments, Undeliverable):
                log.exception("scheduled run not submitted", task_name=spec.name)
        self.app.ledger.advance_schedule(spec.name, at, schedule.after(now))
        log.info("schedule", task_name=spec.name, submitted=len(moments))
