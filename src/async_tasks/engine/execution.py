"""Running a message in a worker: claim, run, finish. ``Task`` is the base class of every task."""

from __future__ import annotations

import json
import random
import sys
import uuid
from typing import TYPE_CHECKING, Any, Final

import celery
import structlog
from billiard.common import terminate_handler_fired
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded
from kombu import serialization
from pydantic_core import to_jsonable_python
from structlog.contextvars import bind_contextvars, clear_contextvars

from async_tasks import catalog
from async_tasks.engine.leases import renewed
from async_tasks.engine.recording import named_arguments
from async_tasks.engine.reporting import ClaimLost, TaskCancelled, reporting
from async_tasks.engine.task_logs import capturing
from async_tasks.engine.worker import NotYet
from async_tasks.errors import InvalidArguments, ResultRefused, TaskCrashed, UnknownTask
from async_tasks.ledger import MESSAGE_KEY, Draft, Envelope, Record, State, fingerprint
from async_tasks.settings import QUEUE

if TYPE_CHECKING:
    from async_tasks.engine.app import App

log = structlog.get_logger(__name__)


class Task(celery.Task):
    """A Celery task that runs only what it has claimed in the ledger."""

    Request = "async_tasks.engine.worker:Request"

    @property
    def spec(self) -> catalog.TaskSpec | None:
        """The catalog's entry; None for a task that is Celery's own or another library's."""
        try:
            return catalog.get(self.name)
        except UnknownTask:
            return None

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """As Celery's; arguments may be models, dates or URLs: they travel as plain JSON."""
        if self.spec is not None:
            args, kwargs = to_jsonable_python(args), to_jsonable_python(kwargs)
            if self.spec.options.priority is not None:
                options.setdefault("priority", self.spec.options.priority)
        return super().apply_async(args, kwargs, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Called by the worker to run a message, or by anybody as a plain function."""
        request = self.request
        if request.called_directly:
            return super().__call__(*args, **kwargs)
        if request.is_eager:
            return _call(self, self.spec, args, kwargs)
        record = _claim(self.app, request, args, kwargs)
        bind_contextvars(attempt=record.attempts)
        logs = capturing(self.app, request.id, record.attempts)
        with renewed(self.app, request.id), reporting(self.app, request), logs:
            return _run(self, self.spec, args, kwargs)


def _claim(app: App, request: Any, args: Any, kwargs: Any) -> Record:
    """Claim the message's record.

    Raises:
        Ignore: if it must not run; the message is acknowledged then, as the ledger knows the record's future.
    """
    clear_contextvars()
    bind_contextvars(task_id=request.id, task_name=request.task)
    settings = app.settings
    token = uuid.uuid4().hex
    while True:
        claim = app.ledger.claim(
            request.id,
            getattr(request, MESSAGE_KEY, None) or "",
            owner=app.owner,
            token=token,
            worker=request.hostname,
            lease=settings.lease,
            max_losses=settings.max_losses,
        )
        if claim.verdict != "unknown":
            break
        app.ledger.adopt(*_adopted(request, args, kwargs))
    if claim.record is None:
        log.info("not run", reason=claim.verdict)
        raise (NotYet if claim.verdict in ("paused", "limited") else Ignore)(f"not run: {claim.verdict}")
    request.claim_token = token
    # The transport's number for it is another on Redis; a retry takes this one.
    request.recorded_priority = claim.record.priority
    return claim.record


def _adopted(request: Any, args: Any, kwargs: Any) -> tuple[Draft, Envelope]:
    """The record and the message of a task that somebody sent who knows only the broker."""
    delivery = request.delivery_info or {}
    queue = str(delivery.get("routing_key") or QUEUE)
    embed = {
        "callbacks": request.callbacks,
        "errbacks": request.errbacks,
        "chain": request.chain,
        "chord": request.chord,
    }
    headers = {name: getattr(request, name, None) for name in (*_HEADERS, MESSAGE_KEY)}
    content_type, content_encoding, payload = serialization.dumps((args, kwargs, embed), "json")
    draft = Draft(
        id=request.id,
        name=request.task,
        queue=queue,
        args=named_arguments(request.task, args, kwargs),
        message_key=getattr(request, MESSAGE_KEY, None) or "",
        retries=request.retries,
        priority=delivery.get("priority"),
        parent_id=request.parent_id,
        root_id=request.root_id,
        group_id=request.group,
    )
    envelope = Envelope(
        exchange=delivery.get("exchange") or queue,
        routing_key=queue,
        body=payload.encode(),
        headers=headers,
        properties={
            "content_type": content_type,
            "content_encoding": content_encoding,
            "correlation_id": request.correlation_id,
            "reply_to": request.reply_to,
            "delivery_mode": 2,
        },
    )
    return draft, envelope


_HEADERS: Final = (
    "lang", "task", "id", "shadow", "group", "group_index", "retries", "timelimit", "root_id", "parent_id", "argsrepr",
    "kwargsrepr", "origin", "ignore_result", "replaced_task_nesting", "stamped_headers", "stamps",
)  # fmt: skip


def _run(task: Task, spec: catalog.TaskSpec | None, args: Any, kwargs: Any) -> Any:
    """Run; what ends a task otherwise than by a result or an error ends its record too."""
    try:
        return _attempt(task, spec, args, kwargs)
    except (Ignore, Reject) as exc:
        _end_by_itself(task, exc)
        raise
    except SoftTimeLimitExceeded as exc:
        if task.app.ledger.is_cancelled(task.request.id):
            raise _cancelled(task) from exc
        if spec is not None and spec.options.soft_time_limit is None:
            # Meant for the task that this process ran a moment ago.
            _end_by_itself(task, again := Reject("stopped by mistake", requeue=True))
            raise again from exc
        raise
    except TaskCancelled as exc:
        raise _cancelled(task) from exc
    except ClaimLost as exc:
        raise Ignore("the task is another's by now") from exc


def _attempt(task: Task, spec: catalog.TaskSpec | None, args: Any, kwargs: Any) -> Any:
    """Run, and turn what would end the worker or lose the task into what Celery handles."""
    try:
        return _call(task, spec, args, kwargs)
    except (Ignore, Reject, Retry, SoftTimeLimitExceeded, InvalidArguments, ResultRefused):
        raise
    except MemoryError as exc:
        raise _crashed(exc) from exc
    except Exception as exc:
        options = spec.options if spec else None
        if options is None or not options.max_retries or not isinstance(exc, options.retry_for):
            raise
        raise task.retry(
            exc=exc, countdown=backoff(options, task.request.retries), max_retries=options.max_retries
        ) from exc
    except (TaskCancelled, ClaimLost):
        raise
    except BaseException as exc:
        if isinstance(exc, SystemExit) and terminate_handler_fired():
            # Not the task: the worker stops, and its main process gives the task back.
            raise
        raise _crashed(exc) from exc


def _crashed(exc: BaseException) -> TaskCrashed:
    """Celery lets these end the pool process or the whole worker, or forgets the task."""
    return TaskCrashed(f"the task raised {type(exc).__name__}: {exc}")


def _cancelled(task: Task) -> Ignore:
    end(task, State.REVOKED, "TaskRevokedError", "cancelled while it ran")
    return Ignore("cancelled")


def _end_by_itself(task: Task, exc: Ignore | Reject) -> None:
    """Celery forgets a task that raises these; its record must not wait for a lease to run out."""
    if isinstance(exc, Ignore):
        # Celery's own replace() raises it too, when the id has gone on to another task: the claim is lost then.
        end(task, State.REVOKED, "Ignore", f"the task asked to be ignored: {exc}" if str(exc) else "ignored")
    elif exc.requeue:
        task.app.ledger.hand_back(task.request.id, task.app.owner, "it asked to be run again", sys.maxsize)
    else:
        end(task, State.FAILURE, "Reject", f"the task rejected its message: {exc.reason}")


def end(task: Task, state: State, kind: str, why: str) -> None:
    """End the running task's record with an exception of Celery's, if it still holds the claim."""
    module = "celery.exceptions"
    same = fingerprint(f"{module}.{kind}", task.name)
    task.app.ledger.finish(
        task.request.id,
        state,
        token=task.request.claim_token,
        error={"type": f"{module}.{kind}", "message": why, "traceback": None, "fingerprint": same},
        exception={"exc_type": kind, "exc_message": [why], "exc_module": module},
        detail=why,
        cascade=True,
    )


def _call(task: Task, spec: catalog.TaskSpec | None, args: Any, kwargs: Any) -> Any:
    if spec is None:
        return task.run(*args, **kwargs)
    return _checked(spec, task.run(**spec.bind_call(args, kwargs)), task.app)


def _checked(spec: catalog.TaskSpec, value: Any, app: App) -> Any:
    result = spec.dump_result(value)
    size = len(json.dumps(result, ensure_ascii=False).encode())
    limit = app.settings.max_payload_bytes
    if size > limit:
        raise ResultRefused(
            f"The result of {spec.name!r} is {size:,} bytes as JSON, and at most {limit:,} are stored. "
            "Store it elsewhere and return where, or raise ASYNC_TASKS_MAX_PAYLOAD_BYTES."
        )
    return result


def backoff(options: catalog.TaskOptions, retries: int) -> float:
    """Seconds to wait before the next attempt: exponential with a cap, and half of it by chance.

    What failed together must not return together; this is "equal jitter" of Brooker, "Exponential Backoff And
    Jitter" (2015).
    """
    delay = min(options.backoff_max, options.backoff * 2.0**retries)
    return delay * random.uniform(0.5, 1) if options.jitter else delay  # noqa: S311 - spreads load, guards nothing
