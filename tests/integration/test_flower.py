"""``async-tasks flower``: what it sees on both profiles, who may look, and what its buttons do to our records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from async_tasks import queries, submission
from async_tasks.engine import App
from async_tasks.ledger import State
from tests.support.browser import launched
from tests.support.processes import Process, free_port
from tests.support.profiles import Profile
from tests.support.system import System
from tests.support.waiting import wait_until

TOKEN = "a-token-of-sixteen-characters"
LONG = "a long text, " * 400


class Flower:
    """A running Flower, and a client that has logged in."""

    def __init__(self, system: System, port: int) -> None:
        self.process: Process = system.launch("flower")
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, auth=("admin", TOKEN), timeout=30)
        wait_until(self._answers, 30, self.process.tail, ignoring=(httpx.TransportError,))

    def _answers(self) -> bool:
        assert self.process.alive, self.process.tail()
        return self.client.get("/healthcheck").status_code == 200

    def task(self, task_id: str, state: str) -> dict[str, Any]:
        """A task as Flower knows it, once it is in that state."""

        def found() -> dict[str, Any] | None:
            answer = self.client.get(f"/api/task/info/{task_id}")
            task: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
            return task if task.get("state") == state else None

        return wait_until(found, 20, lambda: self.client.get(f"/api/task/info/{task_id}").text)

    def worker(self) -> tuple[str, dict[str, Any]]:
        """The only worker's name and all that is known of it, once it has answered every question."""

        def found() -> tuple[str, dict[str, Any]] | None:
            answer = self.client.get("/api/workers", params={"refresh": "true"}).raise_for_status()
            ((name, worker),) = answer.json().items() or ((None, {}),)
            return (name, worker) if {"stats", "active_queues", "registered"} <= set(worker) else None

        return wait_until(found, 30, self.process.tail)


@pytest.fixture
def start(running_system: Callable[..., System]) -> Iterator[Callable[..., tuple[System, Flower]]]:
    """Starts a system and its Flower, with variables of the test's own."""
    with ExitStack() as stack:

        def start(*roles: str, **variables: str) -> tuple[System, Flower]:
            port = free_port()
            env = {"ASYNC_TASKS_FLOWER_PORT": str(port), "ASYNC_TASKS_CONCURRENCY": "2", **variables}
            system = running_system(modules=("tests.support.tasks",), env=env)
            flower = Flower(system, port)
            stack.callback(flower.client.close)
            if roles:
                system.start(*roles)
            return system, flower

        yield start


def test_it_sees_workers_tasks_arguments_and_results(
    start: Callable[..., tuple[System, Flower]], app: App, profile: Profile
) -> None:
    _, flower = start("worker", ASYNC_TASKS_ADMIN_TOKEN=TOKEN)
    email = {"recipient": "ada@example.com", "subject": "Hello", "body": "Hello Ada"}
    ids = {
        "send_email": submission.submit(app, "send_email", email).id,
        "reverse_text": submission.submit(app, "reverse_text", {"text": "stressed"}).id,
        "analyze_sentiment": submission.submit(app, "analyze_sentiment", {"text": "I love this"}).id,
        "echo": submission.submit(app, "echo", {"value": LONG}).id,
        "fail": submission.submit(app, "fail", {"text": "out of paper"}).id,
    }
    seen = {name: flower.task(ids[name], "FAILURE" if name == "fail" else "SUCCESS") for name in ids}

    assert {name: task["name"] for name, task in seen.items()} == {name: name for name in ids}
    assert seen["send_email"]["kwargs"] == repr(email)
    assert "'via': 'outbox'" in seen["send_email"]["result"]
    assert (seen["reverse_text"]["kwargs"], seen["reverse_text"]["result"]) == ("{'text': 'stressed'}", "'desserts'")
    assert "'label': 'positive'" in seen["analyze_sentiment"]["result"]
    assert seen["fail"]["exception"] == "ValueError('out of paper')"
    assert "raise ValueError(text)\nValueError: out of paper" in seen["fail"]["traceback"]
    # Long ones are cut in the events; the result itself is in the ledger, whole.
    assert 900 < len(seen["echo"]["kwargs"]) < 1100
    assert "..." in seen["echo"]["kwargs"]
    assert flower.client.get(f"/api/task/result/{ids['echo']}").json()["result"] == LONG

    name, worker = flower.worker()
    assert name.startswith("celery@")
    assert {queue["name"] for queue in worker["active_queues"]} == {"celery_see", "other"}
    assert "reverse_text" in worker["registered"]

    pages_show(flower, name, ids["reverse_text"], has_queues=profile.name == "embedded")


def pages_show(flower: Flower, worker: str, task_id: str, *, has_queues: bool) -> None:
    """Look at Flower's pages as a person does, and at what their browser asks for."""
    asked: list[str] = []
    with launched() as browser:
        page = browser.new_context(http_credentials={"username": "admin", "password": TOKEN}).new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(flower.url)
        expect(page.locator("#workers-table")).to_contain_text(worker)
        page.goto(f"{flower.url}/tasks")
        row = page.locator("#tasks-table tbody tr", has_text="reverse_text")
        expect(row).to_contain_text("stressed")
        expect(row).to_contain_text("desserts")
        page.goto(f"{flower.url}/task/{task_id}")
        expect(page.locator("#task-page")).to_contain_text("'desserts'")
        page.goto(f"{flower.url}/worker/{worker}")
        expect(page.locator("body")).to_contain_text("celery_see")
        page.goto(f"{flower.url}/broker")
        # RabbitMQ tells its queues to the management plugin's API alone, which this one does not run.
        expect(page.locator("table")).to_contain_text("celery_see" if has_queues else "")
    assert {url for url in asked if not url.startswith((flower.url, "data:"))} == set()


def test_what_was_cancelled_or_has_expired_does_not_seem_to_run(
    start: Callable[..., tuple[System, Flower]], app: App
) -> None:
    system, flower = start(ASYNC_TASKS_ADMIN_TOKEN=TOKEN)
    cancelled = submission.submit(app, "add", {"a": 1, "b": 2}).id
    submission.cancel(app, cancelled)
    running = submission.submit(app, "steps", {"count": 1000, "pause": 0.1}).id

    system.start("worker")

    assert flower.task(cancelled, "REVOKED")["name"] == "add"
    flower.task(running, "STARTED")
    submission.cancel(app, running)
    assert flower.task(running, "REVOKED")["name"] == "steps"


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGKILL"])
def test_what_is_terminated_there_is_cancelled_here(
    start: Callable[..., tuple[System, Flower]], app: App, signal: str
) -> None:
    _, flower = start("worker", ASYNC_TASKS_ADMIN_TOKEN=TOKEN)
    task_id = submission.submit(app, "steps", {"count": 1000, "pause": 0.1}).id
    wait_until(lambda: queries.get(app, task_id).state is State.STARTED, 20)

    flower.client.post(f"/api/task/revoke/{task_id}", params={"terminate": "true", "signal": signal}).raise_for_status()

    record = queries.wait(app, task_id, 20)
    assert (record.state, record.attempts) == (State.REVOKED, 1)
    assert record.error is not None
    assert record.error["message"] == "cancelled while it ran"
    flower.task(task_id, "REVOKED")


def test_what_is_revoked_there_is_cancelled_here_though_no_worker_is_there(
    start: Callable[..., tuple[System, Flower]], app: App
) -> None:
    system, flower = start(ASYNC_TASKS_ADMIN_TOKEN=TOKEN)
    task_id = submission.submit(app, "add", {"a": 1, "b": 2}).id

    flower.client.post(f"/api/task/revoke/{task_id}").raise_for_status()

    assert queries.get(app, task_id).state is State.REVOKED
    system.start("worker")
    assert queries.wait(app, submission.submit(app, "add", {"a": 1, "b": 2}).id, 20).result == 3
    assert queries.get(app, task_id).attempts == 0


def test_what_is_submitted_or_aborted_there_is_recorded_as_it_is(
    start: Callable[..., tuple[System, Flower]], app: App
) -> None:
    _, flower = start("worker", ASYNC_TASKS_ADMIN_TOKEN=TOKEN)
    post = flower.client.post

    submitted = post("/api/task/async-apply/add", json={"args": [1, 2]}).json()["task-id"]
    assert queries.wait(app, submitted, 20).result == 3
    assert queries.get(app, submitted).args == {"a": 1, "b": 2}
    refused = post("/api/task/async-apply/add", json={"args": ["one", 2]}).json()["task-id"]
    assert queries.wait(app, refused, 20).state is State.FAILURE

    running = submission.submit(app, "steps", {"count": 20, "pause": 0.1}).id
    flower.task(running, "STARTED")
    # Aborting is for tasks of Celery's AbortableTask, which ours are not.
    post(f"/api/task/abort/{running}").raise_for_status()
    assert queries.wait(app, running, 20).state is State.SUCCESS


PROTECTED = ("/", "/workers", "/tasks", "/task/some-id", "/worker/celery@host", "/broker", "/api/workers", "/api/tasks")


class TestLogin:
    """Who may look; the broker has no part in it."""

    @pytest.fixture
    def profile(self, store_profile: Profile) -> Profile:
        return store_profile

    def test_with_a_token_nobody_comes_in_without_it(self, start: Callable[..., tuple[System, Flower]]) -> None:
        _, flower = start(ASYNC_TASKS_ADMIN_TOKEN=TOKEN)

        for auth in (None, ("admin", "wrong"), ("admin", ""), ("", TOKEN)):
            with httpx.Client(base_url=flower.url, auth=auth) as stranger:
                assert {path: stranger.get(path).status_code for path in PROTECTED} == dict.fromkeys(PROTECTED, 401)
                assert stranger.post("/api/task/revoke/some-id").status_code == 401
                assert stranger.post("/api/task/async-apply/add", json={"args": [1, 2]}).status_code == 401
                assert stranger.get("/").headers["www-authenticate"].startswith("Basic")
        assert flower.client.get("/tasks").status_code == 200
        assert flower.client.get("/api/tasks").json() == {}
        # The password is in no list of processes.
        assert TOKEN not in Path(f"/proc/{flower.process.pid}/cmdline").read_text()

    def test_another_site_cannot_use_a_browsers_login(self, start: Callable[..., tuple[System, Flower]]) -> None:
        _, flower = start(ASYNC_TASKS_ADMIN_TOKEN=TOKEN)
        foreign = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
        assert flower.client.post("/api/task/revoke/some-id", headers=foreign).status_code == 403
        assert flower.client.post("/api/task/revoke/some-id").status_code == 200

    def test_on_loopback_without_a_token_it_shows_and_does_nothing(
        self, start: Callable[..., tuple[System, Flower]], app: App
    ) -> None:
        _, flower = start("worker")
        with httpx.Client(base_url=flower.url) as visitor:
            assert visitor.get("/tasks").status_code == 200
            assert visitor.get("/api/tasks").status_code == 401
            assert visitor.post("/api/task/revoke/some-id").status_code == 401
            task_id = submission.submit(app, "steps", {"count": 1000, "pause": 0.1}).id
            page = f"/task/{task_id}"
            wait_until(lambda: "STARTED" in visitor.get(page).text, 20, lambda: visitor.get(page).text)
            assert "task-terminate" not in visitor.get(page).text

    def test_beyond_loopback_it_does_not_start_without_a_token(self, running_system: Callable[..., System]) -> None:
        system = running_system(env={"ASYNC_TASKS_FLOWER_PORT": str(free_port())})
        flower = system.launch("flower", "--host", "0.0.0.0")
        assert flower.wait() == 1
        assert "ASYNC_TASKS_ADMIN_TOKEN is required" in flower.output

    def test_a_login_that_it_could_not_take_is_refused(self, running_system: Callable[..., System]) -> None:
        system = running_system(env={"ASYNC_TASKS_ADMIN_TOKEN": f"{TOKEN},{TOKEN}"})
        flower = system.launch("flower")
        assert flower.wait() == 1
        assert "comma" in flower.output
