"""How records are found: numbers, the indexes over them, and pages of every combination of filters."""

from __future__ import annotations

import json
from itertools import chain, combinations, islice

import msgpack
import pytest
from benchmarks.filling import NAMES, QUEUES, WEEK, WORKERS, Spec, fill, specs

from async_tasks import engine, queries
from async_tasks.errors import UnknownRecord
from async_tasks.ledger import Draft, State
from async_tasks.ledger.connection import ENTRY
from async_tasks.ledger.segment import SEGMENT
from async_tasks.queries import history
from tests.integration.conftest import outlive_results
from tests.support.moves import QUEUE, begin_segment, claim, everything, indexes_of, keys_of, submit

#: As many numbers as a set of them may have; see ``scripts/indexes.lua``.
FEW = 512


def find(ledger, wanted=None, **bounds):
    return list(chain.from_iterable(ledger.find(wanted, **bounds)))


def ids(ledger, wanted=None, **bounds):
    return [record.id for record in ledger.numbered(find(ledger, wanted, **bounds)) if record]


def finish(ledger, task_id, state=State.SUCCESS, **fields):
    claim(ledger, task_id)
    assert ledger.finish(task_id, state, token="t1", **fields) == "done"


def test_history_is_newest_first_and_does_not_shift(ledger):
    for n in range(10):
        submit(ledger, f"{n:03}")
    first = list(islice(chain.from_iterable(ledger.find()), 4))
    assert [record.id for record in ledger.numbered(first)] == ["009", "008", "007", "006"]
    submit(ledger, "010")
    finish(ledger, "004")
    ledger.forget("004")
    assert ids(ledger, before=first[-1]) == ["005", "003", "002", "001", "000"]


def test_times_bound_what_is_found_exactly(ledger):
    fill(ledger, specs(300))
    records = ledger.numbered(find(ledger))
    times = [record.submitted_at for record in records]
    assert times == sorted(times, reverse=True)
    for at in (times[0], times[40], times[41] + 1, times[-1], times[0] + 1, times[-1] - 1):
        assert ids(ledger, since=at) == [record.id for record in records if record.submitted_at >= at]
        assert ids(ledger, until=at) == [record.id for record in records if record.submitted_at <= at]
    assert ids(ledger, since=times[50], until=times[20]) == [record.id for record in records[20:51]]


def test_few_are_a_set_and_many_a_bitmap(ledger):
    wanted = {"submitted_by": "me"}
    everybody = [spec._replace(submitted_by="me") for spec in specs(FEW + 2)]
    fill(ledger, everybody[:FEW])
    assert isinstance(everything(ledger)["idx:0:submitted_by:me"], set)
    assert find(ledger, wanted) == list(range(FEW - 1, -1, -1))
    fill(ledger, everybody[FEW:])
    assert isinstance(everything(ledger)["idx:0:submitted_by:me"], bytes)
    assert find(ledger, wanted) == list(range(FEW + 1, -1, -1))
    ledger.forget(everybody[1].id)
    assert find(ledger, wanted) == [n for n in range(FEW + 1, -1, -1) if n != 1]
    while ledger.trim(older_than=0):
        pass
    assert {key for key in everything(ledger) if not key.startswith("gone:")} == {"changes", "numbers"}


def test_the_index_follows_what_changes(ledger):
    submit(ledger, followers=[Draft(id="b", name="next", queue="other")])
    assert keys_of(ledger, "b") == {"idx:name:next", "idx:queue:other", "idx:state:PENDING"}
    submit(ledger, "b", name="replaced")
    assert keys_of(ledger, "b") == {"idx:name:replaced", f"idx:queue:{QUEUE}", "idx:state:PENDING", "due"}
    claim(ledger, worker="celery@one")
    ledger.hand_back("a", "w1", "its process died", 5)
    claim(ledger, worker="celery@two")
    assert (ids(ledger, {"worker": "celery@one"}), ids(ledger, {"worker": "celery@two"})) == ([], ["a"])
    error = {"type": "x.Y", "message": "", "traceback": None, "fingerprint": "f1"}
    ledger.note("a", error=error)
    assert ids(ledger, {"failure": "f1"}) == []
    assert ledger.finish("a", State.FAILURE, token="t1", error=error) == "done"
    assert ids(ledger, {"failure": "f1", "state": State.FAILURE, "worker": "celery@two"}) == ["a"]
    assert ids(ledger, {"failure": "f1", "state": State.SUCCESS}) == []


def test_a_removed_record_leaves_nothing_and_an_empty_segment_goes(ledger):
    submit(ledger, "a", submitted_by="me", batch_id="b1")
    submit(ledger, "stays")
    finish(ledger, "a", State.FAILURE, error={"type": "x.Y", "message": "", "traceback": None, "fingerprint": "f1"})
    assert len(indexes_of(ledger, 0, 0)) == 7
    ledger.forget("a")
    assert indexes_of(ledger, 0, 0) == set()
    assert indexes_of(ledger, 0, 1) == {"idx:name:reverse_text", f"idx:queue:{QUEUE}", "idx:state:PENDING"}
    assert len(everything(ledger)["ids:0"][0]) == ENTRY
    begin_segment(ledger, 1, SEGMENT)
    submit(ledger, "b")
    assert ids(ledger) == ["b", "stays"]
    finish(ledger, "stays")
    ledger.forget("stays")
    assert [key for key in everything(ledger) if key.startswith(("ids:", "idx:0"))] == ["ids:1"]
    # The last one goes too, and numbers are never given twice.
    finish(ledger, "b")
    ledger.forget("b")
    submit(ledger, "c")
    assert find(ledger) == [2 * SEGMENT]
    assert ids(ledger) == ["c"]


def test_filling_leaves_what_moving_leaves(ledger):
    """Else what ``benchmarks/history.py`` measures were another store's."""
    examples = [
        Spec("s", NAMES[0], QUEUES[0], WORKERS[0], "me", "batch", {"a": 1}, "SUCCESS", {"b": 2}, None, 0),
        Spec("f", NAMES[1], QUEUES[1], WORKERS[1], None, None, {"a": 1}, "FAILURE", None, "f1", 0),
        Spec("r", NAMES[0], QUEUES[1], WORKERS[0], "me", None, {}, "REVOKED", None, "f2", 0),
    ]
    fill(ledger, examples)
    filled = _comparable(everything(ledger))
    ledger.client.flushall()
    for spec in examples:
        draft = {"name": spec.name, "queue": spec.queue, "args": spec.args, "message_key": f"k-{spec.id}"}
        submit(ledger, spec.id, **draft, submitted_by=spec.submitted_by, batch_id=spec.batch_id)
        token = f"t-{spec.id}"
        assert claim(ledger, spec.id, f"k-{spec.id}", token=token, worker=spec.worker).verdict == "run"
        result = spec.result and json.dumps(spec.result)
        assert ledger.finish(spec.id, State(spec.state), token=token, result=result, error=spec.error) == "done"
    assert _comparable(everything(ledger)) == filled


def _comparable(found):
    """Without times and tokens; nothing is left of JSON's spaces."""
    times = {"submitted_at", "started_at", "finished_at"}
    for key, value in found.items():
        if key.startswith("task:"):
            doc = msgpack.unpackb(value)
            timeline = [{**entry, "at": 0} for entry in doc["timeline"]]
            parsed = {name: json.loads(doc[name]) for name in ("args", "result", "error") if name in doc}
            found[key] = doc | dict.fromkeys(times, 0) | parsed | {"timeline": timeline}
        elif key.startswith("batch:"):
            found[key] = {name: text for name, text in value.items() if name.decode() not in times}
        elif key.startswith("ids:"):
            found[key] = [entry[ENTRY:] for entry in value]
        elif key == "finished":
            found[key] = {member for member, _ in value}
    return found


@pytest.fixture
def app(store_profile):
    app = engine.build(store_profile.settings(modules=("tests.support.tasks",)))
    yield app
    outlive_results(app)
    app.close_connections()


def test_pages_of_every_combination_are_what_a_look_at_every_record_finds(app):
    """Records over three segments, some of them removed, in pages of a few; each with values of one record or of two."""
    everybody = list(specs(240))
    for segment, part in enumerate((everybody[:100], everybody[100:110], everybody[110:])):
        begin_segment(app.ledger, 3 * segment, SEGMENT)
        # The clock of a fill is the store's, so times of the second begin before those of the third.
        fill(app.ledger, part)
    for spec in everybody[5:240:7]:
        app.ledger.forget(spec.id)
    waiting = [submit(app.ledger, f"waits {n}", name=NAMES[0], submitted_by="visitor-000001").record for n in range(3)]
    left = [record for spec in everybody if (record := app.ledger.get(spec.id))] + waiting
    newest_first = left[::-1]
    fields = ("state", "name", "queue", "worker", "submitted_by", "batch_id", "fingerprint", "times")
    assert everything_by_pages(app, {}) == [record.id for record in newest_first]
    checked = 0
    for number in range(1, len(fields) + 1):
        for n, names in enumerate(combinations(fields, number)):
            one, other = newest_first[n % len(left)], newest_first[(7 * n) % len(left)]
            filters = {}
            for i, name in enumerate(names):
                filters |= values(one if i % 3 or n % 2 else other, name)
            expected = [record.id for record in newest_first if meets(record, filters)]
            assert everything_by_pages(app, filters) == expected, filters
            assert queries.count(app, **filters) == queries.Count(len(expected), exact=True)
            checked += bool(expected)
    assert checked > 100, "most combinations found something"


def values(record, name):
    if name == "times":
        return {"since": record.submitted_at - WEEK // 10, "until": record.submitted_at + WEEK // 20}
    if name == "fingerprint":
        return {name: record.error["fingerprint"] if record.error else "none"}
    return {name: getattr(record, name)}


def meets(record, filters):
    def has(name, value):
        if name in ("since", "until"):
            return record.submitted_at >= value if name == "since" else record.submitted_at <= value
        if name == "fingerprint":
            return bool(record.error) and record.error["fingerprint"] == value
        return value is None or getattr(record, name) == value

    return all(has(name, value) for name, value in filters.items())


def everything_by_pages(app, filters):
    found, cursor = [], None
    while True:
        page = queries.page(app, limit=60, cursor=cursor, **filters)
        found += [record.id for record in page.tasks]
        cursor = page.next_cursor
        if cursor is None:
            return found
        assert len(page.tasks) == 60


def test_a_search_says_how_far_it_got_and_goes_on_there(app, monkeypatch):
    everybody = list(specs(450))
    fill(app.ledger, everybody)
    needle = f'FOX {everybody[20].args["number"]}"'
    whole = queries.page(app, q=needle)
    assert [record.id for record in whole.tasks] == [everybody[20].id]
    assert (whole.scanned, whole.next_cursor) == (450, None)
    assert whole.searched_until == queries.get(app, everybody[0].id).submitted_at
    assert str(queries.count(app, q=needle)) == "1"
    # Without time it looks at what it reads at once, and no more.
    monkeypatch.setattr(history, "BUDGET", 0)
    first = queries.page(app, q=needle)
    assert (first.tasks, first.scanned) == ([], history.SEARCHED_AT_ONCE)
    last = everybody[450 - history.SEARCHED_AT_ONCE]
    assert first.searched_until == queries.get(app, last.id).submitted_at
    second = queries.page(app, q=needle, cursor=first.next_cursor)
    third = queries.page(app, q=needle, cursor=second.next_cursor)
    assert [record.id for record in second.tasks + third.tasks] == [everybody[20].id]
    assert third.next_cursor is None
    monkeypatch.setattr(history, "COUNTED_AT_ONCE", 100)
    assert str(queries.count(app, q="fox")) == "at least 100"
    # Filters leave less to look through.
    narrow = queries.page(app, q="fox", worker=WORKERS[0], state=State.FAILURE)
    assert (narrow.scanned, narrow.next_cursor) == (0, None)


def test_an_unknown_record_stays_unknown(app):
    with pytest.raises(UnknownRecord):
        queries.get(app, "nobody")
    assert queries.page(app, worker="nobody", until=1).tasks == []
