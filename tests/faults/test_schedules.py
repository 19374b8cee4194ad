"""Scheduled tasks: once each, however many dispatchers there are, and whatever happens to them."""

from __future__ import annotations

from collections import Counter

import pytest

from async_tasks import queries
from async_tasks.ledger.connection import PREFIX
from tests.support.waiting import wait_until

MODULES = ("tests.support.scheduled_tasks",)


@pytest.fixture
def several(running_system):
    """Three workers, each with its dispatcher."""
    system = running_system(modules=MODULES)
    for number in range(3):
        system.launch("worker", "--concurrency", "1", name=f"worker{number}")
    for number in range(3):
        system.wait_ready(f"worker{number}")
    return system


def runs(app):
    page = queries.page(app, name="tick", limit=200)
    return [record for record in page.tasks if record.finished]


def test_every_moment_is_one_run_with_three_dispatchers_of_which_one_dies(app, several):
    wait_until(lambda: len(runs(app)) >= 3, 30, "three runs")
    several.processes["worker0"].kill()
    before = len(runs(app))
    wait_until(lambda: len(runs(app)) >= before + 4, 30, "four more")
    for name in ("worker1", "worker2"):
        several.processes[name].kill()
    records = queries.page(app, name="tick", limit=200).tasks
    moments = Counter(record.submitted_at // 1000 for record in records)
    assert max(moments.values()) == 1, moments
    assert {record.submitted_by for record in records} == {"schedule"}
    late = [record.submitted_at % 1000 for record in records[:-1]]
    assert max(late) < 900, late


def test_a_run_that_was_missed_is_made_up_for_once(app, running_system):
    system = running_system(modules=MODULES)
    system.start("worker")
    wait_until(lambda: runs(app), 30, "a run")
    system.processes["worker"].kill()
    # As if nobody had been there for an hour.
    app.ledger.client.zincrby(f"{PREFIX}schedules", -3_600_000, "tick")
    known = {record.id for record in queries.page(app, name="tick", limit=200).tasks}
    system.processes["worker"].start()
    wait_until(lambda: len([r for r in runs(app) if r.id not in known]) >= 3, 30, "runs again")
    system.processes["worker"].kill()
    new = [record for record in queries.page(app, name="tick", limit=200).tasks if record.id not in known]
    assert len(new) < 30, "an hour of seconds was made up for one by one"
