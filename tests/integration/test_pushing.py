"""Where the broker is the ledger's own store, recording and publishing are one transaction."""

from __future__ import annotations

import json

import pytest

from async_tasks import engine
from async_tasks.engine.pushing import push_of
from async_tasks.errors import StoreUnavailable
from async_tasks.ledger import Envelope, State
from async_tasks.ledger.connection import PREFIX
from async_tasks.submission import submit
from tests.integration.conftest import MODULES, outlive_results


@pytest.fixture
def app(store_profile):
    """The engine as a client has it, on the embedded default."""
    app = engine.build(store_profile.settings(modules=MODULES, queues=("other",)))
    yield app
    outlive_results(app)
    app.close_connections()


@pytest.fixture
def lists(store_profile):
    """What is in the broker: the messages by their lists."""
    with store_profile.store.client() as client:
        yield lambda: {
            key: [json.loads(text) for text in client.lrange(key, 0, -1)]
            for key in client.scan_iter(_type="list")
            if key.startswith(("celery_see", "other"))
        }


def without_tag(message):
    properties = {name: value for name, value in message["properties"].items() if name != "delivery_tag"}
    return message | {"properties": properties}


@pytest.mark.parametrize("priority", [None, 0, 1, 5, 9])
def test_a_message_is_what_kombu_would_push_where_kombu_would(app, store_profile, lists, priority):
    properties = {"content_type": "application/json", "content_encoding": "utf-8", "correlation_id": "x"}
    if priority is not None:
        properties["priority"] = priority
    envelope = Envelope(
        exchange="celery_see", routing_key="other", body=b'[[], {"a": "\xc3\xa9"}, {}]', headers={"id": "x", "n": None},
        properties=properties | {"delivery_mode": 2},
    )  # fmt: skip

    push = push_of(envelope)
    app.publisher.publish("x", envelope)

    assert {key: [without_tag(m) for m in messages] for key, messages in lists().items()} == {
        push.key: [without_tag(json.loads(push.message))]
    }


def test_what_is_recorded_is_published(app, lists):
    record = submit(app, "add", {"a": 1, "b": 2})

    (message,) = lists()["celery_see\x06\x169"]
    assert message["headers"]["id"] == record.id
    assert record.state is State.PENDING
    assert app.ledger.connection.client.zscore(f"{PREFIX}due", record.id) is None


def test_what_is_not_due_is_only_recorded(app, lists):
    submit(app, "add", {"a": 1, "b": 2}, delay=60)

    assert lists() == {}


def test_what_is_there_already_is_not_published_again(app, lists):
    for _ in range(2):
        submit(app, "add", {"a": 1, "b": 2}, idempotency_key="the same")

    assert sum(map(len, lists().values())) == 1


def test_a_store_that_is_full_takes_neither(app, store_profile, lists):
    with store_profile.store.client() as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailable):
            submit(app, "add", {"a": 1, "b": 2})
        client.config_set("maxmemory", 0)

    assert lists() == {}
    assert app.ledger.connection.client.keys(f"{PREFIX}task:*") == []
