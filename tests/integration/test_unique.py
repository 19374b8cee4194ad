"""Unique tasks: an equal submission is answered with the one that is there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from celery import group

from async_tasks import queries
from async_tasks.ledger import State
from async_tasks.ledger.connection import PREFIX
from async_tasks.submission import Entry, cancel, submit, submit_batch
from tests.support.tasks import greet, refresh
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def empty(app):
    app.ledger.client.flushall()


def test_there_is_one_while_it_is_unfinished(app, tmp_path):
    path = str(tmp_path / "effects")
    first = submit(app, "refresh", {"path": path}, delay=60)
    assert submit(app, "refresh", {"path": path}).id == first.id
    assert submit(app, "refresh", {"path": path, "seconds": "0.5"}).id == first.id
    assert refresh.delay(path).id == first.id
    assert refresh.delay(path, seconds=0.5).id == first.id
    batch = submit_batch(app, [Entry("refresh", {"path": path})] * 3)
    assert batch.ids == [first.id] * 3
    assert submit(app, "refresh", {"path": path, "seconds": 1}).id != first.id
    cancel(app, first.id)
    assert submit(app, "refresh", {"path": path}).id != first.id


def test_many_at_once_are_one(app, workers, tmp_path):
    path = tmp_path / "effects"
    app.ledger.ping()
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda _: submit(app, "refresh", {"path": str(path), "seconds": 3}), range(30)))
    assert len({record.id for record in records}) == 1
    assert queries.wait(app, records[0].id, 30).state is State.SUCCESS
    assert path.read_text().splitlines() == ["start refreshed", "end refreshed"]
    again = submit(app, "refresh", {"path": str(path), "seconds": 0})
    assert queries.wait(app, again.id, 30).state is State.SUCCESS


def test_a_window_counts_from_the_submission_whatever_became_of_it(app, workers):
    first = submit(app, "greet", {"user": "ada"})
    done = queries.wait(app, first.id, 30)
    assert done.state is State.SUCCESS
    same = submit(app, "greet", {"user": "ada", "words": "good day"})
    if same.id != first.id:  # the machine was slow: then rightly so
        assert app.ledger.now() - first.submitted_at >= 3000
    assert submit(app, "greet", {"user": "bob"}).id != first.id
    wait_until(lambda: app.ledger.now() - first.submitted_at >= 3000, 10, "the window to pass")
    assert submit(app, "greet", {"user": "ada"}).id != first.id


def test_members_of_a_canvas_all_run(app, workers):
    result = group(greet.s("eve"), greet.s("eve"))()
    assert result.get(timeout=30) == ["hello, eve"] * 2


def test_nothing_is_left_of_one_that_is_removed(app):
    record = submit(app, "greet", {"user": "ada"}, delay=60)
    cancel(app, record.id)
    app.ledger.forget(record.id)
    assert not app.ledger.client.keys(f"{PREFIX}uniq:*")
