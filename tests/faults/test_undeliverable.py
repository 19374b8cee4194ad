"""Messages that RabbitMQ does not take, or gives up: their records say so, and none waits for ever."""

from __future__ import annotations

import pytest
from kombu import Connection, Exchange, Queue

from async_tasks import queries
from async_tasks.errors import Undeliverable
from async_tasks.ledger import State
from async_tasks.settings import QUEUE
from async_tasks.submission import submit
from tests.support import door
from tests.support.waiting import wait_until

MODULES = ("tests.support.tasks",)

pytestmark = pytest.mark.parametrize("profile", ["rabbitmq"], indirect=True)


def vhost(profile):
    return profile.broker_url.rpartition("/")[2]


def set_policy(profile, definition):
    """As ``rabbitmqctl set_policy``, for the default queue."""
    profile.rabbit.evaluate(
        f'ok = rabbit_policy:set(<<"{vhost(profile)}">>, <<"scratch">>, <<"^{QUEUE}$">>, {definition}, 0, <<"queues">>, '
        '<<"tests">>)'
    )


def assert_undeliverable(record):
    assert (record.state, record.error["type"]) == (State.FAILURE, "async_tasks.errors.Undeliverable")
    assert record.error["message"].startswith("undeliverable: ")
    assert record.timeline[-1]["detail"] == "undeliverable"


@pytest.fixture
def publisher_only(profile, running_system):
    """A web process whose user may publish and nothing else: it can declare no exchange and no queue."""
    user = f"web-{vhost(profile)}"
    profile.rabbit.evaluate(
        f'ok = rabbit_auth_backend_internal:add_user(<<"{user}">>, <<"secret">>, <<"tests">>), '
        f'ok = rabbit_auth_backend_internal:set_permissions(<<"{user}">>, <<"{vhost(profile)}">>, <<"^$">>, '
        f'<<"^{QUEUE}$">>, <<"^$">>, <<"tests">>)'
    )
    url = profile.broker_url.replace("guest:guest", f"{user}:secret")
    system = running_system(modules=MODULES, env={"ASYNC_TASKS_BROKER_URL": url})
    system.start("web")
    yield system
    profile.rabbit.evaluate(f'rabbit_auth_backend_internal:delete_user(<<"{user}">>, <<"tests">>)')


def test_what_has_no_exchange_or_no_queue_is_refused_at_the_door(app, publisher_only, profile, running_system):
    def refused():
        answer = door.submit(publisher_only, "add", {"a": 1, "b": 2})
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/undeliverable"), answer.text
        record = queries.get(app, answer.json()["id"])
        assert_undeliverable(record)
        return record.error["message"]

    assert "no exchange" in refused()
    with Connection(profile.broker_url) as connection:
        Exchange(QUEUE, type="direct", durable=True)(connection.default_channel).declare()
    assert "NO_ROUTE" in refused()
    # A worker declares both, and what is submitted from now on runs.
    running_system(modules=MODULES).start("worker")
    task_id = door.assert_accepted(door.submit(publisher_only, "add", {"a": 1, "b": 2}))
    assert queries.wait(app, task_id, 20).result == 3


@pytest.mark.parametrize("exchange", [QUEUE, "nowhere"])
def test_what_is_sent_by_a_wrong_name_is_refused(app, exchange):
    app.publisher.check(5)
    with pytest.raises(Undeliverable) as refused:
        app.send_task("add", kwargs={"a": 1, "b": 2}, exchange=exchange, routing_key="nowhere", queue=None)
    assert_undeliverable(queries.get(app, refused.value.task_id))
    # What goes by right names is not held up.
    assert submit(app, "add", {"a": 1, "b": 2}).state is State.PENDING


def test_what_a_full_queue_refuses_waits_and_runs_when_there_is_room(app, profile, running_system):
    system = running_system(modules=MODULES)
    system.start("web")
    set_policy(profile, '[{<<"max-length">>, 3}]')
    ids = [door.assert_accepted(door.submit(system, "add", {"a": n, "b": 1})) for n in range(8)]
    waiting = [task_id for task_id in ids if "refused" in str(door.read(system, task_id).json()["timeline"])]
    assert waiting, "the queue was never full"
    system.start("worker")
    for n, task_id in enumerate(ids):
        ended = queries.wait(app, task_id, 40)
        assert (ended.state, ended.result, ended.attempts) == (State.SUCCESS, n + 1, 1)


@pytest.fixture
def nobody_consumes(app, running_system):
    """A dispatcher that reads the dead letters, beside a worker that does not take from the default queue."""
    system = running_system(modules=MODULES)
    system.launch("worker", "--queues", "other")
    system.wait_ready("worker")
    return system


def take(connection):
    """The next message of the default queue, unacknowledged."""
    queue = Queue(QUEUE)(connection.default_channel)
    return wait_until(lambda: queue.get(no_ack=False), 10, "a message")


def test_what_the_broker_gives_up_is_written_into_its_record(app, profile, nobody_consumes):
    def assert_given_up(record, state, reason):
        ended = queries.wait(app, record.id, 30)
        assert (ended.state, ended.timeline[-1]["detail"], ended.attempts) == (state, reason, 0)

    with Connection(profile.broker_url) as connection:
        rejected = submit(app, "add", {"a": 1, "b": 2})
        take(connection).reject()
        assert_given_up(rejected, State.FAILURE, "a worker rejected the message")
        exhausted = submit(app, "add", {"a": 1, "b": 2})
        for _ in range(21):
            take(connection).requeue()
        assert_given_up(exhausted, State.FAILURE, "the broker gave up after too many deliveries")
    set_policy(profile, '[{<<"message-ttl">>, 100}]')
    expired = submit(app, "add", {"a": 1, "b": 2})
    assert_given_up(expired, State.REVOKED, "expired in its queue")
    wait_until(lambda: profile.rabbit.depths(vhost(profile))[f"{QUEUE}.dead"] == 0, 10, "the dead letters to be read")
