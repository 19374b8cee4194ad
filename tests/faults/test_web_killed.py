"""The web process is killed at every step of a submission: what was answered runs, the rest runs once or not at all."""

from __future__ import annotations

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import psutil
import pytest

from async_tasks import queries
from async_tasks.ledger import State
from async_tasks.ledger.connection import PREFIX
from tests.support.proxy import Proxy
from tests.support.records import how_many
from tests.support.waiting import wait_until

MODULES = ("tests.support.tasks",)

#: The beginning of what RabbitMQ says when it has a message: the method basic.ack.
ACK = b"\x00\x3c\x00\x50"
#: An integer, with which Redis answers a push.
PUSHED = b":"


class Door:
    """A web process between proxies, a worker that sees none of them, and callers that may get no answer."""

    def __init__(self, app, profile, running_system, path, proxies, *, one_server):
        self.app = app
        self.path = path
        self.store = store = proxies.enter_context(Proxy(profile.store.port))
        self.broker = broker = store if one_server else proxies.enter_context(Proxy(profile.broker.port))
        self.web = running_system(
            modules=MODULES,
            env={
                "ASYNC_TASKS_REDIS_URL": profile.store.url.replace(f":{profile.store.port}", f":{store.port}"),
                "ASYNC_TASKS_BROKER_URL": profile.broker_url.replace(f":{profile.broker.port}", f":{broker.port}"),
                # Nothing gives up while the test decides.
                "ASYNC_TASKS_STORE_TIMEOUT": "30",
            },
        )
        self.http = proxies.enter_context(Proxy(self.web.port))
        self.workers = running_system(modules=MODULES)
        self.callers = proxies.enter_context(ThreadPoolExecutor(8))
        self.answered = {}  # ids by lines
        self.asked = []  # lines

    def post(self, line):
        """Submit; whether it was accepted. None: there was no answer."""
        self.asked.append(line)
        try:
            answer = httpx.post(
                f"{self.http.url}/api/v1/tasks/append",
                json={"path": str(self.path), "line": line},
                headers={"Idempotency-Key": line},
                timeout=60,
            )
        except httpx.TransportError:
            return None
        if answer.status_code == 202:
            self.answered[line] = answer.json()["id"]
        return answer.status_code == 202

    def begin(self, line):
        """Submit without waiting."""
        return self.callers.submit(self.post, line)

    def kill(self):
        self.web.processes["web"].kill()
        for proxy in (self.http, self.store, self.broker):
            # What is on its way is lost with its sender.
            proxy.reset()
            proxy.resume()
            proxy.withhold(None)

    def count(self):
        return how_many(self.app)

    def record(self, line):
        newest = queries.page(self.app, limit=10).tasks
        return next((record for record in newest if record.args["line"] == line), None)

    def wait_for(self, line, *, finished=False):
        """Until there is a record, or until it has ended."""
        wait_until(lambda: (record := self.record(line)) and (record.finished or not finished), 60, line)

    def starts(self):
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        ends = Counter(line.removeprefix("end ") for line in lines if line.startswith("end "))
        assert ends == Counter(line.removeprefix("start ") for line in lines if line.startswith("start "))
        return ends

    def reconcile(self):
        """Every record has ended well, every 202 has run, and nothing has run twice."""
        left = [f"{PREFIX}{name}" for name in ("due", "leases", "waiting:celery_see", "expiring")]
        client = self.app.ledger.client
        wait_until(lambda: not client.exists(*left), 60, lambda: f"{queries.page(self.app, limit=5)}")
        assert not [*client.scan_iter(f"{PREFIX}msg:*")]
        assert how_many(self.app, State.SUCCESS) == self.count()
        runs = self.starts()
        assert sum(runs.values()) == self.count(), "a task without a record, or a record without a run"
        assert set(runs.values()) <= {1}, runs
        for line, task_id in self.answered.items():
            assert self.app.ledger.get(task_id).state is State.SUCCESS
            assert runs[line] == 1
        return runs


@pytest.fixture
def open_door(app, profile, running_system, tmp_path):
    """Makes the door; broker and store may look like two servers though they are one."""
    with ExitStack() as proxies:

        def make(*, one_server=profile.broker is profile.store):
            door = Door(app, profile, running_system, tmp_path / "effects", proxies, one_server=one_server)
            door.workers.launch("worker")
            door.web.start("web")
            door.workers.wait_ready("worker")
            proxies.callback(door.web.end)
            return door

        yield make


@pytest.fixture
def door(open_door):
    return open_door()


def before_the_record(door, line):
    """It connects to the store, and nothing gets through."""
    door.store.pause()
    door.store.reset()
    known = door.store.accepted
    call = door.begin(line)
    wait_until(lambda: door.store.accepted > known, 30, "the web process to turn to the store")
    return call


def while_the_store_answers(door, line):
    """The record stands, and the web process does not know."""
    door.store.withhold(line.encode())
    call = door.begin(line)
    door.wait_for(line)
    return call


def before_the_publish(door, line):
    """The record stands, and nothing gets through to the broker."""
    door.broker.pause()
    call = door.begin(line)
    door.wait_for(line)
    return call


def before_the_confirm(door, line):
    """The broker has the message, and the web process does not know."""
    door.broker.withhold(ACK if door.web.profile.name == "rabbitmq" else PUSHED)
    call = door.begin(line)
    door.wait_for(line, finished=True)
    return call


def before_the_answer(door, line):
    """All is done but for the answer."""
    door.http.withhold(b"HTTP/1.1 202")
    call = door.begin(line)
    door.wait_for(line, finished=True)
    return call


STEPS = (before_the_record, while_the_store_answers, before_the_publish, before_the_confirm, before_the_answer)
#: Where the broker is the store, a task is recorded and published in one step.
ONE_SERVER = (before_the_record, while_the_store_answers, before_the_answer)
TWO_OF_REDIS = (before_the_publish, before_the_confirm)


@pytest.mark.parametrize(
    ("profile", "one_server", "steps"),
    [("embedded", True, ONE_SERVER), ("embedded", False, TWO_OF_REDIS), ("rabbitmq", False, STEPS)],
    indirect=["profile"],
    ids=["embedded", "two of redis", "rabbitmq"],
)
def test_a_task_runs_once_or_not_at_all_wherever_its_submission_was_killed(open_door, one_server, steps):
    door = open_door(one_server=one_server)
    recorded = 0
    for step in steps:
        # Connections stand, scripts are loaded.
        assert door.post(f"first-{step.__name__}")
        call = step(door, step.__name__)
        door.kill()
        assert call.result(30) is None, step.__name__
        recorded += 1 if step is before_the_record else 2
        assert door.count() == recorded, step.__name__
        door.web.start("web")
    runs = door.reconcile()
    assert {step.__name__ for step in steps} - set(runs) <= {"before_the_record"}
    # The caller who got no answer asks again, and whatever became of the first call, it has run once then.
    for step in steps:
        assert door.post(step.__name__)
    assert set(door.reconcile()) == set(door.asked)

    # Killed with the answer, and no worker is there: it had no time to say that the message is in the broker.
    door.workers.processes["worker"].kill()
    assert door.post("answered")
    door.kill()
    door.workers.start("worker")
    assert door.reconcile()["answered"] == 1


def test_every_answer_is_kept_through_a_storm_of_kills(door):
    def ask_on(caller):
        number = 0
        while not stop:
            number += 1
            line = f"{caller}-{number}"
            # As a client does that wants it done once: again with the same key, until there is an answer.
            while door.post(line) is None and not stop:
                pass

    stop = []
    calls = [door.callers.submit(ask_on, caller) for caller in range(6)]
    try:
        for turn in range(3):
            known = len(door.answered)
            wait_until(lambda known=known: len(door.answered) > known + 20, 60, "answers")
            web = psutil.Process(door.web.processes["web"].pid)
            if turn % 2:
                door.web.processes["web"].kill()
                door.web.launch("web")
            else:  # the process that serves, of which another takes the place
                os.kill(web.children()[0].pid, signal.SIGKILL)
    finally:
        stop.append(True)
    for call in calls:
        call.result(60)
    door.kill()
    door.reconcile()


def test_a_batch_that_was_cut_in_the_middle_is_completed_when_it_is_asked_for_again(door):
    # The first is recorded alone, the others by the hundred; the answer to the first hundred does not come through.
    lines = [f"entry-{n}-" for n in range(700)]
    entries = [{"name": "append", "args": {"path": str(door.path), "line": line}} for line in lines]

    def post():
        url = f"{door.http.url}/api/v1/batches"
        return httpx.post(url, json=entries, headers={"Idempotency-Key": "a-batch"}, timeout=60)

    assert door.post("first")
    door.store.withhold(b"*300\r\n")
    call = door.callers.submit(post)
    wait_until(lambda: door.count() > 2, 30, "a part of the batch")
    door.kill()
    with pytest.raises(httpx.TransportError):
        call.result(30)
    assert door.count() < 701
    door.web.start("web")
    answer = post()
    assert answer.status_code == 202, answer.text
    assert len(set(answer.json()["ids"])) == 700
    assert set(door.reconcile()) == {"first", *lines}
