"""A thousand tasks, everything killed at once while they run: none is lost, none is unknown."""

from __future__ import annotations

from collections import Counter

from async_tasks import submission
from async_tasks.ledger import State
from tests.support.records import how_many
from tests.support.waiting import wait_until

COUNT = 1000


def test_nothing_is_lost_when_everything_is_killed_at_once(app, workers, profile, tmp_path):
    path = tmp_path / "effects"
    ids = [
        submission.submit(app, "append", {"path": str(path), "line": str(n), "seconds": 0.005}).id for n in range(COUNT)
    ]
    wait_until(lambda: how_many(app, State.SUCCESS) > COUNT // 20, 30)

    workers.end()
    profile.store.kill()
    if profile.broker is not profile.store:
        profile.broker.kill()
    profile.store.start()
    if profile.broker is not profile.store:
        profile.broker.start()
    before = how_many(app, State.SUCCESS)
    assert before < COUNT, "the kill came too late to show anything"

    workers.start("worker")
    wait_until(
        lambda: how_many(app, State.SUCCESS) == COUNT,
        90,
        lambda: str({state: how_many(app, state) for state in State}),
    )
    assert {record.state for record in app.ledger.get_many(ids).values()} == {State.SUCCESS}
    ends = Counter(line.removeprefix("end ") for line in path.read_text().splitlines() if line.startswith("end "))
    assert set(ends) == {str(n) for n in range(COUNT)}
    # What ran at the kill may run twice, and nothing else may.
    assert sum(ends.values()) <= COUNT + app.settings.concurrency
