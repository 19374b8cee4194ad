"""An email and a worker that is killed: what is sent once, and the gap in which it is sent twice."""

from __future__ import annotations

import pytest

from async_tasks import queries
from async_tasks.ledger import State
from async_tasks.submission import submit
from tests.support.mail_tasks import mail_and_hold
from tests.support.smtp import Handler, smtp_server
from tests.support.waiting import wait_until

MODULES = ("tests.support.tasks", "tests.support.mail_tasks")
RECIPIENT = "ada@example.com"


@pytest.fixture
def server():
    """What a real SMTP server gets, and its port."""
    handler = Handler()
    with smtp_server(handler) as port:
        yield handler, port


@pytest.fixture
def system(running_system, server):
    """A worker that sends through that server."""
    _, port = server
    env = {"ASYNC_TASKS_SMTP_URL": f"smtp://127.0.0.1:{port}", "ASYNC_TASKS_LEASE": "2"}
    system = running_system(modules=MODULES, env=env)
    system.start("worker")
    return system


def test_an_email_that_is_marked_as_sent_is_not_sent_again(app, server, system, tmp_path):
    handler, _ = server
    path = tmp_path / "held"
    task_id = submit(app, mail_and_hold.name, {"recipient": RECIPIENT, "path": str(path)}).id
    wait_until(path.exists, 30, "the email to be sent and marked")
    system.processes["worker"].kill()
    system.start("worker")
    wait_until(lambda: len(path.read_text().splitlines()) == 2, 30, "the second run, after the email")
    path.with_name("held.go").touch()
    ended = queries.wait(app, task_id, 30)
    assert (ended.state, ended.attempts) == (State.SUCCESS, 2)
    assert [mail.message["Message-ID"] for mail in handler.mails] == [ended.result]


def test_an_email_whose_worker_is_killed_before_the_mark_is_sent_twice_and_can_be_known_as_one(app, server, system):
    # The gap that nobody can close: the server has accepted it, and the ledger cannot have heard.
    handler, _ = server
    killed = []

    def kill_once():
        if not killed:
            system.processes["worker"].kill()
            killed.append(True)

    handler.on_quit = kill_once
    record = submit(app, "send_email", {"recipient": RECIPIENT, "subject": "Hello", "body": "Hello"})
    wait_until(lambda: killed, 30, "the server to accept the email")
    system.start("worker")
    ended = queries.wait(app, record.id, 30)
    assert (ended.state, ended.attempts) == (State.SUCCESS, 2)
    # Servers and readers that look at the Message-ID show it once.
    assert [mail.message["Message-ID"] for mail in handler.mails] == [ended.result["message_id"]] * 2
