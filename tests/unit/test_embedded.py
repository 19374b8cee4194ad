"""The store of one machine: which program, which configuration, and that both kinds of server take it."""

from __future__ import annotations

import json
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from async_tasks.engine.data_folder import prepare_data_folder
from async_tasks.engine.embedded import LOG_LIMIT, PORTS, EmbeddedStore, find_server
from async_tasks.errors import ConfigurationError, StoreUnavailable
from async_tasks.settings import load
from tests.support.processes import Process
from tests.support.servers import redis_program, valkey_program

Run = Callable[[EmbeddedStore], Process]


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs a store as its supervisor does, until the test's end."""
    processes: list[Process] = []

    def start(store: EmbeddedStore) -> Process:
        process = Process(store.prepare(), store.log)
        processes.append(process)
        process.start()
        store.started(process.pid)
        store.wait_ready(20, lambda: process.alive)
        return process

    yield start
    for process in processes:
        process.kill()


@pytest.fixture(params=[valkey_program, redis_program], ids=["valkey", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> EmbeddedStore:
    # A name that would break a configuration file which does not quote it.
    return EmbeddedStore(prepare_data_folder(tmp_path / 'my "data" \\ été #1'), request.param())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_serves_at_the_address_that_it_tells_the_settings(store: EmbeddedStore, run: Run) -> None:
    process = run(store)

    told = load(data_dir=store.data_dir).store()

    assert told == store.url
    with redis.Redis.from_url(told) as client:
        assert client.set("key", "value")
        assert client.info("server")["process_id"] == process.pid
    assert json.loads((store.data_dir / "embedded.json").read_text())["pid"] == process.pid


def test_says_what_it_is(store: EmbeddedStore, run: Run) -> None:
    run(store)

    kind, version = store.version().split()

    with redis.Redis.from_url(store.url) as client:
        info = client.info("server")
    assert version == info[f"{kind.lower()}_version"]
    assert kind == ("Valkey" if "valkey_version" in info else "Redis")


def test_an_answered_write_survives_sigkill(store: EmbeddedStore, run: Run) -> None:
    process = run(store)
    with redis.Redis.from_url(store.url) as client:
        client.set("key", "value")
    process.kill()

    run(store)

    with redis.Redis.from_url(store.url) as client:
        assert client.get("key") == b"value"


def test_is_configured_to_lose_nothing(store: EmbeddedStore, run: Run) -> None:
    run(store)

    with redis.Redis.from_url(store.url, decode_responses=True) as client:
        wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "save": ""}
        assert {name: client.config_get(name)[name] for name in wanted} == wanted
        assert client.config_get("dir")["dir"] == str(store.data_dir / "store")


def test_keeps_its_environment_readable(store: EmbeddedStore, run: Run) -> None:
    # The supervisor knows its processes by a variable, which a process title would overwrite.
    environ = Path(f"/proc/{run(store).pid}/environ")
    if not environ.exists():
        pytest.skip("no /proc on this system")

    assert b"PATH=" in environ.read_bytes()


def test_is_closed_to_those_without_the_password(store: EmbeddedStore, run: Run) -> None:
    process = run(store)

    with redis.Redis(port=store.port, retry=Retry(NoBackoff(), 0)) as client, pytest.raises(redis.AuthenticationError):
        client.ping()

    password = store.url.split("@")[0].rpartition(":")[2]
    assert len(password) >= 32
    assert not any(password in argument for argument in process.command)
    assert mode(store.data_dir) == 0o700
    assert {mode(store.data_dir / name) for name in ("embedded.json", "store.conf", "secret.key")} == {0o600}


def test_keeps_port_and_password(store: EmbeddedStore) -> None:
    store.prepare()
    again = EmbeddedStore(store.data_dir)
    again.prepare()

    assert again.url == store.url
    assert store.port in PORTS


def test_leaves_its_port_to_somebody_else(store: EmbeddedStore, run: Run) -> None:
    store.prepare()
    taken = store.port
    with socket.create_server(("127.0.0.1", taken)):
        run(store)

    assert store.port != taken
    assert load(data_dir=store.data_dir).store() == store.url


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"url": 3}', '{"url": "redis://127.0.0.1:x/"}', "\0"])
def test_a_damaged_description_is_made_anew(tmp_path: Path, damage: str) -> None:
    (tmp_path / "embedded.json").write_text(damage)
    store = EmbeddedStore(tmp_path)
    store.prepare()

    assert load(data_dir=tmp_path).store() == store.url


def test_its_log_does_not_grow_for_ever(store: EmbeddedStore) -> None:
    store.log.write_text("x" * LOG_LIMIT)
    store.prepare()
    assert store.log.exists()

    store.log.write_text("x" * (LOG_LIMIT + 1))
    store.prepare()

    assert not store.log.exists()
    assert (store.data_dir / "store.log.1").stat().st_size > LOG_LIMIT


def test_a_store_that_ends_says_why(store: EmbeddedStore, run: Run) -> None:
    store.folder.mkdir()
    (store.folder / "appendonlydir").write_text("a file where the server wants a folder")

    with pytest.raises(StoreUnavailable, match=r"ended before it was ready(?s:.)*store\.log(?s:.)*appendonly"):
        run(store)


def test_a_store_that_does_not_answer_is_not_waited_for_without_bound(store: EmbeddedStore, run: Run) -> None:
    process = run(store)
    process.pause()

    with pytest.raises(StoreUnavailable, match="did not answer on port"):
        store.wait_ready(0.1, lambda: process.alive)


def test_takes_a_server_from_path_when_none_came_with_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)

        assert find_server() == tmp_path / name


def test_says_what_to_install_when_there_is_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ConfigurationError, match=r"apt install valkey-server.*ASYNC_TASKS_BROKER_URL"):
        EmbeddedStore(tmp_path).prepare()


def test_the_signing_key_is_made_once_by_whoever_comes_first(tmp_path: Path) -> None:
    keys = set()
    start = threading.Barrier(8)

    def come() -> None:
        start.wait()
        prepare_data_folder(tmp_path)
        keys.add(load(data_dir=tmp_path).signing_key())

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(keys) == 1
    assert len(keys.pop()) >= 32
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitignore", "secret.key"]


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match=r"file/data cannot be used.*--data-dir"):
        prepare_data_folder(tmp_path / "file" / "data")
