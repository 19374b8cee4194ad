"""What belongs to a task is on its page: its canvas, what it started, what it repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from celery import chain, chord, group
from flask import Flask

from async_tasks import submission
from async_tasks.engine import App
from async_tasks.ledger.record import State
from async_tasks.web.family import family
from tests.integration.conftest import outlive_results
from tests.support import tasks


@pytest.fixture
def flask(make: Callable[..., Flask]) -> Flask:
    """One web application, which is the current Celery application too."""
    return make()


@pytest.fixture
def app(flask: Flask) -> Iterator[App]:
    """Its engine."""
    app: App = flask.extensions["async_tasks"]
    app.set_current()
    yield app
    outlive_results(app)


def told(app: App, task_id: str) -> list[tuple[str, str]]:
    """The relatives of a task: what each is, and its id."""
    record = app.ledger.get(task_id)
    assert record
    return [(each.role, each.id) for each in family(app, record).relatives]


def end(app: App, task_id: str) -> None:
    """End a task as a worker does."""
    record = app.ledger.get(task_id)
    assert record
    app.ledger.claim(task_id, record.message_key, owner="w", token="t", worker="w@host", lease=30, max_losses=5)
    assert app.ledger.finish(task_id, State.SUCCESS, owner="w", token="t") == "done"


def test_a_chain_a_group_and_a_chord(app: App) -> None:
    last = chain(tasks.add.s(1, 2), tasks.add.s(3), tasks.add.s(4)).apply_async()
    first, middle = last.parent.parent.id, last.parent.id
    assert told(app, first) == [("Followed by", middle), ("Followed by", last.id)]
    assert dict(told(app, last.id))["Follows"] == first

    members = group(tasks.add.s(n, n) for n in range(3)).apply_async().children
    assert {each[0] for each in told(app, members[0].id)} == {"Same group"}
    assert {each[1] for each in told(app, members[0].id)} == {members[1].id, members[2].id}

    body = chord((tasks.add.s(n, n) for n in range(2)), tasks.total.s()).apply_async()
    parts = [each.id for each in body.parent.children]
    assert sorted(told(app, body.id)) == sorted(("Waited for", each) for each in parts)
    assert ("Collected by", body.id) in told(app, parts[0])
    assert ("Same group", parts[1]) in told(app, parts[0])


def test_repetitions_and_a_task_of_its_own(app: App, flask: Flask) -> None:
    alone = submission.submit(app, "add", {"a": 1, "b": 2}).id
    assert told(app, alone) == []
    page = flask.test_client().get(f"/tasks/{alone}").text
    assert '<section id="family" class="card family" data-own aria-labelledby="family-title" hidden>' in page
    end(app, alone)
    again = submission.replay(app, alone).id
    assert told(app, alone) == [("Repeated as", again)]
    assert told(app, again) == [("Repeats", alone)]
    page = flask.test_client().get(f"/tasks/{alone}").text
    assert f'<a href="/tasks/{again}"' in page
    # Once more every few seconds, as long as one of them goes on.
    assert 'id="family" class="card family" data-own="5"' in page
    app.ledger.forget(alone)
    assert told(app, again) == [("Repeats", alone)]
    assert "no longer kept" in flask.test_client().get(f"/tasks/{again}").text


def test_a_large_family_is_cut_and_leaves_nothing_behind(app: App) -> None:
    members = [each.id for each in group(tasks.add.s(n, n) for n in range(50)).apply_async().children]
    record = app.ledger.get(members[0])
    assert record
    found = family(app, record)
    assert (found.more, 19 <= len(found.relatives) <= 20) == (True, True)
    for each in members:
        app.ledger.cancel(each)
        app.ledger.forget(each)
    assert app.ledger.client.keys("*idx:group:*") == []
