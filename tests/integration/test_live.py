"""Streams of changes: from a real web process with real sockets, and the hub by itself over a real store."""

from __future__ import annotations

import itertools
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from werkzeug.serving import make_server

from async_tasks import engine, queries, submission
from async_tasks.engine import App
from async_tasks.web import create_app, live, sse, subscriptions
from async_tasks.web.live import Hub
from async_tasks.web.subscriptions import Event, Subscription
from tests.support.profiles import Profile
from tests.support.servers import StoreServer
from tests.support.system import System
from tests.support.waiting import wait_until
from tests.support.web import Message, Stream

EVENTS = "/api/v1/events"


@pytest.fixture
def profile(valkey_server: StoreServer, tmp_path: Path) -> Profile:
    """One is enough: changes come from the store alone."""
    return Profile("embedded", valkey_server, valkey_server, valkey_server.url, tmp_path)


@pytest.fixture
def web(running_system: Callable[..., System]) -> System:
    """A web process, and no worker."""
    system = running_system(modules=("tests.support.tasks",))
    system.start("web")
    return system


def submit(web: System, **options: Any) -> str:
    """Submit a task through the API; its id."""
    answer = httpx.post(f"{web.url}/api/v1/tasks/add", params=options, json={"a": 1, "b": 2})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_a_task_is_watched_from_what_it_is_to_its_end(web: System) -> None:
    web.start("worker")
    task_id = submit(web, delay=0.5)

    with Stream(web.url, f"/api/v1/tasks/{task_id}/events") as stream:
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert (stream.headers["cache-control"], stream.headers["x-accel-buffering"]) == ("no-store", "no")
        messages = list(stream)

    assert messages[-1] == Message(None, "end", {})
    assert {message.event for message in messages[:-1]} == {"change"}
    assert messages[0].data["state"] == "SCHEDULED"
    assert messages[-2].data == httpx.get(f"{web.url}/api/v1/tasks/{task_id}").json()
    assert messages[-2].data["result"] == 3
    places = [sse.position(message.id or "") for message in messages[:-1]]
    assert places == sorted(set(places))


def test_progress_is_streamed(web: System) -> None:
    web.start("worker")
    answer = httpx.post(f"{web.url}/api/v1/tasks/steps?delay=1", json={"count": 4, "pause": 0.4}).json()
    with Stream(web.url, answer["links"]["events"]) as stream:
        seen = [message.data["progress"] for message in stream if message.event == "change"]
    assert {"done": 2.0, "total": 4.0, "message": "step 2"} in seen


def test_200_streams_of_one_process_share_one_reader(web: System, profile: Profile) -> None:
    watched, other = submit(web, delay=600), submit(web, delay=600)

    with ExitStack() as stack:
        # All at once, as after a restart: more than the store is asked at a time.
        paths = [f"/api/v1/tasks/{watched}/events", EVENTS] * 100
        with ThreadPoolExecutor(len(paths)) as pool:
            streams = list(pool.map(lambda path: stack.enter_context(Stream(web.url, path)), paths))
        assert {stream.status for stream in streams} == {200}
        with profile.store.client() as client:
            wait_until(lambda: sum("b" in each["flags"] for each in client.client_list()) == 1, 10, "one blocking read")
        began = time.monotonic()
        assert httpx.delete(f"{web.url}/api/v1/tasks/{other}").status_code == 200
        assert httpx.delete(f"{web.url}/api/v1/tasks/{watched}").status_code == 200
        for_the_task = [stream.until("REVOKED") for stream in streams[::2]]
        for_all = [[stream.until("REVOKED"), stream.until("REVOKED")] for stream in streams[1::2]]
        assert time.monotonic() - began < 5

    assert {message.data["id"] for message in for_the_task} == {watched}
    assert {message.data["timeline"][-1]["event"] for message in for_the_task} == {
        message.data["event"] for _, message in for_all
    }
    assert {(first.data["id"], second.data["id"]) for first, second in for_all} == {(other, watched)}


def test_a_client_that_comes_back_misses_nothing_and_gets_nothing_twice(web: System, profile: Profile) -> None:
    got: list[Message] = []
    first = Stream(web.url, EVENTS)
    producer = threading.Thread(target=lambda: [submit(web) for _ in range(150)])
    producer.start()
    with first:
        got.append(next(iter(first)))
    while len(got) < 150:
        # Away after every few, by the header and by the parameter in turn.
        last = str(got[-1].id)
        by_header = {"Last_Event_ID": last} if len(got) % 2 else {}
        with Stream(web.url, EVENTS if by_header else f"{EVENTS}?last_event_id={last}", **by_header) as stream:
            got += [message for _, message in zip(range(min(7, 150 - len(got))), stream, strict=False)]
    producer.join()

    with profile.store.client() as client:
        recorded = client.xrange("at:1:changes")
    assert [message.id for message in got] == [place for place, _ in recorded]


def test_a_page_is_told_of_its_visitors_tasks_and_of_the_one_it_shows(web: System) -> None:
    shown = submit(web, delay=600)
    with httpx.Client(base_url=web.url) as tab, httpx.Client(base_url=web.url) as stranger:
        for visitor in (tab, stranger):
            visitor.get("/").raise_for_status()
        cookies = "; ".join(f"{name}={value}" for name, value in tab.cookies.items())
        with Stream(web.url, f"/live?list&task={shown}", Cookie=cookies) as stream:
            assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            messages = iter(stream)
            first = next(messages)
            assert (first.event, [update["id"] for update in first.data["updates"]]) == ("look", [shown])
            assert "entry" not in first.data["updates"][0]
            # From another tab of the same visitor, and from somebody else.
            for visitor in (stranger, tab):
                token = re.search('name="_csrf" value="([^"]+)"', visitor.get("/forms/add").text)
                assert token
                visitor.post("/forms/add", data={"_csrf": token[1], "a": "1", "b": "2"})
            new = next(messages)
            assert (new.event, new.data["mine"], new.data["state"]) == ("change", True, "PENDING")
            assert f'data-task="{new.data["id"]}"' in new.data["entry"]
            httpx.delete(f"{web.url}/api/v1/tasks/{shown}").raise_for_status()
            cancelled = next(messages)
            assert (cancelled.data["id"], cancelled.data["state"]) == (shown, "REVOKED")
            assert 'data-state="REVOKED"' in cancelled.data["task"]

        # It goes on where it was, and is not told again what it knows.
        with Stream(web.url, f"/live?list&task={shown}", Cookie=cookies, Last_Event_ID=str(cancelled.id)) as stream:
            again = next(iter(stream))
            assert {update["id"] for update in again.data["updates"]} == {new.data["id"], shown}
        ms, _ = str(cancelled.id).split("-")
        with Stream(web.url, f"/live?list&task={shown}&after={int(ms) + 5000}-0", Cookie=cookies) as stream:
            assert {update["id"] for update in next(iter(stream)).data["updates"]} == {new.data["id"]}


def test_a_page_of_everything_hears_that_something_changed_and_is_told_of_its_visitors_tasks(web: System) -> None:
    with httpx.Client(base_url=web.url) as tab:
        tab.get("/").raise_for_status()
        cookies = "; ".join(f"{name}={value}" for name, value in tab.cookies.items())
        with Stream(web.url, "/live?all", Cookie=cookies) as stream:
            messages = iter(stream)
            assert next(messages).event == "look"
            submit(web, delay=600)
            stir = next(messages)
            assert (stir.event, stir.data) == ("stir", {})
            token = re.search('name="_csrf" value="([^"]+)"', tab.get("/forms/add").text)
            assert token
            tab.post("/forms/add", data={"_csrf": token[1], "a": "1", "b": "2"})
            mine = next(message for message in messages if message.event == "change")
            assert (mine.data["mine"], mine.data["name"]) == (True, "add")
        # A page that comes back is at the place that it heard of last.
        with Stream(web.url, "/live?all", Cookie=cookies, Last_Event_ID=str(stir.id)) as stream:
            assert next(iter(stream)).data["cursor"] >= str(stir.id)


def test_a_finished_task_needs_no_watching(web: System) -> None:
    task_id = submit(web, delay=600)
    path = f"/api/v1/tasks/{task_id}/events"
    with Stream(web.url, path) as stream:
        begun = next(iter(stream))
    httpx.delete(f"{web.url}/api/v1/tasks/{task_id}").raise_for_status()

    with Stream(web.url, path) as stream:
        assert [message.event for message in stream] == ["change", "end"]
    with Stream(web.url, path, Last_Event_ID=str(begun.id)) as stream:
        ended, end = list(stream)
        assert (ended.data["state"], end.event) == ("REVOKED", "end")
    # An EventSource stays away after a 204.
    with Stream(web.url, path, Last_Event_ID=str(ended.id)) as stream:
        assert stream.status == 204


def test_what_the_store_no_longer_has_is_said(web: System, profile: Profile) -> None:
    task_id = submit(web, delay=600)
    with Stream(web.url, f"{EVENTS}?last_event_id=0-0") as stream:
        begun = str(next(iter(stream)).id)
    for _ in range(3):
        submit(web)
    with profile.store.client() as client:
        client.xtrim("at:1:changes", maxlen=1, approximate=False)
    # The process that served remembers what the store has forgotten; another one does not.
    web.processes["web"].stop()
    web.start("web")

    with Stream(web.url, EVENTS, Last_Event_ID=begun) as stream:
        assert next(iter(stream)) == Message(None, "lost", {})
        submit(web)
        assert next(iter(stream)).data["event"] == "submitted"
    with Stream(web.url, f"/api/v1/tasks/{task_id}/events", Last_Event_ID=begun) as stream:
        assert next(iter(stream)).data["state"] == "SCHEDULED"


def test_a_last_event_id_that_is_none_is_422(web: System) -> None:
    answer = httpx.get(f"{web.url}{EVENTS}", headers={"Last-Event-ID": "yesterday"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-option")


def test_streams_outlive_the_store(web: System, profile: Profile) -> None:
    task_id = submit(web, delay=600)
    with Stream(web.url, EVENTS) as everything, Stream(web.url, f"/api/v1/tasks/{task_id}/events") as one:
        assert one.until("SCHEDULED")
        profile.store.kill()
        profile.store.start()
        wait_until(lambda: httpx.get(f"{web.url}/health/ready").status_code == 200, 20)
        httpx.delete(f"{web.url}/api/v1/tasks/{task_id}").raise_for_status()
        assert everything.until("REVOKED").data["id"] == task_id
        assert one.until("REVOKED").data["id"] == task_id


def test_streams_do_not_hold_up_the_end_of_the_process(web: System) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(Stream(web.url, EVENTS)) for _ in range(20)]
        began = time.monotonic()
        web.processes["web"].signal(signal.SIGTERM)
        assert [list(stream) for stream in streams] == [[]] * 20
        assert web.processes["web"].wait(10) == 0
        assert time.monotonic() - began < 4.5


def test_it_works_in_a_server_with_threads(app: App) -> None:
    flask = create_app(engine=app)
    server = make_server("127.0.0.1", 0, flask, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        record = submission.submit(app, "add", {"a": 1, "b": 2}, delay=600)
        with Stream(f"http://127.0.0.1:{server.port}", record.public()["links"]["events"]) as stream:
            assert stream.until("SCHEDULED")
            submission.cancel(app, record.id)
            assert stream.until("REVOKED")
    finally:
        flask.extensions["async_tasks_live"].close()
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.fixture
def app(profile: Profile) -> Iterator[App]:
    """An engine whose blocking reads are short, so that readers end soon."""
    app = engine.build(profile.settings(modules=("tests.support.tasks",), store_timeout=0.5))
    yield app
    app.close_connections()


@pytest.fixture
def hub(app: App) -> Iterator[Hub]:
    """A hub by itself; its reader has ended when the test has."""
    hub = Hub(app)
    yield hub
    hub.close()
    wait_until(lambda: not readers(), 10, "the reader to end")


def readers() -> list[threading.Thread]:
    """The threads that read changes."""
    return [each for each in threading.enumerate() if each.name == "async-tasks-changes"]


def take(subscription: Subscription, count: int) -> list[Event]:
    """So many events; a silence before or between them is a failure."""
    events = itertools.takewhile(lambda event: event is not None, subscription)
    return [event for _, event in zip(range(count), events, strict=False)]


def add(app: App) -> str:
    """Submit a task; its id."""
    return submission.submit(app, "add", {"a": 1, "b": 2}).id


def test_a_slow_client_catches_up_without_gap_or_repetition(
    app: App, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "QUEUE_SIZE", 4)
    slow, quick = hub.subscribe(), hub.subscribe()
    ids = [add(app) for _ in range(3)]
    assert [event.change.id for event in take(quick, 3)] == ids
    assert [event.change.id for event in take(slow, 2)] == ids[:2]
    ids += [add(app) for _ in range(30)]
    assert [event.change.id for event in take(quick, 30)] == ids[3:]

    assert [event.change.id for event in take(slow, 31)] == ids[2:]
    ids.append(add(app))
    assert [event.change.id for event in take(slow, 1)] == ids[-1:]


def test_what_comes_on_both_ways_is_handed_on_once(app: App, hub: Hub) -> None:
    subscription = hub.subscribe()
    first = add(app)
    events = iter(subscription)
    assert next(events).change.id == first
    # In the queue by now, and in what is still to be caught up with.
    second = add(app)
    wait_until(lambda: not subscription._queue.empty(), 10)
    assert next(events).change.id == second
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, events)
        wait_until(subscription._queue.empty, 10)
        third = add(app)
        assert coming.result(10).change.id == third


def test_only_what_is_watched_is_handed_on(app: App, hub: Hub) -> None:
    mine = submission.submit(app, "add", {"a": 1, "b": 2}, delay=600)
    subscription = hub.subscribe([mine.id])
    add(app)
    submission.cancel(app, mine.id)

    (event,) = take(subscription, 1)
    assert (event.change.id, event.record) == (mine.id, queries.get(app, mine.id))


def test_the_tasks_of_a_submitter_are_handed_on_those_of_the_future_too(app: App, hub: Hub) -> None:
    def later(by: str | None) -> str:
        return submission.submit(app, "add", {"a": 1, "b": 2}, delay=600, submitted_by=by).id

    one = later(None)
    mine, both = hub.subscribe(submitter="me"), hub.subscribe([one], submitter="me")
    other, first, _ = later("you"), later("me"), later(None)
    for task_id in (other, one, first):
        submission.cancel(app, task_id)
    second = later("me")

    assert [(event.change.id, event.change.event) for event in take(mine, 3)] == [
        (first, "submitted"),
        (first, "cancelled"),
        (second, "submitted"),
    ]
    seen = take(both, 4)
    assert [event.change.id for event in seen] == [first, one, first, second]
    assert all(event.record and event.record.id == event.change.id for event in seen)
    # Slow ones catch up with the same.
    mine.fall_behind()
    third = later("me")
    assert [event.change.id for event in take(mine, 1)] == [third]
    mine.close()
    both.close()
    assert hub.watching == 0


def test_silence_is_filled_with_heartbeats(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "HEARTBEAT", 0.02)
    events = iter(hub.subscribe())
    assert [next(events), next(events)] == [None, None]


def test_the_reader_ends_after_the_last_has_left_and_starts_again(
    app: App, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LINGER", 0.1)
    first, second = hub.subscribe(["some-id"]), hub.subscribe()
    assert (len(readers()), hub.watching) == (1, 2)
    first.close()
    second.close()
    second.close()
    assert hub.watching == 0
    wait_until(lambda: not readers(), 10, "the reader to end")

    third = hub.subscribe()
    task_id = add(app)
    assert take(third, 1)[0].change.id == task_id
