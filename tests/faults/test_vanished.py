"""A message that the broker has no more, or that a dead worker took along: its task runs, however busy the queue is."""

from __future__ import annotations

import threading
from itertools import count

from async_tasks import queries
from async_tasks.engine import topology
from async_tasks.ledger import State
from async_tasks.submission import submit

#: Seconds of each task that keeps the queue busy, and of the worker's one process for all that wait at a time.
SECONDS, AT_A_TIME = 0.05, 100


def take_first(app):
    """Take the first message of the queue and forget it, as a worker does that is killed before it claims it."""
    with app.connection_for_read() as connection:
        queue = topology.queues(app.settings)[0].bind(connection.default_channel)
        message = queue.get(no_ack=True)
        assert message is not None
        return message.headers["id"]


def test_what_is_overtaken_is_published_again_though_its_queue_is_never_empty(app, running_system):
    first = submit(app, "add", {"a": 1, "b": 2})
    assert take_first(app) == first.id
    waiting = [submit(app, "slowly", {"value": n, "seconds": SECONDS}).id for n in range(AT_A_TIME)]
    system = running_system(modules=("tests.support.tasks",), env={"ASYNC_TASKS_CONCURRENCY": "1"})
    ended, least = threading.Event(), [AT_A_TIME]

    def keep_busy():
        """As many as end are submitted, so that the queue is never empty."""
        for n in count(AT_A_TIME):
            while queries.get(app, waiting[-AT_A_TIME // 2]).state is State.PENDING:
                if ended.wait(0.02):
                    return
            waiting.append(submit(app, "slowly", {"value": n, "seconds": SECONDS}).id)
            least[0] = min(least[0], app.publisher.depths(["celery_see"])["celery_see"])

    busy = threading.Thread(target=keep_busy)
    busy.start()
    try:
        system.start("worker")
        record = queries.wait(app, first.id, 30)
    finally:
        ended.set()
        busy.join()
    assert least[0] > 0, "the queue was empty"
    assert record.state is State.SUCCESS
    assert "published again" in [entry["event"] for entry in record.timeline]
    assert all(queries.get(app, each).attempts <= 1 for each in waiting), "others were published in vain, and ran twice"
