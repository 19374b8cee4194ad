"""Each role with the rights in RabbitMQ that docs/reliability.md gives it, and no more."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import amqp
import pytest

from async_tasks import engine, queries
from async_tasks.ledger import State
from async_tasks.submission import cancel, submit
from tests.integration.conftest import outlive_results
from tests.integration.test_flower import TOKEN, Flower
from tests.support.processes import free_port
from tests.support.profiles import Profile
from tests.support.system import System

ROLES = ("web", "worker", "flower")
DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"


def rights():
    rows = re.findall(r"^\| (\w+) \| `(\S+)` \| `(\S+)` \| `(\S+)` \|$", DOCUMENT.read_text(), re.MULTILINE)
    return {role: [pattern.replace(r"\|", "|") for pattern in patterns] for role, *patterns in rows}


@pytest.fixture
def urls(rabbitmq_server):
    vhost = f"test-{uuid.uuid4().hex[:12]}"
    rabbitmq_server.add_vhost(vhost)
    given = rights()
    assert set(given) == set(ROLES)
    yield {role: rabbitmq_server.add_user(vhost, f"{role}-{vhost}", *patterns) for role, patterns in given.items()}
    rabbitmq_server.delete_vhost(vhost)


def test_every_role_does_its_work_with_its_rights(urls, rabbitmq_server, redis_server, tmp_path):
    profiles = {
        role: Profile("rabbitmq", rabbitmq_server, redis_server, url, tmp_path / "data") for role, url in urls.items()
    }
    port = free_port()
    (tmp_path / "monitor").mkdir()
    worker = System(profiles["worker"], tmp_path)
    monitor = System(
        profiles["flower"], tmp_path / "monitor",
        env={"ASYNC_TASKS_FLOWER_PORT": str(port), "ASYNC_TASKS_ADMIN_TOKEN": TOKEN},
    )  # fmt: skip
    app = engine.build(profiles["web"].settings())
    try:
        worker.start("worker")
        record = submit(app, "reverse_text", {"text": "stressed"})
        assert queries.wait(app, record.id, 30).result == "desserts"
        waiting = submit(app, "reverse_text", {"text": "a"}, delay=60)
        assert cancel(app, waiting.id).state is State.REVOKED
        flower = Flower(monitor, port)
        assert flower.worker()
        ended = submit(app, "reverse_text", {"text": "b"})
        assert flower.task(ended.id, "SUCCESS")
        flower.client.close()
        assert "ACCESS_REFUSED" not in worker.processes["worker"].output
    finally:
        monitor.end()
        worker.end()
        outlive_results(app)
        app.close_connections()


def test_a_web_process_may_neither_read_nor_declare(urls):
    connection = amqp.Connection(
        urls["web"].split("@")[1].split("/")[0],
        userid=(user := urls["web"].split("//")[1].split(":")[0]),
        password=user,
        virtual_host=urls["web"].rpartition("/")[2],
    )
    with connection:
        for refused in (
            lambda channel: channel.queue_declare("celery_see", durable=True),
            lambda channel: channel.exchange_declare("another", "direct"),
            lambda channel: channel.basic_get("celery_see"),
        ):
            with pytest.raises(amqp.AccessRefused):
                refused(connection.channel())
