"""A bulk action outlives its dispatchers: what was meant is done once, and counted once."""

from __future__ import annotations

from collections import Counter

from async_tasks import queries
from async_tasks.ledger import State
from async_tasks.ledger.filters import Filter
from async_tasks.submission import Entry, bulk, submit_batch
from tests.support.waiting import wait_until

MODULES = ("tests.support.tasks",)
COUNT = 60


def test_a_killed_dispatcher_leaves_nothing_out_and_nothing_twice(app, running_system, tmp_path):
    path = tmp_path / "effects"
    ids = submit_batch(
        app, [Entry("append", {"path": str(path), "line": str(n)}, delay=3600) for n in range(COUNT)]
    ).ids
    app.ledger.cancel_many(ids, "cancelled")
    system = running_system(modules=MODULES)
    for name in ("one", "two"):
        system.launch("worker", "--concurrency", "2", name=name)
    for name in ("one", "two"):
        system.wait_ready(name)
    meant = Filter(name="append", state=State.REVOKED)
    action = bulk.start(app, "replay", meant, rate=40, matched=COUNT, eligible=COUNT)

    def now():
        return queries.action(app, action.id)

    wait_until(lambda: now().done >= COUNT // 4, 30, "a part of it")
    system.processes["one"].kill()
    assert now().done < COUNT, "the kill came too late to show anything"
    wait_until(lambda: now().state == "finished", 60, lambda: f"the end of it: {now()}")
    assert (now().done, dict(now().skipped), dict(now().failed)) == (COUNT, {}, {})
    wait_until(lambda: queries.count(app, state=State.SUCCESS).number == COUNT, 60, "all to run")
    again = [record for record in queries.page(app, name="append", limit=1000).tasks if record.replay_of]
    assert Counter(record.replay_of for record in again) == Counter(ids)
    # A run that its worker's death broke off has begun twice.
    ends = Counter(line for line in path.read_text().splitlines() if line.startswith("end"))
    assert set(ends) == {f"end {n}" for n in range(COUNT)}
