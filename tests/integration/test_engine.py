"""The road of one task, from the submission to the result, with real workers on both profiles."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery

from async_tasks import queries, submission
from async_tasks.ledger import State
from tests.conftest import show_on_failure
from tests.integration.conftest import outlive_results
from tests.support import tasks
from tests.support.records import events, finished, reach
from tests.support.waiting import wait_until


@pytest.fixture
def profile(lasting_profile):
    """The same for all tests of this module."""
    return lasting_profile


@pytest.fixture
def workers(request, lasting_worker):
    """A worker that no test of this module stops."""
    show_on_failure(request, lasting_worker.tails)
    return lasting_worker


def test_a_task_runs_and_its_record_says_so(app, workers):
    record = submission.submit(app, "add", {"a": 1, "b": 2}, submitted_by="me")
    assert record.state == State.PENDING
    done = finished(app, record)
    assert (done.state, done.result, done.attempts, done.submitted_by) == (State.SUCCESS, 3, 1, "me")
    assert done.worker.startswith("celery@")
    assert events(done) == ["submitted", "started", "succeeded"]


def test_many_can_wait_at_once(app, workers):
    """More than the client's own default of a hundred connections."""
    record = submission.submit(app, "add", {"a": 1, "b": 2}, delay=2)
    with ThreadPoolExecutor(150) as pool:
        ends = list(pool.map(lambda _: queries.wait(app, record.id, 20), range(150)))
    assert {end.state for end in ends} == {State.SUCCESS}


def test_failures_tell_type_words_and_place(app, workers):
    first = finished(app, submission.submit(app, "fail", {"text": "no such thing"}))
    second = finished(app, submission.submit(app, "fail", {"text": "other words"}))
    assert first.state == State.FAILURE
    assert first.error["type"] == "builtins.ValueError"
    assert first.error["message"] == "no such thing"
    assert "in fail" in first.error["traceback"]
    assert first.error["fingerprint"] == second.error["fingerprint"]


def test_retries_back_off_and_keep_their_history(app, workers, tmp_path):
    done = finished(app, submission.submit(app, "flaky", {"path": str(tmp_path / "tries"), "failures": 2}))
    assert (done.state, done.result, done.attempts, done.error) == (State.SUCCESS, 3, 3, None)
    assert events(done).count("retry") == 2
    given_up = finished(app, submission.submit(app, "flaky", {"path": str(tmp_path / "more"), "failures": 9}))
    assert (given_up.state, given_up.attempts, given_up.error["message"]) == (State.FAILURE, 4, "try 4")


def test_retry_by_hand_is_celerys(app, workers):
    done = finished(app, submission.submit(app, "retry_by_hand", {"countdown": 0.1}))
    assert (done.result, done.attempts) == (2, 3)
    # The transport's own number for it must not become the retry's: on Redis that is the most urgent.
    assert done.priority is None
    at_once = finished(app, submission.submit(app, "retry_by_hand", {"countdown": 0}))
    assert (at_once.result, at_once.attempts) == (2, 3)


def test_bad_arguments_that_reach_a_worker_fail_and_are_never_retried(app, workers, tmp_path):
    result = app.send_task("flaky", args=["only the path"])
    done = finished(app, result.submitted.record)
    assert (done.state, done.attempts) == (State.FAILURE, 1)
    assert done.error["type"] == "async_tasks.errors.InvalidArguments"
    assert "failures" in done.error["message"]


def test_a_delay_is_kept_and_not_by_a_worker(app, workers):
    record = submission.submit(app, "add", {"a": 1, "b": 2}, delay=0.7)
    assert record.state == State.SCHEDULED
    done = finished(app, record)
    late = done.started_at - done.due_at if done.due_at else done.started_at - done.submitted_at - 700
    assert late >= 0
    eta = datetime.now(UTC) + timedelta(seconds=0.5)
    by_eta = finished(app, submission.submit(app, "add", {"a": 1, "b": 2}, eta=eta))
    assert by_eta.started_at >= int(eta.timestamp() * 1000)
    celerys = app.tasks["add"].apply_async((1, 2), countdown=0.5)
    assert celerys.state == "SCHEDULED"
    assert celerys.get(timeout=10) == 3


def test_what_expires_never_starts(app, workers):
    record = submission.submit(app, "add", {"a": 1, "b": 2}, delay=30, expires=0.2)
    done = finished(app, record)
    assert (done.state, done.error["message"]) == (State.REVOKED, "expired")


def test_a_cancelled_running_task_is_stopped(app, workers, tmp_path):
    path = tmp_path / "effects"
    record = submission.submit(app, "append", {"path": str(path), "line": "x", "seconds": 60})
    reach(app, record.id, State.STARTED)
    assert submission.cancel(app, record.id).cancel_requested
    done = finished(app, record)
    assert done.state == State.REVOKED
    assert events(done)[-2:] == ["cancel requested", "cancelled"]
    finished(app, submission.submit(app, "append", {"path": str(path), "line": "next"}))
    assert "end x" not in path.read_text()


def test_cancelling_leaves_the_worker_as_strong_as_it_was(app, workers, tmp_path):
    # More than it has processes: none may be lost, nor go on.
    path = tmp_path / "effects"
    for n in range(6):
        record = submission.submit(app, "append", {"path": str(path), "line": str(n), "seconds": 60})
        wait_until(lambda r=record: queries.get(app, r.id).state == State.STARTED, 20, "the start")
        submission.cancel(app, record.id)
        assert finished(app, record).state == State.REVOKED
    for done in [submission.submit(app, "add", {"a": n, "b": 1}) for n in range(8)]:
        assert finished(app, done).state == State.SUCCESS


def test_progress_arrives_while_it_runs(app, workers):
    record = submission.submit(app, "steps", {"count": 5, "pause": 0.3})
    seen = wait_until(lambda: app.ledger.get(record.id).progress, 10)
    assert seen["total"] == 5
    assert not app.ledger.get(record.id).finished
    assert finished(app, record).progress == {"done": 5, "total": 5, "message": "step 5"}


@pytest.mark.parametrize("how", ["memory", "exit"])
def test_what_would_end_the_worker_is_a_failure(app, workers, tmp_path, how):
    done = finished(app, submission.submit(app, "die", {"how": how, "path": str(tmp_path / "runs")}))
    assert (done.state, done.error["type"]) == (State.FAILURE, "async_tasks.errors.TaskCrashed")
    assert finished(app, submission.submit(app, "add", {"a": 1, "b": 1})).state == State.SUCCESS


def test_a_killed_pool_process_gives_its_task_back(app, workers, tmp_path):
    done = finished(app, submission.submit(app, "die", {"how": "kill", "path": str(tmp_path / "runs")}))
    assert (done.state, done.result, done.attempts) == (State.SUCCESS, "alive", 2)
    assert "worker lost" in events(done)


def test_a_task_that_kills_every_process_ends_as_a_failure(app, workers):
    done = finished(app, submission.submit(app, "always_killed", {}), timeout=60)
    assert (done.state, done.error["message"]) == (State.FAILURE, "worker lost 5 times")


def test_a_hard_time_limit_ends_in_failure(app, workers):
    soft = finished(app, submission.submit(app, "limited", {"seconds": 5}))
    assert soft.error["type"] == "billiard.exceptions.SoftTimeLimitExceeded"
    hard = finished(app, submission.submit(app, "limited", {"seconds": 5, "catch": True}))
    assert hard.error["type"] == "billiard.exceptions.TimeLimitExceeded"
    assert hard.attempts == 1


def test_a_result_that_is_too_large_is_a_failure_in_words(app, workers):
    done = finished(app, submission.submit(app, "large", {"size": 2 << 20}))
    assert done.state == State.FAILURE
    assert "ASYNC_TASKS_MAX_PAYLOAD_BYTES" in done.error["message"]


def test_a_queue_that_a_task_names_is_served(app, workers):
    done = finished(app, submission.submit(app, "elsewhere", {}))
    assert (done.queue, done.result) == ("other", "other")


def test_async_result_tells_the_same_story(app, workers):
    good = app.tasks["add"].delay(1, 2)
    assert good.get(timeout=10) == 3
    assert (good.state, good.successful(), good.name) == ("SUCCESS", True, "add")
    bad = app.tasks["fail"].delay("why")
    with pytest.raises(ValueError, match="why"):
        bad.get(timeout=10)
    assert bad.state == "FAILURE"
    unknown = app.AsyncResult(str(uuid.uuid4()))
    assert unknown.state == "PENDING"
    good.forget()
    assert app.ledger.get(good.id) is None


def test_the_decorated_function_sends_to_the_application_of_this_process(app, workers):
    result = tasks.add.delay(2, 3)
    assert result.get(timeout=10) == 5
    assert app.ledger.get(result.id).args == {"a": 2, "b": 3}
    assert tasks.add(2, 3) == 5


def test_a_foreign_client_that_knows_only_the_broker_is_adopted(app, workers, profile):
    foreign = Celery("foreign", broker=profile.broker_url)
    task_id = f"foreign-{uuid.uuid4()}"
    with (
        foreign.connection_for_write() as connection,
        foreign.amqp.Producer(connection, auto_declare=False) as producer,
    ):
        foreign.send_task(
            "add",
            (4, 5),
            task_id=task_id,
            producer=producer,
            exchange="celery_see",
            routing_key="celery_see",
            declare=[],
        )
    done = wait_until(lambda: (r := app.ledger.get(task_id)) and r.finished and r, 10)
    assert (done.state, done.result, done.args) == (State.SUCCESS, 9, {"a": 4, "b": 5})
    assert events(done) == ["adopted", "started", "succeeded"]
    outlive_results(foreign)
    foreign.close()


def test_the_same_message_twice_runs_once(app, workers, tmp_path):
    path = tmp_path / "effects"
    record = submission.submit(app, "append", {"path": str(path), "line": "x", "seconds": 0.5})
    reach(app, record.id, State.STARTED)
    from async_tasks.ledger import Envelope
    from async_tasks.ledger.connection import PREFIX

    envelope = Envelope.unpack(app.ledger.client.get(f"{PREFIX}msg:{record.id}"))
    app.publisher.publish(record.id, envelope)
    finished(app, record)
    app.publisher.publish(record.id, envelope)
    finished(app, submission.submit(app, "append", {"path": str(path), "line": "y"}))
    assert path.read_text().splitlines() == ["start x", "end x", "start y", "end y"]


def test_logs_carry_the_task_id(app, workers):
    record = submission.submit(app, "fail", {"text": "in the log"})
    finished(app, record)

    def line():
        return [
            entry
            for raw in workers.processes["worker"].output.splitlines()
            if raw.startswith("{") and (entry := json.loads(raw)).get("task_id") == record.id
        ]

    found = wait_until(line, 5)
    assert "in the log" in json.dumps(found)


def test_the_last_report_is_seen_though_the_task_goes_on_in_silence(app, workers):
    record = submission.submit(app, "silent", {"seconds": 20})
    wait_until(
        lambda: (queries.get(app, record.id).progress or {}).get("done") == 2,
        10,
        lambda: str(queries.get(app, record.id)),
    )
    assert queries.get(app, record.id).state == State.STARTED
    submission.cancel(app, record.id)
