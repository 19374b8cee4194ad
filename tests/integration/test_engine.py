"""The road of one task, from the submission to the result, with real workers on both profiles."""

from __future__ import annotations

import json
import os
import signal
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from celery import Celery

from async_tasks import queries, submission
from async_tasks.errors import (
    AlreadyFinished,
    InvalidArguments,
    InvalidOption,
    PayloadTooLarge,
    UnknownTask,
)
from async_tasks.ledger import State
from tests.integration.conftest import outlive_results
from tests.support import tasks
from tests.support.waiting import wait_until


def finished(app, record, timeout=20):
    done = queries.wait(app, record.id, timeout)
    assert done.finished, done
    return done


def events(record):
    return [entry["event"] for entry in record.timeline]


def reach(app, task_id, state, timeout=20):
    return wait_until(
        lambda: (record := app.ledger.get(task_id)) and record.state == state and record,
        timeout,
        lambda: f"{state}: {app.ledger.get(task_id)}",
    )


def test_a_task_runs_and_its_record_says_so(app, workers):
    record = submission.submit(app, "add", {"a": 1, "b": 2}, submitted_by="me")
    assert record.state == State.PENDING
    done = finished(app, record)
    assert (done.state, done.result, done.attempts, done.submitted_by) == (State.SUCCESS, 3, 1, "me")
    assert done.worker.startswith("celery@")
    assert events(done) == ["submitted", "started", "succeeded"]


def test_what_cannot_be_accepted_is_refused_and_stores_nothing(app):
    with pytest.raises(UnknownTask) as unknown:
        submission.submit(app, "ad", {})
    assert "add" in unknown.value.near
    with pytest.raises(InvalidArguments) as invalid:
        submission.submit(app, "add", {"a": "x", "c": 1})
    assert {problem["field"] for problem in invalid.value.problems} == {"a", "b", "c"}
    with pytest.raises(PayloadTooLarge):
        submission.submit(app, "echo", {"value": "x" * (1 << 20)})
    with pytest.raises(InvalidOption):
        submission.submit(app, "add", {"a": 1, "b": 2}, delay=-1)
    with pytest.raises(InvalidOption):
        submission.submit(app, "add", {"a": 1, "b": 2}, delay=1, eta=datetime.now(UTC))
    assert queries.page(app).tasks == []


@pytest.mark.parametrize("cursor", ["x", "W0luZmluaXR5LCAiYSJd", "WzEsMiwzXQ", "W1tbW1tbW1tbW1tb" * 200, "ł"])
def test_a_cursor_of_ones_own_making_is_refused(app, cursor):
    with pytest.raises(InvalidOption):
        queries.page(app, cursor=cursor)


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


def test_a_cancelled_waiting_task_never_starts_though_no_worker_was_there(app, running_system, tmp_path):
    path = tmp_path / "effects"
    record = submission.submit(app, "append", {"path": str(path), "line": "x"})
    assert submission.cancel(app, record.id).state == State.REVOKED
    system = running_system(modules=("tests.support.tasks",))
    system.start("worker")
    finished(app, submission.submit(app, "append", {"path": str(path), "line": "after"}))
    assert path.read_text().splitlines() == ["start after", "end after"]
    with pytest.raises(AlreadyFinished):
        submission.cancel(app, record.id)


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


def test_a_message_that_vanished_from_the_broker_is_published_again(app, workers, profile):
    workers.processes["worker"].stop(20)
    record = submission.submit(app, "add", {"a": 1, "b": 2})
    with app.connection_for_write() as connection:
        connection.channel().queue_purge("celery_see")
    workers.start("worker")
    done = finished(app, record, timeout=30)
    assert done.state == State.SUCCESS
    assert "published again" in events(done)


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


def test_a_worker_killed_at_once_loses_nothing_and_a_long_task_is_not_run_twice(app, workers, tmp_path):
    path = tmp_path / "effects"
    long = submission.submit(app, "append", {"path": str(path), "line": "long", "seconds": 6})
    reach(app, long.id, State.STARTED)
    worker = psutil.Process(workers.processes["worker"].pid)
    family = [worker, *worker.children(recursive=True)]
    worker.kill()
    worker.wait(10)
    for process in family[1:]:
        if process.is_running():
            os.kill(process.pid, signal.SIGKILL)
    workers.start("worker")
    done = finished(app, long, timeout=40)
    assert (done.state, done.attempts) == (State.SUCCESS, 2)
    assert path.read_text().splitlines() == ["start long", "start long", "end long"]


def test_a_living_worker_takes_over_from_a_killed_one_within_ten_seconds(app, running_system, tmp_path):
    system = running_system(modules=("tests.support.tasks",))
    for name in ("one", "two"):
        system.launch("worker", name=name)
    for name in ("one", "two"):
        system.wait_ready(name)
    path = tmp_path / "effects"
    record = submission.submit(app, "append", {"path": str(path), "line": "x", "seconds": 3})
    holder = reach(app, record.id, State.STARTED).worker.partition("@")[0]
    os.kill(system.processes[holder].pid, signal.SIGKILL)
    killed_at = app.ledger.now()
    again = wait_until(lambda: (r := app.ledger.get(record.id)).attempts == 2 and r, 20)
    assert again.started_at - killed_at < 10_000
    assert again.worker.partition("@")[0] != holder
    assert finished(app, record).state == State.SUCCESS
    print(f"taken over after {(again.started_at - killed_at) / 1000:.1f} s")


def test_a_worker_asked_to_end_finishes_short_tasks_and_gives_long_ones_back(app, running_system, tmp_path):
    system = running_system(modules=("tests.support.tasks",), env={"ASYNC_TASKS_SHUTDOWN_GRACE": "1.5"})
    system.start("worker")
    path = tmp_path / "effects"
    long = submission.submit(app, "append", {"path": str(path), "line": "long", "seconds": 6})
    short = submission.submit(app, "append", {"path": str(path), "line": "short", "seconds": 0.5})
    reach(app, long.id, State.STARTED)
    wait_until(lambda: app.ledger.get(short.id).attempts == 1, 10)
    system.processes["worker"].stop(20)
    assert app.ledger.get(short.id).state == State.SUCCESS
    assert app.ledger.get(long.id).state in (State.PENDING, State.STARTED)
    system.start("worker")
    done = finished(app, long, 40)
    assert (done.state, done.attempts) == (State.SUCCESS, 2)
    assert path.read_text().splitlines().count("end long") == 1
    assert "handed back" in events(done), "it counts as a loss, of which there are only so many"


def test_the_last_report_is_seen_though_the_task_goes_on_in_silence(app, workers):
    record = submission.submit(app, "silent", {"seconds": 20})
    wait_until(
        lambda: (queries.get(app, record.id).progress or {}).get("done") == 2,
        10,
        lambda: str(queries.get(app, record.id)),
    )
    assert queries.get(app, record.id).state == State.STARTED
    submission.cancel(app, record.id)
