"""The client against a real web process and worker: what it does when nothing breaks."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import islice, pairwise
from pathlib import Path

import httpx
import pytest
from pydantic import BaseModel

from async_tasks import catalog, task
from async_tasks.client import (
    AlreadyFinished,
    AsyncClient,
    Change,
    Client,
    ClientError,
    IdempotencyConflict,
    InvalidArguments,
    InvalidBatch,
    InvalidOption,
    NotFinished,
    PayloadTooLarge,
    Progress,
    ResultMismatch,
    State,
    TaskFailed,
    TaskRevoked,
    Unauthorized,
    UnexpectedAnswer,
    UnknownRecord,
    UnknownTask,
    WaitTimeout,
    entry,
)
from tests.support.profiles import Profile
from tests.support.servers import StoreServer, valkey_program
from tests.support.system import System
from tests.support.waiting import wait_until

TOKEN = "a-token-for-tests-only"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One for all tests of this module, with a store of its own: none of them disturbs it."""
    folder = tmp_path_factory.mktemp("client")
    for name in ("store", "system", "data"):
        (folder / name).mkdir()
    store = StoreServer(valkey_program(), folder / "store")
    store.start()
    system = System(
        Profile("embedded", store, store, store.url, folder / "data"),
        folder / "system",
        modules=("tests.support.tasks",),
        env={"ASYNC_TASKS_ADMIN_TOKEN": TOKEN},
    )
    try:
        system.start()
        yield system
    finally:
        system.end()
        store.kill()


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    """A client that may do everything."""
    with Client(system.url, token=TOKEN) as client:
        yield client


def test_a_task_is_submitted_and_its_result_comes(client: Client) -> None:
    handle = client.submit("add", a=1, b=2)
    assert handle.result(timeout=20) == 3

    record = handle.record()
    assert (record.id, record.name, record.state, record.result) == (handle.id, "add", State.SUCCESS, 3)
    assert (record.finished, record.args, record.attempts) == (True, {"a": 1, "b": 2}, 1)
    assert [entry.event for entry in record.timeline] == ["submitted", "started", "succeeded"]
    assert record.submitted_at <= record.started_at <= record.finished_at <= datetime.now(UTC) + timedelta(seconds=5)
    assert record.submitted_at.tzinfo is UTC
    assert client.get(handle.id) == record
    assert client.task(handle.id) == handle
    assert client.task(handle.id).wait(timeout=0) == record


def test_arguments_whose_names_clash_are_taken_by_name_and_as_a_mapping(client: Client) -> None:
    for handle in (client.submit("echo", {"value": {"task": 1}}), client.submit("echo", value={"task": 1})):
        assert handle.result(20) == {"task": 1}
    with pytest.raises(InvalidArguments, match="There is no parameter 'delay'") as caught:
        client.submit("echo", value=1, delay=5, task=2, self=3)
    assert [each["field"] for each in caught.value.errors] == ["delay", "task", "self"]


def test_python_values_are_written_as_json_has_them(client: Client) -> None:
    class Size(StrEnum):
        LARGE = "large"

    given = {"day": date(2026, 11, 22), "size": Size.LARGE, "all": (1, {2}), "path": Path("/tmp"), "text": "né\u2028"}
    assert client.submit("echo", value=given).result(20) == {
        "day": "2026-11-22",
        "size": "large",
        "all": [1, [2]],
        "path": "/tmp",
        "text": "né\u2028",
    }


class Report(BaseModel):
    title: str
    day: date
    pages: set[int] = set()


@pytest.fixture
def make_report() -> Iterator[catalog.Task]:
    """The function as the caller has it; what the server runs under its name returns what it is given."""
    kept = catalog.snapshot()
    catalog.restore({name: spec for name, spec in kept.items() if name != "echo"})

    @task(name="echo")
    def make_report(value: Report) -> Report:
        """Make a report."""
        return value

    yield make_report
    catalog.restore(kept)


def test_with_a_function_the_result_has_its_type(client: Client, make_report: catalog.Task) -> None:
    given = Report(title="Sales", day=date(2026, 11, 22), pages={1, 2})
    handles = [
        client.submit(make_report, given),
        client.submit(make_report, value=given),
        client.with_options(delay=0.01).submit(make_report, given),
        *client.batch([entry(make_report, given)]),
    ]
    handles += [client.task(handles[0].id, make_report), handles[0].replay() if handles[0].wait(20) else None]
    assert [handle.result(20) for handle in handles] == [given] * 6
    assert client.get(handles[0].id).result == {"title": "Sales", "day": "2026-11-22", "pages": [1, 2]}


def test_a_result_of_another_type_is_told_apart(client: Client, make_report: catalog.Task) -> None:
    handle = client.submit("echo", value={"title": "Sales"})
    with pytest.raises(ResultMismatch, match=r"'echo' does not fit .*\n.*day\n"):
        client.task(handle.id, make_report).result(20)
    assert client.task(handle.id, make_report).wait(20).result == {"title": "Sales"}


def test_options_are_those_of_the_submission(client: Client) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    later = client.with_options(eta=until, expires=timedelta(hours=2)).submit("add", a=1, b=2)
    record = later.record()
    assert record.state is State.SCHEDULED
    assert abs(record.due_at - until) < timedelta(milliseconds=1)
    assert abs(record.expires_at - record.submitted_at - timedelta(hours=2)) < timedelta(seconds=1)
    assert client.submit("add", a=1, b=2).result(20) == 3, "an option must not outlive its submission"
    assert later.cancel().state is State.REVOKED


def test_a_key_of_ones_own_submits_once(client: Client) -> None:
    once = client.with_options(idempotency_key="order-42")
    first = once.submit("add", a=1, b=2)
    assert once.submit("add", a=1, b=2) == first
    with Client(str(client._connection.server.url), token=TOKEN) as another:
        assert another.with_options(idempotency_key="order-42").submit("add", a=1, b=2) == first
    with pytest.raises(IdempotencyConflict, match=first.id):
        once.submit("add", a=1, b=3)
    assert client.submit("add", a=1, b=2) != first
    batches = [client.batch([entry("add", a=1, b=2)] * 3, idempotency_key="order-43") for _ in range(2)]
    assert batches[0].id == batches[1].id
    assert batches[0][:] == batches[1][:]


def test_progress_and_every_state_are_watched(client: Client) -> None:
    handle = client.with_options(delay=0.5).submit("steps", count=3, pause=0.6)
    records = list(handle.watch(timeout=20))
    states = [record.state for record in records]
    assert (states[0], states[-1]) == (State.SCHEDULED, State.SUCCESS)
    assert State.STARTED in states
    assert Progress(2, 3, "step 2") in [record.progress for record in records]
    assert all(one != other for one, other in pairwise(records))
    assert [record.finished for record in records].count(True) == 1


def test_watching_may_be_left_at_any_time(client: Client) -> None:
    handle = client.with_options(delay=600).submit("add", a=1, b=2)
    for record in handle.watch():
        assert record.state is State.SCHEDULED
        break
    handle.cancel()
    assert handle.wait(5).state is State.REVOKED


def test_a_failure_is_told_with_the_error_of_the_worker(client: Client) -> None:
    handle = client.submit("fail", text="no such city")
    with pytest.raises(TaskFailed, match=r"'fail' failed after 1 attempt: ValueError: no such city \(id ") as caught:
        handle.result(timeout=20)
    failure = caught.value
    assert (failure.type, failure.message) == ("builtins.ValueError", "no such city")
    assert 'tests/support/tasks.py", line' in failure.traceback
    assert failure.traceback in failure.__notes__[0]
    assert failure.record == handle.wait()
    copied = pickle.loads(pickle.dumps(failure))
    assert (str(copied), copied.record, copied.__notes__) == (str(failure), failure.record, failure.__notes__)


def test_a_cancelled_task_has_no_result(client: Client) -> None:
    handle = client.with_options(delay=600).submit("add", a=1, b=2)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(handle.result, 20)
        assert handle.cancel().state is State.REVOKED
        with pytest.raises(TaskRevoked, match="'add' was revoked: cancelled"):
            waiting.result()
    assert handle.cancel().state is State.REVOKED, "again is no error"


def test_a_running_task_is_stopped(client: Client, tmp_path: Path) -> None:
    handle = client.submit("append", path=str(tmp_path / "effects"), line="x", seconds=60)
    assert any(record.state is State.STARTED for record in handle.watch(20))
    assert handle.cancel().state is State.STARTED
    assert handle.wait(20).state is State.REVOKED


def test_a_finished_task_is_not_cancelled_but_run_again(client: Client) -> None:
    handle = client.submit("add", a=1, b=2)
    with pytest.raises(NotFinished):
        client.with_options(delay=600).submit("add", a=1, b=2).replay()
    handle.wait(20)
    with pytest.raises(AlreadyFinished, match="replay"):
        handle.cancel()
    again = handle.replay()
    edited = handle.replay({"a": 2, "b": 2}, idempotency_key="edited")
    assert edited == handle.replay({"a": 2, "b": 2}, idempotency_key="edited")
    assert (again.result(20), edited.result(20)) == (3, 4)
    assert {again.record().replay_of, edited.record().replay_of} == {handle.id}


@pytest.mark.parametrize("timeout", [0, 0.3, 1.5])
def test_waiting_ends_when_the_time_is_over(client: Client, timeout: float) -> None:
    handle = client.with_options(delay=600).submit("steps", count=1, pause=0)
    began = time.monotonic()
    with pytest.raises(WaitTimeout, match=rf"within {timeout:g} s: it is SCHEDULED. It goes on") as caught:
        handle.result(timeout)
    assert timeout <= time.monotonic() - began < timeout + 2
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.record.state is State.SCHEDULED


def test_waiting_ends_in_time_while_changes_keep_coming(client: Client) -> None:
    handle = client.submit("steps", count=100, pause=0.1)
    began = time.monotonic()
    with pytest.raises(WaitTimeout):
        handle.wait(1.5)
    assert 1.5 <= time.monotonic() - began < 4
    handle.cancel()


def test_what_the_server_refuses_is_raised_with_its_words(client: Client) -> None:
    with pytest.raises(UnknownTask, match=r"no task named 'ad'. Did you mean 'add'\?.*client.catalog") as unknown:
        client.submit("ad", a=1)
    error = unknown.value
    assert (error.status, error.type, error.document["near"]) == (404, "/problems/unknown-task", ["add"])
    assert error.request_id in str(error)
    with pytest.raises(InvalidArguments, match=r"a: .*integer; b: is required") as invalid:
        client.submit("add", a="5")
    assert [each["field"] for each in invalid.value.errors] == ["a", "b"]
    with pytest.raises(InvalidOption, match="delay: give delay or eta, not both"):
        client.with_options(delay=3, eta=datetime.now(UTC)).submit("add", a=1, b=2)
    with pytest.raises(PayloadTooLarge, match="Pass a reference"):
        client.submit("echo", value="x" * (1 << 20))
    for ask in (
        client.get,
        lambda task_id: client.task(task_id).wait(5),
        lambda task_id: client.task(task_id).cancel(),
    ):
        with pytest.raises(UnknownRecord, match="no task with the id 'a/b%c é'"):
            ask("a/b%c é")
    with pytest.raises(InvalidOption, match="state: 'GONE' is no state"):
        next(client.list(state="GONE"))
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied)) == (UnknownTask, str(error))


@pytest.mark.parametrize("token", [None, "another-token-than-the-right-one"])
def test_without_the_right_token_nothing_is_told(system: System, token: str | None) -> None:
    with Client(system.url, token=token) as client:
        for ask in (client.catalog, lambda: client.submit("add", a=1, b=2), lambda: client.task("x").wait(5)):
            with pytest.raises(Unauthorized, match="ASYNC_TASKS_ADMIN_TOKEN as `token`") as caught:
                ask()
            assert token is None or token not in repr(caught.value) + str(caught.value) + repr(client)


def test_what_is_no_server_of_ours_is_told_apart(system: System) -> None:
    words = r"GET http://127.0.0.1:\d+/health/live/api/v1/catalog answered 404"
    with Client(f"{system.url}/health/live/", token=TOKEN) as client, pytest.raises(UnexpectedAnswer, match=words):
        client.catalog()
    with Client(f"{system.url}/", token=TOKEN) as client:
        assert client.catalog()


def test_a_pool_of_ones_own_is_used_and_left_open(system: System) -> None:
    asked = []
    with httpx.Client(event_hooks={"request": [asked.append]}) as http:
        with Client(system.url, token=TOKEN, http=http) as client:
            assert client.submit("add", a=1, b=2).result(20) == 3
        assert not http.is_closed
    assert [request.method for request in asked[:2]] == ["POST", "GET"]
    assert len(asked[0].headers["Idempotency-Key"]) == 36


def test_a_batch_of_1000_comes_back_in_order(client: Client) -> None:
    batch = client.batch(entry("add", a=n, b=1) for n in range(1000))
    assert len(batch) == len({handle.id for handle in batch}) == 1000
    assert batch.results(timeout=120) == [n + 1 for n in range(1000)]
    assert {record.batch_id for record in batch.wait(0)} == {batch.id}
    assert sum(1 for _ in client.list(batch_id=batch.id, page_size=200)) == 1000


def test_a_batch_is_accepted_as_a_whole_or_not(client: Client) -> None:
    before = next(client.list()).id
    with pytest.raises(InvalidBatch, match=r"Entry 1, args.b: is required \(and 1 more\). Nothing of") as caught:
        client.batch([entry("add", a=1, b=2), entry("add", a=1), entry("ad")])
    assert [(each["index"], each["field"]) for each in caught.value.errors] == [(1, "args.b"), (2, "name")]
    assert next(client.list()).id == before
    with pytest.raises(InvalidBatch, match="1 to 10,000 entries"):
        client.batch([])
    late = client.batch([entry("add", a=1, b=2).with_options(delay=600, priority=3), entry("fail", text="x")])
    assert [record.priority for record in (handle.record() for handle in late)] == [3, None]
    began = time.monotonic()
    with pytest.raises(WaitTimeout):
        late.wait(0.5)
    assert time.monotonic() - began < 3
    late[0].cancel()
    with pytest.raises(TaskRevoked):
        late.results(20)


def test_history_is_read_page_by_page(client: Client) -> None:
    since = datetime.now(UTC)
    ids = [client.submit("echo", value=f"needle-{n}").id for n in range(7)]
    for task_id in ids:
        client.task(task_id).wait(20)
    found = [record.id for record in client.list(q="needle-", name="echo", state=State.SUCCESS, page_size=3)]
    assert found == ids[::-1]
    assert len(list(client.list(since=since - timedelta(seconds=5), name="echo", q="needle-"))) == 7
    assert list(client.list(since=datetime.now(UTC) + timedelta(hours=1))) == []
    newest = client.get(ids[-1])
    filters = {"worker": newest.worker, "queue": newest.queue, "name": "echo"}
    assert [record.id for record in client.list(**filters, q="needle-")] == ids[::-1]
    for nothing in ("worker", "queue", "submitted_by", "fingerprint"):
        assert list(client.list(**{**filters, nothing: "nobody"})) == []


def test_the_catalog_says_what_can_be_submitted(client: Client) -> None:
    add = next(info for info in client.catalog() if info.name == "add")
    assert (add.title, add.arguments["required"], add.result["type"]) == ("Add two numbers", ["a", "b"], "integer")
    assert add.options["queue"] is None


def test_all_changes_are_watched(client: Client) -> None:
    seen: list[Change] = []
    last: list[str] = []

    def watch() -> None:
        for change in client.watch(timeout=60):
            seen.append(change)
            if change.id in last:
                return

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        wait_until(lambda: client.submit("add", a=1, b=2) and seen, 20, "the first change")
        batch = client.batch(entry("add", a=n, b=1) for n in range(20))
        batch.wait(20)
        wait_until(lambda: last.append(client.submit("add", a=1, b=2).id) or watching.done(), 20, "the last change")

    for handle in batch:
        assert [each.event for each in seen if each.id == handle.id] == ["submitted", "started", "succeeded"]
    assert len({each.cursor for each in seen}) == len(seen)
    with closing(client.watch(after=seen[3].cursor, timeout=5)) as changes:
        assert list(islice(changes, 10)) == seen[4:14]
    assert [client.task(task_id).wait(20).finished for task_id in last]
    began = time.monotonic()
    assert list(client.watch(timeout=0.5)) == []
    assert 0.5 <= time.monotonic() - began < 2.5


def test_an_event_loop_has_the_same(system: System) -> None:
    async def run() -> None:
        async with AsyncClient(system.url, token=TOKEN) as client:
            handles = await asyncio.gather(*(client.submit("add", a=n, b=1) for n in range(20)))
            assert await asyncio.gather(*(handle.result(20) for handle in handles)) == [n + 1 for n in range(20)]
            batch = await client.batch([entry("echo", value=n) for n in range(3)])
            assert await batch.results(20) == [0, 1, 2]
            assert [record.state async for record in batch[0].watch(5)] == [State.SUCCESS]
            assert batch[2].id in [record.id async for record in client.list(page_size=10)]
            assert "add" in [info.name for info in await client.catalog()]
            later = await client.with_options(delay=600).submit("add", a=1, b=2)
            began = time.monotonic()
            with pytest.raises(WaitTimeout):
                await later.wait(0.4)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(later.wait(), 0.4)
            assert time.monotonic() - began < 4
            assert (await later.cancel()).state is State.REVOKED
            with pytest.raises(TaskRevoked):
                await later.result()
            assert (await (await later.replay()).wait(20)).replay_of == later.id
            with pytest.raises(UnknownRecord):
                await client.get("nothing")

    asyncio.run(run())


def test_one_client_serves_many_threads(client: Client) -> None:
    def one(n: int) -> int:
        return client.submit("add", a=n, b=1).result(30)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(100))) == [n + 1 for n in range(100)]
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_a_closed_client_says_so(system: System) -> None:
    client = Client(system.url, token=TOKEN)
    client.close()
    with pytest.raises((RuntimeError, ClientError), match="closed"):
        client.catalog()
