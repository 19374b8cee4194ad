"""From what Celery would publish to a draft of the record and the exact message."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from kombu import serialization

from async_tasks import catalog
from async_tasks.errors import InvalidArguments, UnknownTask
from async_tasks.ledger import MESSAGE_KEY, Draft, Envelope, Kind, Sending, Submitted
from async_tasks.settings import QUEUE

if TYPE_CHECKING:
    from async_tasks.engine.app import App

log = structlog.get_logger(__name__)

#: What Celery's sender tells a producer beyond the message's own properties.
_TRANSPORT_OPTIONS: Final = frozenset(
    {
        "exchange",
        "routing_key",
        "serializer",
        "retry",
        "retry_policy",
        "declare",
        "headers",
        "timeout",
        "confirm_timeout",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When a task is to run; relative times are counted by the store's clock."""

    due_at: int | None = None  # milliseconds since the epoch
    delay: float | None = None  # seconds
    expires_at: int | None = None  # milliseconds since the epoch
    expires_in: float | None = None  # seconds

    @classmethod
    def of(cls, *, countdown: Any, eta: Any, expires: Any) -> When:
        """From Celery's options: seconds, datetimes (naive ones are UTC) or ISO 8601."""
        relative = isinstance(expires, int | float)
        return cls(
            due_at=_epoch_ms(eta),
            delay=None if countdown is None or eta else float(countdown),
            expires_at=None if relative else _epoch_ms(expires),
            expires_in=float(expires) if relative else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a submission comes from, for its record."""

    submitted_by: str | None = None
    replay_of: str | None = None
    batch_id: str | None = None
    idempotency_key: str | None = None
    fingerprint: str | None = None


class Recorder:
    """Stands where Celery expects a producer: what it is given to publish is recorded first.

    Celery's own sender has by then done all of its work (routing, headers, stamps, signals), so nothing of
    it is written again here.
    """

    def __init__(self, app: App, when: When, provenance: Provenance) -> None:
        self.app = app
        self.when = when
        self.provenance = provenance
        self.submitted: Submitted | None = None
        self.connection = self

    @contextmanager
    def _reraise_as_library_errors(self) -> Iterator[None]:
        yield

    def publish(self, body: Any, **options: Any) -> None:
        """Record the message, then publish it if it is due."""
        started = time.monotonic()
        sending = self._sending(body, options)
        # Whoever publishes has so long; then a dispatcher takes it for lost.
        self.submitted = self.app.ledger.submit(
            sending, grace=self.app.settings.publish_timeout + 1, push=self.app.publisher.push(sending.envelope)
        )
        if self.submitted.outcome in ("known", "lost"):
            log.warning(
                "not sent: that id is another's",
                task_id=sending.draft.id,
                task_name=sending.draft.name,
                reason=self.submitted.outcome,
            )
        if self.submitted.publish_now:
            # One bound for both: what the store has taken of it the broker does not get.
            left = self.app.settings.publish_timeout - (time.monotonic() - started)
            self.app.publish(sending.draft.id, sending.envelope, within=left)

    def _sending(self, body: Any, options: Mapping[str, Any]) -> Sending:
        headers = options["headers"]
        kind, token = self._sender(headers["id"], headers["retries"])
        headers[MESSAGE_KEY] = uuid.uuid4().hex[:16]
        if kind == "retry":
            options = {**options, "priority": self.app.current_worker_task.request.recorded_priority}
        envelope = self._envelope(body, options)
        return Sending(
            draft=self._draft(body, headers, envelope),
            envelope=envelope,
            due_at=self.when.due_at,
            delay=self.when.delay,
            expires_at=self.when.expires_at,
            expires_in=self.when.expires_in,
            kind=kind,
            token=token,
        )

    def _sender(self, task_id: str, retries: int) -> tuple[Kind, str]:
        """Whether this is the running task sending its own id again, and the token of its claim, if one sends."""
        current = self.app.current_worker_task
        request = current.request if current else None
        token = getattr(request, "claim_token", None) or ""
        if request is None or not token or request.id != task_id:
            return "new", token
        return ("retry" if retries > request.retries else "replace"), token

    def _envelope(self, body: Any, options: Mapping[str, Any]) -> Envelope:
        content_type, content_encoding, payload = serialization.dumps(body, options.get("serializer") or "json")
        exchange, routing_key = options["exchange"], options["routing_key"]
        name = getattr(exchange, "name", exchange)
        properties = {
            key: value for key, value in options.items() if key not in _TRANSPORT_OPTIONS and value is not None
        }
        # The ledger knows what expires; the broker's clock and dead letters are not asked.
        properties.pop("expiration", None)
        return Envelope(
            # Celery publishes to the anonymous exchange by default; ours has a name.
            exchange=name or QUEUE,
            routing_key=routing_key,
            body=payload.encode() if isinstance(payload, str) else payload,
            headers=dict(options["headers"]),
            properties=properties | {"content_type": content_type, "content_encoding": content_encoding},
        )

    def _draft(self, body: Any, headers: Mapping[str, Any], envelope: Envelope) -> Draft:
        args, kwargs, embed = body
        named = named_arguments(headers["task"], args, kwargs)
        # A member of a canvas must run: others wait for it.
        alone = headers["group"] is None and not embed.get("chain") and not embed.get("chord")
        unique_key, unique_for = _uniqueness(headers["task"], named) if alone else (None, None)
        return Draft(
            id=headers["id"],
            name=headers["task"],
            queue=envelope.routing_key,
            args=named,
            message_key=headers[MESSAGE_KEY],
            unique_key=unique_key,
            unique_for=unique_for,
            retries=headers["retries"],
            priority=envelope.properties.get("priority"),
            submitted_by=self.provenance.submitted_by,
            replay_of=self.provenance.replay_of,
            batch_id=self.provenance.batch_id,
            idempotency_key=self.provenance.idempotency_key,
            fingerprint=self.provenance.fingerprint,
            parent_id=headers["parent_id"],
            root_id=headers["root_id"],
            group_id=headers["group"],
            followers=list(_members(reversed(embed.get("chain") or ()), headers)),
            bodies=list(_members([embed["chord"]], headers)) if embed.get("chord") else (),
        )


class Holder(Recorder):
    """A recorder that only holds what it is given: a batch is recorded as a whole."""

    sending: Sending

    def publish(self, body: Any, **options: Any) -> None:
        """Hold the message."""
        self.sending = self._sending(body, options)


def _uniqueness(name: str, named: Any) -> tuple[str | None, int | None]:
    """The key that a submission shares with those equal to it, and for how many milliseconds; None: it is alone."""
    try:
        spec = catalog.get(name)
        if not spec.options.unique:
            return None, None
        # By the values that the function gets: 5 and "5" are equal, and so is a default left out.
        values = spec.validate(named)
    except (UnknownTask, InvalidArguments):
        return None, None
    of = {field: values[field] for field in spec.options.unique_by} if spec.options.unique_by else values
    digest = hashlib.sha256(json.dumps([name, of], sort_keys=True).encode()).hexdigest()
    window = None if spec.options.unique is True else round(spec.options.unique * 1000)
    return digest, window


def named_arguments(name: str, args: Any, kwargs: Any) -> Any:
    """The arguments as a record shows them: an object by parameter name, where the names are known."""
    try:
        named = catalog.get(name).named(args, kwargs)
    except UnknownTask:
        named = None
    if named is not None:
        return named
    return _jsonable({"args": list(args or ()), "kwargs": dict(kwargs or {})})


def _members(signatures: Iterable[Any], headers: Mapping[str, Any]) -> Iterator[Draft]:
    """The members of a canvas under these signatures that have an id: they wait for the message of ``headers``."""
    waiting = list(signatures)
    seen = set()
    while waiting:
        signature = waiting.pop(0)
        if not isinstance(signature, Mapping):
            continue
        options, kwargs = signature.get("options") or {}, signature.get("kwargs") or {}
        kind = signature.get("subtask_type")
        if kind in ("chain", "group"):
            waiting += list(kwargs.get("tasks") or ())
        elif kind == "chord":
            header = kwargs.get("header") or ()
            waiting += [header] if isinstance(header, Mapping) else list(header)
            waiting.append(kwargs.get("body"))
        elif (task_id := options.get("task_id")) and task_id not in seen:
            seen.add(task_id)
            name = signature["task"]
            yield Draft(
                id=task_id,
                name=name,
                queue=queue_of(name),
                args=_jsonable({"args": signature.get("args") or [], "kwargs": kwargs}),
                parent_id=headers["id"],
                root_id=headers["root_id"],
                group_id=options.get("group_id"),
            )
        if options.get("chord"):
            waiting.append(options["chord"])


def queue_of(name: str) -> str:
    """The queue that a task's declaration names, or the default one."""
    try:
        return catalog.get(name).options.queue or QUEUE
    except UnknownTask:
        return QUEUE


def _jsonable(value: Any) -> Any:
    # Kombu's encoder knows the types that Celery's canvas passes.
    return json.loads(serialization.dumps(value, "json")[2])


def _epoch_ms(at: Any) -> int | None:
    if at is None:
        return None
    if isinstance(at, timedelta):
        raise TypeError("eta and expires take seconds or a datetime, not a timedelta")
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
