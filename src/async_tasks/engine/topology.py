"""Exchanges and queues. Queue arguments cannot be changed afterwards, so these stand from the first day."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import structlog
from amqp.exceptions import AccessRefused
from kombu import Connection, Exchange, Queue

from async_tasks import catalog
from async_tasks.settings import QUEUE, Settings

log = structlog.get_logger(__name__)

EXCHANGE: Final = Exchange(QUEUE, type="direct", durable=True)
DEAD_EXCHANGE: Final = Exchange(f"{QUEUE}.dead", type="direct", durable=True)

#: RabbitMQ's own limit stands behind the ledger's (``max_losses``), which ends a record in words.
DELIVERY_LIMIT: Final = 20


def queue_names(settings: Settings) -> list[str]:
    """``celery_see`` first, then the queues of the settings and those that tasks name."""
    named = {spec.options.queue for spec in catalog.specs() if spec.options.queue}
    return [QUEUE, *sorted((named | set(settings.queues)) - {QUEUE})]


def is_amqp(settings: Settings) -> bool:
    """Whether the broker is RabbitMQ."""
    return settings.broker().startswith("amqp")


def queues(settings: Settings) -> list[Queue]:
    """The queues that workers consume, each bound to the direct exchange under its own name."""
    return [
        Queue(name, EXCHANGE, routing_key=name, queue_arguments=_arguments(name) if is_amqp(settings) else None)
        for name in queue_names(settings)
    ]


def dead_queues(settings: Settings) -> list[Queue]:
    """Where RabbitMQ sets aside what it cannot deliver; the embedded default and Redis have no such thing."""
    if not is_amqp(settings):
        return []
    return [
        Queue(f"{name}.dead", DEAD_EXCHANGE, routing_key=name, queue_arguments={"x-queue-type": "quorum"})
        for name in queue_names(settings)
    ]


def _arguments(name: str) -> dict[str, Any]:
    return {
        # Replicated, survives the loss of a node, and counts deliveries.
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_EXCHANGE.name,
        "x-dead-letter-routing-key": name,
        # Dead letters are confirmed by the dead queue before they leave this one; the broker takes that
        # strategy only together with refusing, not dropping, what does not fit.
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def declare(connection: Connection, entities: Iterable[Queue]) -> bool:
    """Declare queues with their exchanges and bindings.

    Returns:
        Whether it was allowed. A web process's user may publish only: then workers declare.
    """
    for queue in entities:
        channel = connection.channel()
        try:
            queue(channel).declare()
        except AccessRefused as exc:
            log.info("topology is left to the workers", queue=queue.name, reason=str(exc))
            return False
        finally:
            channel.close()
    return True
