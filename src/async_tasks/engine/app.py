"""The Celery application, whose ``send_task`` records before it publishes. The one place where objects meet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import structlog
import uuid_utils
from celery import Celery

from async_tasks import catalog
from async_tasks.engine import topology
from async_tasks.engine.config import configuration
from async_tasks.engine.confirmations import Confirmations
from async_tasks.engine.publisher import Publisher
from async_tasks.engine.recording import Holder, Provenance, Recorder, When
from async_tasks.engine.worker import install_steps
from async_tasks.errors import BrokerUnavailable, StoreUnavailable, Undeliverable
from async_tasks.ledger import Envelope, Ledger, Sending, State, StoreConnection, fingerprint
from async_tasks.settings import Settings, get_settings

#: Seconds after which what could not be published comes due again.
DEFERRED: Final = 1.0
#: Seconds that a caller waits until its record says that it could not be published.
TELLING: Final = 0.5
#: Records told of in one script, which serves nobody else meanwhile.
TOLD: Final = 250

log = structlog.get_logger(__name__)


class App(Celery):
    """A Celery application with a ledger.

    Everything that it sends (``.delay()``, members of a canvas, retries) passes :meth:`send_task`.
    """

    task_cls = "async_tasks.engine.execution:Task"
    control_cls = "async_tasks.engine.control:Control"
    events_cls = "async_tasks.engine.events:Events"

    def __init__(self, settings: Settings, **kwargs: Any) -> None:
        super().__init__("async_tasks", **kwargs)
        self.settings = settings
        #: Names this worker process group in claims; set when a worker starts (see worker.py).
        self.owner = ""
        #: Whether this worker has been asked to stop (see shutdown.py).
        self.stopping = False
        #: Says that this worker lives; set when it starts (see heartbeat.py).
        self.beat: Callable[[], None] = lambda: None

    @cached_property
    def Worker(self) -> Any:  # noqa: N802 - Celery's name
        """The class of the worker."""
        return self.subclass_with_self("async_tasks.engine.shutdown:Worker")

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger; connects at the first call."""
        timeout = self.settings.store_timeout
        return Ledger(StoreConnection(self.settings.store(), timeout=timeout, patience=timeout))

    @cached_property
    def queue_names(self) -> list[str]:
        """Every queue of the system, ``celery_see`` first."""
        return topology.queue_names(self.settings)

    @cached_property
    def publisher(self) -> Publisher:
        """The publisher; connects at the first message."""
        return Publisher(self.settings, self.connection_for_write)

    @cached_property
    def confirmations(self) -> Confirmations:
        """What the broker has, on its way to the ledger."""
        return Confirmations(lambda confirmed: self._try(lambda: self.ledger.published(confirmed)), TOLD)

    def send_task(
        self,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        countdown: float | None = None,
        eta: datetime | str | None = None,
        task_id: str | None = None,
        producer: Any = None,  # noqa: ARG002 - the canvas hands on one of Celery's; ours records
        provenance: Provenance | None = None,
        **options: Any,
    ) -> Any:
        """Record, then publish now or leave it to the dispatcher; takes what ``Celery.send_task`` takes.

        Args:
            name: of the task; what follows is Celery's, but for ``provenance``.
            args: by position.
            kwargs: by name.
            countdown: seconds.
            eta: when it is due.
            task_id: None: a new one, which sorts by time.
            producer: never used.
            provenance: where it comes from, for the record.
            options: Celery's others.

        Raises:
            Undeliverable: if no queue takes the message; the record is a FAILURE then.
            StoreUnavailable: if the ledger did not answer; nothing is known to be recorded.
        """
        when = When.of(countdown=countdown, eta=eta, expires=options.pop("expires", None))
        recorder = Recorder(self, when, provenance or Provenance())
        result = self._hand_over(recorder, name, args, kwargs, task_id, **options)
        submitted = recorder.submitted
        if submitted and submitted.outcome == "duplicate" and submitted.record:
            # The one that is there already stands for this one.
            result = self.AsyncResult(submitted.record.id)
        result.submitted = submitted
        return result

    def sending(
        self,
        name: str,
        kwargs: Mapping[str, Any],
        *,
        provenance: Provenance,
        countdown: float | None = None,
        eta: datetime | None = None,
        expires: float | datetime | None = None,
        **options: Any,
    ) -> Sending:
        """What :meth:`send_task` would record and publish, without doing either; for batches."""
        holder = Holder(self, When.of(countdown=countdown, eta=eta, expires=expires), provenance)
        self._hand_over(holder, name, None, kwargs, None, **options)
        return holder.sending

    def _hand_over(
        self, recorder: Recorder, name: str, args: Any, kwargs: Any, task_id: str | None, **options: Any
    ) -> Any:
        options["retry"] = False
        task_id = task_id or str(uuid_utils.uuid7())
        return super().send_task(name, args, kwargs, task_id=task_id, producer=recorder, expires=None, **options)

    def publish(self, task_id: str, envelope: Envelope, *, within: float) -> bool:
        """Publish what is recorded within so many seconds, and record what became of it.

        Returns:
            Whether the broker has it. If not, the record is due, and a dispatcher's.

        Raises:
            Undeliverable: if no queue takes it; the record is a FAILURE then.
        """
        try:
            self.publisher.publish(task_id, envelope, within=within)
        except Undeliverable as exc:
            self.undeliverable(task_id, exc.reason)
            raise
        except BrokerUnavailable as exc:
            log.warning("publish is left to the dispatcher", task_id=task_id, reason=str(exc))
            self.defer([task_id], str(exc))
            return False
        self.confirmations.add(task_id, envelope)
        return True

    def defer(self, ids: Sequence[str], reason: str) -> None:
        """Leave to a dispatcher what could not be published."""

        def defer() -> None:
            for start in range(0, len(ids), TOLD):
                self.ledger.defer(ids[start : start + TOLD], DEFERRED, reason)

        # The caller has waited for the broker, and must not wait as long for the store on top of it.
        self.confirmations.make(lambda: self._try(defer), TELLING)

    def undeliverable(self, task_id: str, reason: str) -> None:
        """End a record whose message no queue takes."""
        kind = "async_tasks.errors.Undeliverable"
        error = {"type": kind, "message": f"undeliverable: {reason}", "traceback": None}
        error["fingerprint"] = fingerprint(kind, reason)
        exception = {
            "exc_type": "Undeliverable",
            "exc_message": [task_id, reason],
            "exc_module": "async_tasks.errors",
        }
        self.ledger.finish(
            task_id,
            State.FAILURE,
            error=error,
            exception=exception,
            detail="undeliverable",
            cascade=True,
        )

    def _try(self, move: Any) -> None:
        # The task is recorded: what fails here costs at most a message too many.
        try:
            move()
        except StoreUnavailable as exc:
            log.warning("the record could not be told of its publishing", reason=str(exc))

    def broker_ready(self, timeout: float) -> None:
        """Ask whether the broker is there.

        Raises:
            BrokerUnavailable: if it did not answer in that time (seconds).
        """
        self.publisher.check(timeout)

    def close_connections(self) -> None:
        """Give every connection of this process back."""
        if "confirmations" in self.__dict__:
            self.confirmations.close()
        if "publisher" in self.__dict__:
            self.publisher.close()
        if "ledger" in self.__dict__:
            self.ledger.connection.close()
        self.close()


def build(settings: Settings) -> App:
    """Make the application: load the catalog's modules, configure Celery, add the worker's steps.

    Raises:
        ConfigurationError: if the settings or a module do not allow it.
    """
    catalog.load_modules(settings.task_modules())
    app = App(settings, changes=configuration(settings))
    # Threads of a web process have no current application of their own; they take the default one.
    app.set_default()
    install_steps(app)
    return app


_building = threading.Lock()
_default: list[App] = []


def default_app() -> App:
    """This process's application, from its settings; built at the first call."""
    with _building:
        if not _default:
            _default.append(build(get_settings()))
        return _default[0]


def close_default_app() -> None:
    """Give the connections of this process's application back, if it has one."""
    with _building:
        for app in _default:
            app.close_connections()
        _default.clear()
