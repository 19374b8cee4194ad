"""The ledger as a Celery result backend, so that ``AsyncResult`` tells the same story as the API."""

from __future__ import annotations

import json
import traceback as tracebacks
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import structlog
from celery import states
from celery.backends.redis import RedisBackend
from celery.backends.redis import ResultConsumer as RedisResultConsumer
from celery.exceptions import SoftTimeLimitExceeded, TaskRevokedError

from async_tasks.ledger.connection import PREFIX
from async_tasks.ledger.record import Error, Record, State, fingerprint

log = structlog.get_logger(__name__)


class ResultConsumer(RedisResultConsumer):
    """Listens for finished tasks: the channel carries the id, the record has the rest."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._decode_result = self._meta_of

    def _meta_of(self, data: bytes) -> Any:
        # A record that was read by mget comes as its meta already, one from the channel as its id.
        return (
            self.backend.decode_result(data)
            if data[:1] == b"{"
            else self.backend.get_task_meta(data.decode(), cache=False)
        )


class LedgerBackend(RedisBackend):
    """Results and states are the ledger's records; groups and chords are RedisBackend's, beside them."""

    ResultConsumer = ResultConsumer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # All keys of the system share one prefix.
        for name in ("task_keyprefix", "group_keyprefix", "chord_keyprefix"):
            setattr(self, name, self.key_t(PREFIX) + getattr(self, name))

    @cached_property
    def client(self) -> Any:
        """The ledger's own connections serve the chords too."""
        return self.app.ledger.client

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Subscribe when somebody waits, not at every call: Celery's way takes 19 s with the store away."""

    def store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **_: Any,
    ) -> Any:
        """Move the record; what is another's by now, or final, is left as it is."""
        if state == states.STARTED:
            return result
        if state not in State.__members__ or state == states.PENDING:
            self._store_progress(task_id, result, request)
            return result
        if isinstance(result, SoftTimeLimitExceeded) and self.app.ledger.is_cancelled(task_id):
            # Its function had returned, and the wish to stop it came while its result was being stored.
            state, result = states.REVOKED, TaskRevokedError("cancelled while it ran")
        failed = isinstance(result, BaseException)
        encoded = self.encode_result(result, state)
        name = getattr(request, "task", None) or "unknown"
        error = describe(result, name, traceback) if failed else None
        if state == states.RETRY:
            self.app.ledger.note(task_id, error=error, exception=encoded)
            return encoded
        answer = self.app.ledger.finish(
            task_id,
            State(state),
            owner=self.app.owner,
            token=getattr(request, "claim_token", None) or "",
            # The encoder is kombu's: it knows UUIDs, dates and results of a canvas.
            result=None if failed else self.encode(encoded),
            error=error,
            exception=encoded if failed else None,
            children=json.loads(self.encode(self.current_task_children(request) or [])),
            detail=str(result) if failed else "",
            name=name,
            queue=(getattr(request, "delivery_info", None) or {}).get("routing_key") or "",
        )
        if answer == "refused":
            log.warning("result not stored: the task is another's by now, or final", task_id=task_id, state=state)
        return encoded

    def mark_as_failure(self, task_id: str, *args: Any, **kwargs: Any) -> Any:
        """As Celery's, which ends the tail of a chain; what it leaves there would wait for ever."""
        answer = super().mark_as_failure(task_id, *args, **kwargs)
        request = kwargs.get("request")
        if request is not None and getattr(request, "chain", None):
            self.app.ledger.revoke_followers(task_id)
        return answer

    def _store_progress(self, task_id: str, meta: Any, request: Any) -> None:
        """``update_state(state='PROGRESS', meta={'current': 1, 'total': 3})`` is progress, not a state."""
        token = getattr(request, "claim_token", None)
        if token is None or not isinstance(meta, dict):
            return
        done = meta.get("done", meta.get("current"))
        if isinstance(done, int | float):
            total = meta.get("total")
            message = meta.get("message", meta.get("status"))
            self.app.ledger.progress(
                task_id,
                token,
                {"done": done, "total": total, "message": None if message is None else str(message)},
            )

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        record = self.app.ledger.get(str(task_id))
        if record is None:
            return {"status": states.PENDING, "result": None, "task_id": str(task_id)}
        meta: dict[str, Any] = self.meta_from_decoded(_meta(record))
        return meta

    def mget(self, keys: list[bytes]) -> list[bytes | None]:
        """Celery's metas of many tasks, encoded as its Redis backend would have stored them."""
        ids = [self._strip_prefix(key) for key in keys]
        records = self.app.ledger.get_many(ids)
        return [json.dumps(_meta(records[i])).encode() if i in records else None for i in ids]

    def task_result_exists(self, task_id: str) -> bool:
        """Whether there is a record of that id."""
        return self.app.ledger.get(str(task_id)) is not None

    def _forget(self, task_id: str) -> None:
        self.app.ledger.forget(str(task_id))


def _meta(record: Record) -> dict[str, Any]:
    """A record as Celery knows it; ``result`` of a failure is the encoded exception."""
    done = record.finished_at
    arguments = record.args if isinstance(record.args, dict) else {}
    return {
        "task_id": record.id,
        "status": str(record.state),
        "result": record.result if record.exception is None else record.exception,
        "traceback": record.error["traceback"] if record.error else None,
        "children": record.children or [],
        "date_done": None if done is None else datetime.fromtimestamp(done / 1000, UTC).isoformat(),
        "name": record.name,
        "args": [],
        "kwargs": arguments,
        "worker": record.worker,
        "retries": record.retries,
        "queue": record.queue,
        "parent_id": record.parent_id,
        "group_id": record.group_id,
    }


def describe(exc: BaseException, task: str, traceback: str | None = None) -> Error:
    """An exception as the record of that task shows it."""
    kind = f"{type(exc).__module__}.{type(exc).__qualname__}"
    frames = tracebacks.extract_tb(exc.__traceback__)
    # Two failures are alike if the same type arose in the same function, whatever the line or the words.
    where = f"{frames[-1].filename}:{frames[-1].name}" if frames else task
    return Error(
        type=kind,
        message=str(exc) or type(exc).__name__,
        traceback=traceback,
        fingerprint=fingerprint(kind, where),
    )
