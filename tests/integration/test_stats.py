"""What was measured, as the API and the pages tell it, of tasks that real workers ran."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from async_tasks import queries
from async_tasks.engine import App
from async_tasks.measures import PARTS
from async_tasks.web import create_app
from tests.support.system import System
from tests.support.waiting import wait_until
from tests.support.web import assert_problem

API = "/api/v1"


@pytest.fixture
def client(app: App) -> FlaskClient:
    """Somebody who looks."""
    return create_app(engine=app).test_client()


def run(client: FlaskClient, name: str, **arguments: object) -> dict:
    answer = client.post(f"{API}/tasks/{name}?wait=30", json=arguments)
    assert answer.status_code == 200, answer.json
    return answer.json


def test_what_real_workers_did_is_told_as_it_was(client: FlaskClient, app: App, workers: System, tmp_path) -> None:
    for n in range(5):
        run(client, "add", a=n, b=1)
    run(client, "append", path=str(tmp_path / "lines"), line="x", seconds=0.4)
    run(client, "flaky", path=str(tmp_path / "tries"), failures=2)
    failed = [run(client, "fail", text=f"no {n}") for n in range(2)]
    later = client.post(f"{API}/tasks/add?delay=600", json={"a": 1, "b": 2}).json
    client.post(f"{API}/tasks/add?delay=600", json={"a": 1, "b": 3})
    client.delete(later["links"]["self"])

    stats = client.get(f"{API}/stats").json
    assert (stats["period"], stats["name"], stats["bucket"], len(stats["series"])) == ("hour", None, 60, 60)
    totals = stats["totals"]
    assert (totals["submitted"], totals["succeeded"], totals["failed"]) == (11, 7, 2)
    assert (totals["revoked"], totals["retried"], totals["started"]) == (1, 2, 11)
    assert totals["failure_rate"] == pytest.approx(2 / 9)
    assert stats["now"] == {"running": 0, "waiting": {"celery_see": 0, "other": 0}, "due": 1}
    by_name = {task["name"]: task for task in stats["tasks"]}
    assert list(by_name) == ["add", "append", "fail", "flaky"]
    assert (by_name["add"]["submitted"], by_name["fail"]["failed"], by_name["flaky"]["retried"]) == (7, 2, 2)
    assert by_name["append"]["run"]["p50"] >= 0.36

    records = queries.page(app, limit=20).tasks
    ran = sorted(record.finished_at - record.started_at for record in records if record.started_at)
    for name, part in PARTS.items():
        exact = ran[math.ceil(part * len(ran)) - 1] / 1000
        assert totals["run"][name] == pytest.approx(exact, rel=0.1, abs=0.0001)

    one = client.get(f"{API}/stats?period=day&name=fail").json
    assert (one["name"], one["totals"]["failed"], [task["name"] for task in one["tasks"]]) == ("fail", 2, ["fail"])
    assert (one["bucket"], len(one["series"])) == (600, 144)
    assert sum(moment["failed"] for moment in one["series"]) == 2
    # A dispatcher looks at the queues, whoever looks at the numbers.
    wait_until(lambda: client.get(f"{API}/stats").json["series"][-1]["depth"]["other"] == 0, 90)

    (group,) = client.get(f"{API}/failures").json["failures"]
    assert (group["type"], group["message"], group["count"]) == ("builtins.ValueError", "no 1", 2)
    assert group["tasks"] == {"fail": 2}
    assert group["where"].endswith(" in fail")
    assert group["fingerprint"] == failed[0]["error"]["fingerprint"]
    assert (group["first_seen"], group["last_seen"]) == (failed[0]["finished_at"], failed[1]["finished_at"])
    assert client.get(group["links"]["example"]).json["id"] == failed[1]["id"]
    assert (len(group["series"]), sum(group["series"])) == (144, 2)
    assert client.get(f"{API}/failures?name=add").json["failures"] == []


def test_what_nobody_asked_for_is_all_noughts(make: Callable[..., Flask]) -> None:
    client = make().test_client()
    stats = client.get(f"{API}/stats?period=week&name=").json
    assert (stats["name"], stats["bucket"], len(stats["series"])) == (None, 3600, 168)
    assert stats["totals"] == {
        "submitted": 0, "started": 0, "succeeded": 0, "failed": 0, "revoked": 0, "retried": 0, "failure_rate": None,
        "wait": {"p50": None, "p95": None, "p99": None}, "run": {"p50": None, "p95": None, "p99": None},
    }  # fmt: skip
    assert (stats["tasks"], stats["series"][-1]["depth"]["celery_see"]) == ([], None)
    assert client.get(f"{API}/failures").json["failures"] == []
    for page in ("/overview", "/failures"):
        assert "Nothing" in client.get(page).text


@pytest.mark.parametrize("path", ["stats", "failures"])
def test_a_period_that_is_none_is_refused(make: Callable[..., Flask], path: str) -> None:
    client = make().test_client()
    problem = assert_problem(client.get(f"{API}/{path}?period=year"), 422, "invalid-option")
    assert problem["errors"] == [{"field": "period", "message": "'year' is no period; there are hour, day, week"}]
    assert client.get(f"/{'overview' if path == 'stats' else 'failures'}?period=year").status_code == 422
