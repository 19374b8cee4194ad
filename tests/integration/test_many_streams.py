"""2,000 streams of one web process, and what a stream is told when the store has forgotten a part."""

from __future__ import annotations

import resource
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import httpx
import pytest

from async_tasks import engine, queries, submission
from async_tasks.engine import App
from async_tasks.web import history, live, subscriptions
from async_tasks.web.live import Hub
from async_tasks.web.subscriptions import LOST, Event, Subscription
from tests.support.crowd import Crowd, gaps, raise_file_limit
from tests.support.profiles import Profile
from tests.support.servers import PASSWORD
from tests.support.system import System
from tests.support.waiting import wait_until
from tests.support.web import Stream

EVENTS = "/api/v1/events"
CHANGES = "at:1:changes"
STREAMS = 2000
WATCHED = 100
#: Seconds that everybody has to get the last change: this is about completeness, not speed.
PATIENCE = 30


@pytest.fixture
def profile(store_profile: Profile) -> Profile:
    """One is enough: changes come from the store alone."""
    return store_profile


@pytest.fixture
def web(running_system: Callable[..., System]) -> Iterator[System]:
    """A web process that was started where few files may be open, as most are, and no worker."""
    system = running_system(modules=("tests.support.tasks",))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= 2 * STREAMS, f"this test opens {STREAMS} connections, and may open {hard} files: raise ulimit -Hn"
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, soft), hard))
    try:
        system.start("web")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return system


@pytest.fixture
def client(web: System) -> Iterator[httpx.Client]:
    """Makes changes through the API."""
    with httpx.Client(base_url=web.url, timeout=30) as client:
        yield client


def submit(client: httpx.Client) -> str:
    """Submit a task that waits; its id."""
    answer = client.post("/api/v1/tasks/add", params={"delay": 600}, json={"a": 1, "b": 2})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_2000_streams_get_every_change_once_and_in_order_across_a_reconnect(
    web: System, profile: Profile, client: httpx.Client
) -> None:
    raise_file_limit()
    watched = [submit(client) for _ in range(WATCHED)]
    paths = {n: EVENTS if n % 2 else f"/api/v1/tasks/{watched[n // 2 % WATCHED]}/events" for n in range(STREAMS)}
    of_all = [n for n in paths if n % 2]
    away = [n for n in paths if n // 2 % 2]

    with Crowd(web.port) as crowd:
        crowd.open(paths)
        # Half of the streams are cut in the middle of changes and brought back while there are more.
        half = threading.Event()

        def change() -> None:
            for n, task_id in enumerate(watched):
                submit(client)
                client.delete(f"/api/v1/tasks/{task_id}").raise_for_status()
                if n == WATCHED // 3:
                    half.set()

        changing = threading.Thread(target=change)
        changing.start()
        assert half.wait(PATIENCE)
        crowd.cut(away)
        place = newest(profile)
        wait_until(lambda: newest(profile) > place, 10, "a change that they miss")
        crowd.reopen(away)
        changing.join(PATIENCE)
        assert not changing.is_alive()

        last = newest(profile)
        wait_until(
            lambda: all(crowd.last()[n][0] == last for n in of_all), PATIENCE, "every stream of all to have the last"
        )
        wait_until(
            lambda: not any(held for n, (_, held) in crowd.last().items() if not n % 2),
            PATIENCE,
            "every stream of one task to end",
        )
        heard = crowd.heard()

    with profile.store.client() as store:
        recorded = store.xrange(CHANGES)
    expected: dict[str, list[str]] = defaultdict(list)
    for cursor, fields in recorded:
        expected[EVENTS].append(cursor)
        expected[f"/api/v1/tasks/{fields['id']}/events"].append(cursor)
    assert {n: gaps(heard[n], expected[path]) for n, path in paths.items()} == dict.fromkeys(paths, (0, 0))
    assert [words for each in heard.values() for words in each.refusals] == []
    assert {heard[n].count("end") > 0 for n in paths if not n % 2} == {True}
    assert all(b'"state":"REVOKED"' in heard[n].data or heard[n].data == b"{}" for n in paths if not n % 2)
    # Nobody was told that something is lost.
    assert sum(each.count("lost") for each in heard.values()) == 0


def newest(profile: Profile) -> str:
    """The newest place in the stream of changes."""
    with profile.store.client() as client:
        return str(client.xrevrange(CHANGES, count=1)[0][0])


# -- what the store forgets --------------------------------------------------------------------------------


class Leash:
    """A store's user of its own for what is to be cut off from the store while everybody else goes on."""

    def __init__(self, profile: Profile) -> None:
        self.client = profile.store.client()
        self.client.acl_setuser(
            "leashed", enabled=True, passwords=["+pw"], keys="*", channels="*", categories=["+@all"]
        )
        self.url = profile.store.url.replace("://:", "://leashed:").replace(PASSWORD, "pw")

    def cut(self) -> None:
        """Nothing of the user's reaches the store any more."""
        self.client.acl_setuser("leashed", enabled=False)
        self.client.execute_command("CLIENT", "KILL", "USER", "leashed")

    def mend(self) -> None:
        """As it was."""
        self.client.acl_setuser("leashed", enabled=True)

    def trim(self, keep: int) -> None:
        """Let the store forget all but the newest changes."""
        self.client.xtrim(CHANGES, maxlen=keep, approximate=False)


@pytest.fixture
def leash(profile: Profile) -> Iterator[Leash]:
    """Cuts off whoever uses its URL."""
    leash = Leash(profile)
    yield leash
    leash.client.acl_deluser("leashed")
    leash.client.close()


@pytest.fixture
def app(profile: Profile) -> Iterator[App]:
    """An engine that submits: never cut off."""
    app = engine.build(profile.settings(modules=("tests.support.tasks",)))
    yield app
    app.close_connections()


@pytest.fixture
def hub(profile: Profile, leash: Leash) -> Iterator[Hub]:
    """A hub by itself, on the leash; its reader has ended when the test has."""
    settings = profile.settings(modules=("tests.support.tasks",), redis_url=leash.url, store_timeout=0.5)
    own = engine.build(settings)
    hub = Hub(own)
    yield hub
    hub.close()
    wait_until(lambda: not any(each.name == "async-tasks-changes" for each in threading.enumerate()), 10, "its end")
    own.close_connections()


def add(app: App) -> str:
    """Submit a task that waits; its id."""
    return submission.submit(app, "add", {"a": 1, "b": 2}, delay=600).id


def following(subscription: Subscription) -> Iterator[Event]:
    """Its events without the heartbeats."""
    return (event for event in subscription if event is not None)


def take(events: Iterator[Event], count: int) -> list[str | None]:
    """The ids of the tasks of so many events; None where changes were lost."""
    return [event.change and event.change.id for event in islice(events, count)]


def test_what_happened_while_the_hub_was_cut_off_is_made_up_for(app: App, hub: Hub, leash: Leash) -> None:
    watched = add(app)
    everything, one = following(hub.subscribe()), following(hub.subscribe([watched]))
    first = add(app)
    assert take(everything, 1) == [first]

    leash.cut()
    wait_until(lambda: hub._unsure, 10, "the hub to notice")
    ids = [add(app) for _ in range(3)]
    submission.cancel(app, watched)
    leash.mend()

    assert take(everything, 4) == [*ids, watched]
    assert take(one, 1) == [watched]


def test_what_was_trimmed_while_the_hub_was_cut_off_is_said(app: App, hub: Hub, leash: Leash) -> None:
    watched = add(app)
    everything, one = following(hub.subscribe()), following(hub.subscribe([watched]))
    first = add(app)
    assert take(everything, 1) == [first]

    leash.cut()
    wait_until(lambda: hub._unsure, 10, "the hub to notice")
    submission.cancel(app, watched)
    for _ in range(3):
        add(app)
    leash.trim(1)
    leash.mend()

    assert (next(everything), next(one)) == (LOST, LOST)
    # From there on as always.
    last = add(app)
    assert take(everything, 1) == [last]


def test_what_was_trimmed_while_the_hub_was_slow_is_said(
    app: App, hub: Hub, leash: Leash, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PAGE", 3)
    everything = following(hub.subscribe())
    first = add(app)
    assert take(everything, 1) == [first]

    with hub._lock:  # the reader has read the next change, and cannot hand it on
        second = add(app)
        wait_until(lambda: not reading(leash), 10, "the reader to have read it")
        for _ in range(8):
            add(app)
        leash.trim(4)

    assert take(everything, 2) == [second, None]
    last = add(app)
    assert take(everything, 1) == [last]


def reading(leash: Leash) -> bool:
    """Whether somebody waits for a change at the store."""
    return any("b" in each["flags"] for each in leash.client.client_list())


def test_those_who_come_back_together_ask_the_store_once(app: App, hub: Hub, leash: Leash) -> None:
    place = queries.latest_change(app)
    ids = [add(app) for _ in range(30)]
    hub.subscribe()  # the reader begins here

    def asked() -> int:
        stats: Any = leash.client.info("commandstats")
        return sum(int(stats[name]["calls"]) for name in ("cmdstat_xread", "cmdstat_xrange") if name in stats)

    before = asked()
    with ThreadPoolExecutor(50) as pool:
        got = list(pool.map(lambda _: take(following(hub.subscribe(after=place)), 30), range(50)))

    assert got == [ids] * 50
    assert asked() - before < 10


def test_who_is_further_behind_than_the_hub_remembers_is_helped_by_the_store(
    app: App, hub: Hub, leash: Leash, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "KEPT", 5)
    monkeypatch.setattr(subscriptions, "QUEUE_SIZE", 4)
    slow, quick = following(hub.subscribe()), following(hub.subscribe())
    ids = [add(app)]
    assert take(slow, 1) == take(quick, 1) == ids
    for _ in range(4):
        more = [add(app) for _ in range(4)]
        assert take(quick, 4) == more
        ids += more
    assert take(slow, 16) == ids[1:]


def ready(web: System) -> bool:
    """Whether the web process reaches its store."""
    return httpx.get(f"{web.url}/health/ready", timeout=30).status_code == 200


def test_streams_say_what_was_lost_and_begin_with_what_is(
    running_system: Callable[..., System], app: App, leash: Leash
) -> None:
    web = running_system(modules=("tests.support.tasks",), env={"ASYNC_TASKS_REDIS_URL": leash.url})
    web.start("web")
    watched = add(app)
    path = f"/api/v1/tasks/{watched}/events"
    with Stream(web.url, EVENTS) as everything, Stream(web.url, path) as one:
        told = iter(one)
        begun = next(told)
        # Opened by the time that both have been told of a change.
        submission.cancel(app, add(app))
        assert next(iter(everything)).data["event"] == "submitted"

        leash.cut()
        # The first tells that the store is away; by the end of the second the reader has given up too.
        wait_until(lambda: not ready(web), 10, "the web process to notice")
        assert not ready(web)
        submission.cancel(app, watched)
        add(app)
        leash.trim(1)
        leash.mend()

        assert any(message.event == "lost" for message in everything)
        assert list(told) == []
    with Stream(web.url, path, Last_Event_ID=str(begun.id)) as one:
        assert [(each.event, each.data.get("state")) for each in one] == [("change", "REVOKED"), ("end", None)]
