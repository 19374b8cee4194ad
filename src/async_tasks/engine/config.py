"""Settings into Celery's configuration, each with its reason."""

from __future__ import annotations

from typing import Any

from async_tasks import catalog
from async_tasks.engine import topology
from async_tasks.errors import UnknownTask
from async_tasks.settings import QUEUE, Settings

#: Seconds after which the Redis transport restores a message that was not acknowledged. The ledger's
#: leases decide about redelivery; this only clears away what a dead worker left behind.
VISIBILITY_TIMEOUT = 6 * 3600
#: Seconds that a worker waits for a broker that says nothing, before it tries again.
CONNECT_TIMEOUT = 4


def configuration(settings: Settings) -> dict[str, Any]:
    """Celery's configuration.

    Raises:
        ConfigurationError: if the embedded store is meant and none has been started.
    """
    return {
        "broker_url": settings.broker(),
        "result_backend": f"async_tasks.ledger.backend:LedgerBackend+{settings.store()}",
        # JSON alone: a message can never make a worker run code.
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "enable_utc": True,
        # Topology: everything is declared; a name with a typing error is an error, not a new queue.
        "task_queues": topology.queues(settings),
        "task_create_missing_queues": False,
        "task_default_queue": QUEUE,
        "task_default_exchange": QUEUE,
        "task_default_exchange_type": "direct",
        "task_default_routing_key": QUEUE,
        "task_routes": (_route,),
        # Acknowledge after the record is final; give back what lost its process.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure": True,
        "task_acks_on_timeout": True,
        "worker_prefetch_multiplier": 1,
        # The claim says STARTED; Celery's own note would run with Redis away and lose the task.
        "task_track_started": False,
        "task_time_limit": settings.task_time_limit,
        # Failing to store a result must never acknowledge the message.
        "result_backend_always_retry": True,
        "result_expires": int(settings.retention),
        # Our publisher decides about trying again; Celery's would leave one more copy each time.
        "task_publish_retry": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": CONNECT_TIMEOUT,
        # Otherwise the worker exits when RabbitMQ's consumer timeout closes its channel.
        "broker_channel_error_retry": True,
        "broker_heartbeat": settings.broker_heartbeat,
        "broker_transport_options": _transport_options(settings),
        # What runs goes on though its message can be acknowledged no more: its claim in the ledger drops the copy
        # that the broker delivers again.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_concurrency": settings.concurrency,
        "worker_consumer": "async_tasks.engine.consumer:Consumer",
        # Flower sees tasks by these events.
        "worker_send_task_events": True,
        "task_send_sent_event": False,
        # Logging is ours (ops/logging.py), so that every line of a task carries its id.
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts_level": "INFO",
    }


def _transport_options(settings: Settings) -> dict[str, Any]:
    if topology.is_amqp(settings):
        # Without these a worker that asks something of a broker which has fallen silent waits for ever.
        silence = 2 * settings.broker_heartbeat
        return {"read_timeout": silence, "write_timeout": silence}
    return {
        "visibility_timeout": VISIBILITY_TIMEOUT,
        "socket_keepalive": True,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        # Else a worker that says anything to a store which has fallen silent waits for ever.
        "socket_timeout": min(CONNECT_TIMEOUT, settings.broker_heartbeat),
        # Kombu opens another connection when nothing came for that long and a second.
        "health_check_interval": settings.broker_heartbeat,
    }


def _route(name: str, *_: Any, **__: Any) -> dict[str, str]:
    try:
        queue = catalog.get(name).options.queue
    except UnknownTask:
        queue = None
    return {"queue": queue or QUEUE}
