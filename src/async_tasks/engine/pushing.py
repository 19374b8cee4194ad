"""Messages as Kombu's Redis transport keeps them, for the script that records a task and publishes it at once.

Where the broker is the ledger's own store, both are one transaction: no task is recorded and not published, nothing
is uncertain, and one round trip does what takes three otherwise.
"""

from __future__ import annotations

import base64
import uuid
from bisect import bisect
from typing import Final

from kombu.transport.redis import PRIORITY_STEPS, Channel
from kombu.utils.json import dumps

from async_tasks.ledger import Envelope, Push

#: Kombu's Redis transport serves the lowest number first; ours, like RabbitMQ's, the highest.
MOST_URGENT: Final = 9


def transport_priority(envelope: Envelope) -> int:
    """The priority of a message in the transport's own order."""
    return MOST_URGENT - int(envelope.properties.get("priority") or 0)


def push_of(envelope: Envelope) -> Push:
    """What Kombu would push for a message, and onto which list.

    The form is of ``kombu.transport.virtual``: every worker since Kombu 3 reads it.
    """
    priority = transport_priority(envelope)
    step = PRIORITY_STEPS[bisect(PRIORITY_STEPS, priority) - 1]
    properties = dict(envelope.properties)
    message = {
        "body": base64.b64encode(envelope.body).decode(),
        "content-encoding": properties.pop("content_encoding"),
        "content-type": properties.pop("content_type"),
        "headers": dict(envelope.headers),
        "properties": {
            **properties,
            "delivery_info": {"exchange": envelope.exchange, "routing_key": envelope.routing_key},
            "priority": priority,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    queue = envelope.routing_key
    return Push(key=f"{queue}{Channel.sep}{step}" if step else queue, message=dumps(message))
