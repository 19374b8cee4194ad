"""Following changes, step by step: what is told when, across outages and what the store has dropped."""

from __future__ import annotations

import itertools

import pytest

from async_tasks import engine, submission
from async_tasks.errors import StoreUnavailable, UnknownRecord
from async_tasks.ops import watching
from async_tasks.ops.watching import Lost, Outage, Seen, changes, follow
from tests.integration.conftest import MODULES, outlive_results

ADD = ("add", {"a": 1, "b": 2})


@pytest.fixture
def app(store_profile):
    app = engine.build(store_profile.settings(modules=MODULES, store_timeout=0.5))
    yield app
    outlive_results(app)
    app.close_connections()


def trim(app):
    app.ledger.client.xtrim("at:1:changes", maxlen=1, approximate=False)


def states(found):
    return [item.record.state for item in found if isinstance(item, Seen)]


def test_a_record_is_told_as_it_is_and_whenever_it_changes(app):
    record = submission.submit(app, *ADD)
    found = follow(app, record.id, tick=0.05)
    assert next(found).record == record
    assert next(found) is None
    # Others' changes are none of its.
    other = submission.submit(app, *ADD)
    assert next(found) is None
    submission.cancel(app, other.id)
    submission.cancel(app, record.id)
    (last,) = [item for item in found if item is not None]
    assert last.record.state == "REVOKED"
    assert last.at == last.record.timeline[-1]["at"]


def test_a_finished_record_is_told_once(app):
    record = submission.submit(app, *ADD)
    submission.cancel(app, record.id)
    assert states(follow(app, record.id)) == ["REVOKED"]


def test_what_happens_between_the_place_and_the_record_is_not_lost(app, monkeypatch):
    record = submission.submit(app, *ADD)
    really = watching.queries.get

    def late(app, task_id):
        found = really(app, task_id)
        submission.cancel(app, task_id)
        monkeypatch.setattr(watching.queries, "get", really)
        return found

    monkeypatch.setattr(watching.queries, "get", late)
    assert states(follow(app, record.id, timeout=5)) == ["PENDING", "REVOKED"]


def test_the_time_can_be_over(app):
    record = submission.submit(app, *ADD)
    assert states(follow(app, record.id, timeout=0)) == ["PENDING"]
    assert states(follow(app, record.id, timeout=0.1)) == ["PENDING"]
    assert list(changes(app, timeout=0)) == []
    with pytest.raises(UnknownRecord):
        next(follow(app, "nobody"))


def test_an_outage_is_told_once_and_its_end_once(app, store_profile):
    record = submission.submit(app, *ADD)
    one, every = follow(app, record.id, tick=0.05), changes(app, tick=0.05)
    assert (next(one).record, next(one), next(every)) == (record, None, None)
    store_profile.store.kill()
    assert next(item for item in one if item is not None).reason
    assert next(item for item in every if item is not None).reason
    assert next(one) is None
    with pytest.raises(StoreUnavailable):
        next(follow(app, record.id))
    with pytest.raises(StoreUnavailable):
        next(changes(app))
    store_profile.store.start()
    submission.cancel(app, record.id)
    assert next(item for item in one if item is not None) == Outage()
    assert states(one) == ["REVOKED"]
    found = [item for item in itertools.islice(every, 2) if item is not None]
    assert found[0] == Outage()
    assert (found[1].id, found[1].event) == (record.id, "cancelled")


def test_what_the_store_has_dropped_is_told_and_looked_for(app, monkeypatch):
    monkeypatch.setattr(watching, "LATE", 0)
    record = submission.submit(app, *ADD)
    one, every = follow(app, record.id, tick=0.05), changes(app, tick=0.05)
    assert (next(one).record, next(one), next(every)) == (record, None, None)
    submission.cancel(app, record.id)
    other = submission.submit(app, *ADD)
    trim(app)
    assert states(one) == ["REVOKED"]
    assert next(every) == Lost()
    submission.cancel(app, other.id)
    assert next(item for item in every if item is not None).event == "cancelled"


def test_every_change_comes_in_order_in_many_pages(app, monkeypatch):
    monkeypatch.setattr(watching, "PAGE", 3)
    every = changes(app, tick=0.05)
    assert next(every) is None
    ids = submission.submit_batch(app, [submission.Entry(*ADD)] * 10).ids
    found = [item for item in itertools.islice(every, 13) if item is not None]
    assert [change.id for change in found if change.event == "submitted"] == ids
