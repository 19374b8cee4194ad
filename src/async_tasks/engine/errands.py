"""What dispatchers do besides publishing: let go what was held, and end what was purged, a chunk at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from async_tasks import catalog

if TYPE_CHECKING:
    from async_tasks.engine.app import App

#: Errands taken at a time.
BATCH: Final = 20


class Errands:
    """Sees to the ledger's errands; a dispatcher calls it. Any number may: each step is one move of the ledger."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._declared = False

    def run(self) -> float | None:
        """See to what has come due.

        Returns:
            Seconds until the next; None: there is none.

        Raises:
            StoreUnavailable: if the ledger did not answer; what was due still is.
        """
        controls = self.app.ledger.controls
        if not self._declared:
            declare_limits(self.app)
            self._declared = True
        next_in, due = controls.errands(BATCH)
        for kind, name in due:
            if kind == "limit":
                controls.let_go(name)
            elif kind == "resume":
                controls.let_queue_go(name)
            elif kind == "purge":
                controls.go_on_purging(name)
        return 0.0 if due else next_in


def declare_limits(app: App) -> None:
    """Write the catalog's limits into the ledger, where claims find them, and take those away that are no more."""
    app.ledger.controls.limit("declared", {spec.name: spec.options.limit() for spec in catalog.specs()})
