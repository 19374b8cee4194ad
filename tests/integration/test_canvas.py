"""Celery's canvas on our ledger ends as on Celery's own Redis backend, with a truthful record for every member."""

from __future__ import annotations

import os
import re
import sys

import pytest
from celery import chain, chord, group
from celery.result import AsyncResult, GroupResult

from async_tasks.ledger import FINAL
from tests.integration.conftest import outlive_results
from tests.support.processes import Process
from tests.support.stock import make_client
from tests.support.system import ROOT
from tests.support.waiting import wait_until

CASES = {
    "one": lambda t: t["add"].s(1, 2),
    "group": lambda t: group(t["add"].s(i, i) for i in range(5)),
    "chain": lambda t: chain(t["add"].s(1, 2), t["add"].s(3), t["add"].s(4)),
    "immutable chain": lambda t: chain(t["add"].s(1, 2), t["add"].si(3, 4)),
    "chord": lambda t: chord([t["add"].s(i, i) for i in range(5)], t["total"].s()),
    "group in a chain": lambda t: chain(t["add"].s(1, 1), group(t["add"].s(i) for i in range(3)), t["total"].s()),
    "chain in a group": lambda t: group(chain(t["add"].s(i, 1), t["add"].s(10)) for i in range(3)),
    "chord in a chord": lambda t: chord(
        [chord([t["add"].s(1, 1), t["add"].s(2, 2)], t["total"].s()), t["add"].s(5, 5)], t["total"].s()
    ),
    "chains in a chord": lambda t: chord([chain(t["add"].s(i, 1), t["add"].s(1)) for i in range(3)], t["total"].s()),
    "group in a group": lambda t: group(t["add"].s(1, 1), group(t["add"].s(2, 2), t["add"].s(3, 3))),
    "replace": lambda t: t["replaced"].s(4),
    "replace in a chain": lambda t: chain(t["replaced"].s(4), t["add"].s(100)),
    "replace by a chain": lambda t: t["replaced_by_chain"].s(4),
    "replace by a chain in a chord": lambda t: chord([t["replaced_by_chain"].s(i) for i in range(3)], t["total"].s()),
    "replace by a group": lambda t: t["replaced_by_group"].s(1),
    "replace by a group in a chain": lambda t: chain(t["replaced_by_group"].s(1), t["total"].s()),
    "retry in a chain": lambda t: chain(t["retry_by_hand"].s(0.05), t["add"].s(1)),
    "retry in a chord": lambda t: chord([t["retry_by_hand"].s(0.05), t["add"].s(1, 1)], t["total"].s()),
    "error": lambda t: t["fail"].s("x"),
    "error at the beginning of a chain": lambda t: chain(t["fail"].s("x"), t["echo"].s(), t["echo"].s()),
    "error in the middle of a chain": lambda t: chain(t["echo"].s("x"), t["fail"].s(), t["echo"].s()),
    "error in a group": lambda t: group(t["add"].s(1, 1), t["fail"].s("x")),
    "error in a chord": lambda t: chord([t["add"].s(1, 1), t["fail"].s("x")], t["total"].s()),
    "error in the body of a chord": lambda t: chord([t["echo"].s("x")], t["fail"].si("body")),
    "error before a group in a chain": lambda t: chain(t["fail"].s("x"), group(t["echo"].s(), t["echo"].s())),
}

#: Celery leaves these members PENDING for ever; ours end.
NEVER_ENDS_ON_STOCK = {"error before a group in a chain"}


UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def ids_of(result, seen=None):
    """Every id that a result tree names."""
    seen = set() if seen is None else seen
    if isinstance(result, GroupResult):
        for member in result.results:
            ids_of(member, seen)
    else:
        seen.add(result.id)
    if result.parent is not None:
        ids_of(result.parent, seen)
    return seen


def end_of(result):
    """What a client sees of each member, in the order of the tree."""
    if isinstance(result, GroupResult):
        tree = [end_of(member) for member in result.results]
    else:
        value = result.result
        shown = (type(value).__name__, UUID.sub("*", str(value.args))) if isinstance(value, BaseException) else value
        tree = (result.state, shown)
    return (tree, end_of(result.parent)) if result.parent is not None else tree


def wait_for(result):
    members = [result]
    while members:
        member = members.pop()
        if isinstance(member, GroupResult):
            members += member.results
        else:
            wait_until(member.ready, 10, f"the end of {member.id}")


@pytest.fixture
def stock(redis_server, tmp_path):
    app = make_client(redis_server.url, redis_server.url)
    process = Process(
        [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "tests.support.stock",
            "worker",
            "-c",
            "4",
            "-l",
            "info",
            "-n",
            "stock@here",
        ],
        tmp_path / "stock.log",
        env={**os.environ, "STOCK_BROKER": redis_server.url, "STOCK_BACKEND": redis_server.url},
        cwd=ROOT,
    )
    process.start()
    wait_until(lambda: " ready." in process.output, 30, process.tail)
    yield app
    process.kill()
    outlive_results(app)
    app.backend.result_consumer.stop()
    app.backend.client.connection_pool.disconnect()
    app.close()


def test_every_case_ends_as_on_stock_celery(app, workers, stock):
    """One test for all cases: both workers are started once."""
    wrong = {}
    for name, build in CASES.items():
        theirs = build(stock.tasks).apply_async()
        ours = build(app.tasks).apply_async()
        try:
            wait_for(ours)
        except AssertionError:
            wrong[name] = [app.ledger.get(task_id) for task_id in ids_of(ours)]
            continue
        if name in NEVER_ENDS_ON_STOCK:
            continue
        wait_for(theirs)
        if end_of(theirs) != end_of(ours):
            wrong[name] = (end_of(theirs), end_of(ours))
        for task_id in ids_of(ours):
            record = app.ledger.get(task_id)
            if record is None or record.state not in FINAL or record.state != app.AsyncResult(task_id).state:
                wrong[f"{name}: record of {task_id}"] = record
    assert not wrong, "\n".join(f"{name}:\n  {value}" for name, value in wrong.items())


def test_links_run_after_success_and_error_links_after_failure(app, workers, tmp_path):
    tasks = app.tasks
    good, bad = tmp_path / "good", tmp_path / "bad"
    linked = tasks["add"].apply_async((1, 2), link=tasks["append"].si(str(good), "linked"))
    assert linked.get(timeout=10) == 3
    wait_until(lambda: good.exists() and "end linked" in good.read_text(), 10)
    failing = tasks["fail"].apply_async(("x",), link_error=tasks["append"].si(str(bad), "errback"))
    with pytest.raises(ValueError, match="x"):
        failing.get(timeout=10)
    wait_until(lambda: bad.exists() and "end errback" in bad.read_text(), 10)


def test_members_have_their_records_before_their_turn(app, running_system):
    """Without any worker: the rest of a chain waits under its own id, and falls with its parent."""
    tasks = app.tasks
    last = chain(tasks["add"].s(1, 2), tasks["add"].s(3), tasks["add"].s(4)).apply_async()
    ids = [last.id, last.parent.id, last.parent.parent.id]
    records = [app.ledger.get(task_id) for task_id in ids]
    assert [str(record.state) for record in records] == ["PENDING"] * 3
    assert records[0].timeline[0]["detail"] == f"waits for {ids[2]}"
    app.ledger.cancel(ids[2])
    assert {app.ledger.get(task_id).state for task_id in ids} == {"REVOKED"}
    assert isinstance(app.AsyncResult(ids[0]), AsyncResult)
    assert app.AsyncResult(ids[0]).state == "REVOKED"
