"""Many submissions: recorded a script at a time, and published with one wait for the broker about each thousand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import structlog

from async_tasks.errors import BrokerUnavailable
from async_tasks.ledger import Answer, Envelope, Head, Sending

if TYPE_CHECKING:
    from async_tasks.engine.app import App

log = structlog.get_logger(__name__)

#: Submissions recorded in one script: the store serves nobody else for some 10 ms.
RECORDED: Final = 100
#: Messages that are on their way to the broker before their confirms are waited for.
PUBLISHED: Final = 1000


class Many:
    """The submissions of one batch, sent in their order.

    All of them together wait for the broker as long as a single one may. What it has not confirmed by then is a
    dispatcher's, and so is all that follows: it is only recorded.
    """

    def __init__(self, app: App, head: Head) -> None:
        self._app = app
        self._head = head
        self._sent = 0
        self._left = app.settings.publish_timeout
        self._waiting: list[tuple[str, Envelope]] = []

    def send(self, sendings: Sequence[Sending]) -> list[Answer]:
        """Record the next ones, at most ``RECORDED``, and publish when a thousand wait for it."""
        # Whoever publishes has so long; then a dispatcher takes it for lost.
        grace = self._left + 1 if self._left > 0 else None
        pushed = [(sending, self._app.publisher.push(sending.envelope)) for sending in sendings]
        answers = self._app.ledger.batches.submit(self._head, self._sent, pushed, grace=grace)
        self._sent += len(sendings)
        for sending, answer in zip(sendings, answers, strict=False):  # of a conflict there is one answer
            if answer.publish_now:
                self._waiting.append((answer.id, sending.envelope))
        if len(self._waiting) >= PUBLISHED:
            self.flush()
        return answers

    def flush(self) -> None:
        """Publish what waits for it."""
        messages, self._waiting = self._waiting, []
        if not messages:
            return
        began = time.monotonic()
        errors = self._app.publisher.publish_many(messages, within=self._left)
        self._left -= time.monotonic() - began
        failed = []
        for (task_id, envelope), error in zip(messages, errors, strict=True):
            if error is None:
                self._app.confirmations.add(task_id, envelope)
            else:
                failed.append(task_id)
                # That no queue takes a message says nothing of the next one.
                self._left = 0 if isinstance(error, BrokerUnavailable) else self._left
        if failed:
            reason = str(next(error for error in errors if error is not None))
            log.warning("publish is left to the dispatcher", batch_id=self._head.id, count=len(failed), reason=reason)
            self._app.defer(failed, reason)
