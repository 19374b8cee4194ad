"""Limits of a task over two workers: never exceeded, nothing lost, no attempt counted, others not held up."""

from __future__ import annotations

import pytest

from async_tasks import engine, submission
from async_tasks.ledger import State
from tests.integration.conftest import outlive_results
from tests.support.waiting import wait_until

MODULES = ("tests.support.limited_tasks",)


@pytest.fixture
def app(profile):
    app = engine.build(profile.settings(modules=MODULES))
    yield app
    outlive_results(app)
    app.close_connections()


@pytest.fixture
def two_workers(running_system):
    """Two workers with three processes each."""
    system = running_system(modules=MODULES)
    for name in ("one", "two"):
        system.launch("worker", "--concurrency", "3", name=name)
    for name in ("one", "two"):
        system.wait_ready(name)
    return system


def trace(path):
    """What ran: times, kinds and numbers, in order."""
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return sorted((float(at), kind, int(number)) for at, kind, number in lines)


def submitted(app, name, path, numbers, **given):
    return [submission.submit(app, name, {"path": str(path), "number": number, **given}).id for number in numbers]


def wait_for_all(app, ids, timeout=60):
    def finished():
        records = app.ledger.get_many(ids)
        return all(record.finished for record in records.values()) and records

    return wait_until(finished, timeout, lambda: str(app.ledger.controls.limits()))


def most_at_a_time(steps):
    running = most = 0
    for _, kind, _ in steps:
        running += 1 if kind == "start" else -1
        most = max(most, running)
    return most


def test_limits_hold_across_workers(app, two_workers, tmp_path):
    slots, rate, others = tmp_path / "slots", tmp_path / "rate", tmp_path / "others"
    narrow = submitted(app, "narrow", slots, range(60))
    steady = submitted(app, "steady", rate, range(60))
    free = submitted(app, "unlimited", others, range(20))
    records = wait_for_all(app, [*narrow, *steady, *free])
    assert {record.state for record in records.values()} == {State.SUCCESS}
    assert {record.attempts for record in records.values()} == {1}

    steps = trace(slots)
    assert len(steps) == 120
    assert most_at_a_time(steps) == 2
    starts = [at for at, _, _ in trace(rate)]
    assert len(starts) == 60
    for first, last in zip(starts, starts[22:], strict=False):
        # Twenty in a second, and the two that may make up for what was late.
        assert last - first > 0.9, starts
    # Nothing without a limit waits for what has one.
    assert trace(others)[-1][0] < steps[-1][0]

    held = [record for record in records.values() if record.timeline[1]["event"] == "limited"]
    assert {record.name for record in held} >= {"narrow"}
    for record in held:
        # However often it was sent and came too late: told once.
        assert [entry["event"] for entry in record.timeline] == ["submitted", "limited", "started", "succeeded"]
        assert record.timeline[1]["detail"] == {"narrow": "at most 2 at a time", "steady": "at most 20/s"}[record.name]

    # What a killed worker ran gives its slots back with its leases; and nothing of it is lost.
    more = submitted(app, "narrow", tmp_path / "more", range(12), seconds=0.4)
    victim = wait_until(
        lambda: (
            next((r for r in app.ledger.get_many(more).values() if (r.worker or "").startswith("two@")), None)
            or (all(r.finished for r in app.ledger.get_many(more).values()) and "none of them")
        ),
        30,
        "the second worker to run one",
    )
    assert victim != "none of them"
    two_workers.processes["two"].kill()
    records = wait_for_all(app, more)
    assert {record.state for record in records.values()} == {State.SUCCESS}
    assert app.ledger.controls.limits()["narrow"].running == 0
    assert {number for _, kind, number in trace(tmp_path / "more") if kind == "end"} == set(range(12))
