"""Every call of the API ends in bounded time, also when everything falls silent in the middle of one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.support import door
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parametrize("profile", ["rabbitmq"], indirect=True)


def test_a_submission_whose_broker_and_then_whose_store_fall_silent_is_answered_in_time(profile, running_system):
    with ExitStack() as stack:
        store, broker = (stack.enter_context(Proxy(server.port)) for server in (profile.store, profile.broker))
        env = {
            "ASYNC_TASKS_REDIS_URL": profile.store.url.replace(str(profile.store.port), str(store.port)),
            "ASYNC_TASKS_BROKER_URL": profile.broker_url.replace(str(profile.broker.port), str(broker.port)),
        }
        system = running_system(modules=("tests.support.tasks",), env=env)
        system.start("web")
        assert door.submit(system, "echo", {"value": 1}).status_code == 202
        broker.pause()
        recorded = store.passed["to_client"]
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(door.submit, system, "echo", {"value": 2})
            # Its record is the answer of the store; the note that the first one was published has a few bytes.
            wait_until(lambda: store.passed["to_client"] > recorded + 100, message="the record")
            store.pause()
            assert answer.result().json()["state"] == "PENDING"
