"""Effects that are marked in the ledger, and tasks that end badly around them."""

from __future__ import annotations

import pytest

from async_tasks import queries
from async_tasks.ledger import State
from async_tasks.ledger.connection import PREFIX
from async_tasks.submission import replay, submit
from tests.support.tasks import pay_once


@pytest.mark.parametrize(
    ("how", "effects", "receipt", "attempts"),
    [
        ("well", ["paid", "noted"], "receipt 1", 1),
        ("raises", ["paid", "noted"], "receipt 1", 2),
        ("killed", ["paid", "noted"], "receipt 1", 2),
        # The gap that nobody can close: killed after the effect, before it was marked.
        ("killed before the mark", ["paid", "paid", "noted"], "receipt 2", 2),
    ],
)
def test_a_marked_effect_is_not_repeated(app, workers, tmp_path, how, effects, receipt, attempts):
    path = tmp_path / "effects"
    record = submit(app, "pay_once", {"path": str(path), "how": how})
    ended = queries.wait(app, record.id, 30)
    assert (ended.state, ended.result, ended.attempts) == (State.SUCCESS, receipt, attempts)
    assert path.read_text().splitlines() == effects
    assert [e["detail"] for e in ended.timeline if e["event"] == "effect done"] == ["paid", "noted"]
    # Another task has effects of its own, and nothing is left of a task that is removed.
    again = replay(app, record.id)
    assert queries.wait(app, again.id, 30).state is State.SUCCESS
    assert path.read_text().splitlines() == [*effects, "paid", "noted"]
    app.ledger.forget(record.id)
    assert not app.ledger.client.exists(f"{PREFIX}effects:{record.id}")


def test_a_function_that_is_called_directly_keeps_nothing(tmp_path):
    path = tmp_path / "effects"
    assert [pay_once(str(path), "well") for _ in range(2)] == ["receipt 1", "receipt 3"]
