"""The network between two of the servers fails: cut, reset again and again, or silent while connections stay."""

from __future__ import annotations

from collections import Counter
from urllib.parse import urlsplit

import pytest

from async_tasks import queries
from async_tasks.ledger import State
from async_tasks.submission import submit
from tests.support import door
from tests.support.process_tasks import hold
from tests.support.proxy import Proxy
from tests.support.records import how_many
from tests.support.waiting import wait_until

#: Seconds between two signs of life of a connection to the broker; 10 by default.
HEARTBEAT = 1
LEASE = 2


def through(proxy, url):
    return url.replace(f":{urlsplit(url).port}", f":{proxy.port}")


@pytest.fixture
def broker_link(profile):
    """Between one role and the broker."""
    with Proxy(profile.broker.port) as proxy:
        yield proxy


@pytest.fixture
def store_link(profile):
    """Between one role and the store."""
    with Proxy(profile.store.port) as proxy:
        yield proxy


@pytest.fixture
def start(running_system, profile):
    """Starts roles that reach the broker or the store through a proxy."""

    def start(*roles, broker=None, store=None, heartbeat=HEARTBEAT):
        env = {
            "ASYNC_TASKS_BROKER_HEARTBEAT": str(heartbeat),
            "ASYNC_TASKS_LEASE": str(LEASE),
            "ASYNC_TASKS_CONCURRENCY": "2",
            "ASYNC_TASKS_PUBLISH_TIMEOUT": "2",
        }
        if broker is not None:
            env["ASYNC_TASKS_BROKER_URL"] = through(broker, profile.broker_url)
        if store is not None:
            env["ASYNC_TASKS_REDIS_URL"] = through(store, profile.store.url)
        system = running_system(modules=("tests.support.tasks", "tests.support.process_tasks"), env=env)
        system.start(*roles)
        return system

    return start


def lines(path):
    return Counter(path.read_text().splitlines()) if path.exists() else Counter()


def cut(proxy):
    proxy.refuse()


def silence(proxy):
    proxy.pause()


def mend(proxy):
    proxy.resume()
    proxy.listen()


@pytest.fixture
def work(app, tmp_path):
    """Submits a task that runs longer than a lease and some short ones; returns the long one's id, and a check."""

    def begin(name):
        path = tmp_path / name
        long = submit(app, "append", {"path": str(path), "line": "long", "seconds": 2 * LEASE + 1})
        wait_until(lambda: lines(path)["start long"], 30, "the start of the long task")
        short = [submit(app, "append", {"path": str(path), "line": f"{n}"}) for n in range(10)]

        def check():
            for record in (*short, long):
                ended = queries.wait(app, record.id, 60)
                assert ended.state is State.SUCCESS, ended
            done = lines(path)
            assert {line for line in done if "end" in line} == {"end long", *(f"end {n}" for n in range(10))}
            assert done["start long"] == 1, "it ran twice though its worker lived"

        return long.id, check

    return begin


def test_a_worker_without_its_broker_goes_on_with_what_it_runs(app, start, broker_link, work):
    worker = start("worker", broker=broker_link).processes["worker"]
    for fault in (cut, silence):
        _, check = work(fault.__name__)
        fault(broker_link)
        wait_until(lambda: how_many(app, State.STARTED) == 0, 40, worker.tail)
        mend(broker_link)
        check()
    assert worker.alive


def test_a_worker_notices_within_three_heartbeats_that_its_broker_says_nothing(app, start, broker_link):
    worker = start("worker", broker=broker_link).processes["worker"]
    connections = broker_link.accepted
    broker_link.pause()
    # It opens another connection; the second is for a machine that is busy.
    wait_until(lambda: broker_link.accepted > connections, 3 * HEARTBEAT + 1, worker.tail)
    record = submit(app, "add", {"a": 1, "b": 2})
    broker_link.resume()
    assert queries.wait(app, record.id, 30).result == 3
    assert worker.alive


def test_a_worker_whose_broker_link_is_reset_again_and_again_does_its_work(app, start, broker_link, work):
    worker = start("worker", broker=broker_link).processes["worker"]
    _, check = work("effects")
    for _ in range(5):
        known = broker_link.accepted
        broker_link.reset()
        wait_until(lambda known=known: broker_link.accepted > known, 20, worker.tail)
    check()
    assert worker.alive


def test_a_worker_without_the_store_keeps_what_it_did_until_it_is_back(app, start, store_link, work, tmp_path):
    worker = start("worker", store=store_link).processes["worker"]
    for fault in (cut, silence):
        long, check = work(fault.__name__)
        fault(store_link)
        wait_until(lambda fault=fault: lines(tmp_path / fault.__name__)["end long"], 30, worker.tail)
        assert queries.get(app, long).state is State.STARTED, "nobody can have heard of its end"
        mend(store_link)
        check()
    assert worker.alive


def test_the_api_accepts_without_its_broker_and_all_of_it_runs(app, start, workers, broker_link):
    web = start("web", broker=broker_link)
    for fault in (cut, silence):
        wait_until(lambda: not deferred(app, door.submit(web, "add", {"a": 1, "b": 1})), 20, "it to publish by itself")
        fault(broker_link)
        for n in range(2):
            task_id = door.assert_accepted(door.submit(web, "add", {"a": n, "b": 1}))
            assert door.read(web, task_id).status_code == 200
            # The worker's dispatcher reaches the broker: what the web process leaves to it runs at once.
            assert queries.wait(app, task_id, 30).result == n + 1
        mend(broker_link)


def deferred(app, answer):
    ended = queries.wait(app, door.assert_accepted(answer), 30)
    assert ended.state is State.SUCCESS
    return "publish deferred" in [entry["event"] for entry in ended.timeline]


def test_what_is_submitted_while_the_link_is_reset_again_and_again_runs_once(
    app, start, workers, broker_link, tmp_path
):
    web = start("web", broker=broker_link)
    path = tmp_path / "effects"
    ids = []
    for n in range(30):
        if n % 3 == 0:
            broker_link.cut("to_client" if n % 2 else "to_server", after=n)
        answer = door.submit(web, "append", {"path": str(path), "line": str(n)})
        ids.append(door.assert_accepted(answer))
    for task_id in ids:
        assert queries.wait(app, task_id, 30).state is State.SUCCESS
    # Some were published twice, by the web process and by the dispatcher that took over from it.
    assert lines(path) == {f"{which} {n}": 1 for n in range(30) for which in ("start", "end")}


@pytest.mark.parametrize("profile", ["embedded"], indirect=True)  # RabbitMQ's answers no acknowledgement
def test_what_could_not_be_acknowledged_takes_up_no_room(app, start, broker_link, tmp_path):
    # Silent for less time than after which the whole connection is given up.
    system = start("worker", broker=broker_link, heartbeat=20)
    worker = system.processes["worker"]

    def run(name):
        paths = [tmp_path / f"{name} {n}" for n in range(2)]
        records = [submit(app, hold.name, {"path": str(path)}) for path in paths]
        wait_until(lambda: all(path.exists() for path in paths), 30, lambda: f"both to run: {worker.tail()}")
        return paths, records

    paths, records = run("before")
    silence(broker_link)
    for path in paths:
        path.with_name(f"{path.name}.go").touch()
    for record in records:
        assert queries.wait(app, record.id, 30).state == State.SUCCESS
    wait_until(lambda: "not acknowledged" in worker.output, 30, worker.tail)
    mend(broker_link)
    paths, records = run("after")
    for path in paths:
        path.with_name(f"{path.name}.go").touch()
