"""Messages that no client of sound mind sends: the worker lives, and each is set aside with its reason."""

from __future__ import annotations

import json
import uuid

import pytest
from kombu import Connection

from async_tasks import queries
from async_tasks.engine.recording import Provenance
from async_tasks.ledger import State
from async_tasks.submission import submit
from tests.support.waiting import wait_until

SOUND = {"lang": "py", "task": "add", "id": "sound", "retries": 0, "argsrepr": "", "kwargsrepr": ""}
BODY = json.dumps([[1, 2], {}, {}])


def headers(**changes):
    return {name: value for name, value in (SOUND | changes).items() if value is not ...}


CORPUS = {
    "bad json": ("{", headers(), {}),
    "bad utf-8": (b"\xff\xfe\x00", headers(), {}),
    "no triple": (json.dumps({"a": 1}), headers(), {}),
    "a number": ("5", headers(), {}),
    "null": ("null", headers(), {}),
    "arguments that are no list": (json.dumps([5, {}, {}]), headers(), {}),
    "names that are no object": (json.dumps([[], 5, {}]), headers(), {}),
    "no embed": (json.dumps([[1, 2], {}]), headers(), {}),
    "embed that is no object": (json.dumps([[1, 2], {}, 5]), headers(), {}),
    "callbacks that are none": (json.dumps([[1, 2], {}, {"callbacks": 7, "chain": "x"}]), headers(), {}),
    "no headers": (BODY, {}, {}),
    "no id": (BODY, headers(id=...), {}),
    "an id that is a list": (BODY, headers(id=["x"]), {}),
    "an id that is a number": (BODY, headers(id=5), {}),
    "a task that is a list": (BODY, headers(task=["add"]), {}),
    "an unknown task": (BODY, headers(task="nobody"), {}),
    "retries that are text": (BODY, headers(retries="many"), {}),
    "a time limit that is text": (BODY, headers(timelimit="soon"), {}),
    "an eta that is no time": (BODY, headers(eta="tomorrow"), {}),
    "an expiry that is no time": (BODY, headers(expires="never"), {}),
    "protocol 1 without a task": (json.dumps({"args": [], "kwargs": {}}), {}, {}),
    "pickle": (b"\x80\x04N.", headers(), {"content_type": "application/x-python-serialize"}),
    "an unknown type": (BODY, headers(), {"content_type": "text/x-unknown"}),
    "an unknown compression": (BODY, headers(compression="application/x-nothing"), {}),
}


def send(connection, body, sent_headers, options):
    options = {"content_type": "application/json", "content_encoding": "utf-8", **options}
    with connection.channel() as channel:
        producer = connection.Producer(channel)
        producer.publish(body, exchange="celery_see", routing_key="celery_see", headers=sent_headers, **options)


def test_every_malformed_message_leaves_the_worker_alive(app, workers, profile):
    sent = {}
    with Connection(profile.broker_url) as connection:
        for name, (body, given, options) in CORPUS.items():
            own = {}
            if isinstance(given.get("id"), str):
                own["id"] = sent[name] = str(uuid.uuid4())
            send(connection, body, given | own, options)
    after = [submit(app, "add", {"a": n, "b": 1}) for n in range(20)]
    for record in after:
        assert queries.wait(app, record.id, 30).state is State.SUCCESS

    def accounted_for():
        """What had an id has an ended record, or is kept; the rest is kept."""
        kept = app.ledger.dead_letters(100)
        ids = {letter["task_id"] for letter in kept}
        ended = {name for name, task_id in sent.items() if (found := app.ledger.get(task_id)) and found.finished}
        known = {name for name, task_id in sent.items() if task_id in ids}
        nameless = [letter for letter in kept if not letter["task_id"]]
        return ended | known == set(sent) and len(nameless) >= len(CORPUS) - len(sent)

    def state():
        found = {name: app.ledger.get(task_id) for name, task_id in sent.items()}
        return json.dumps(
            {
                "records": {name: (str(r.state), r.error and r.error["message"]) for name, r in found.items() if r},
                "kept": [(letter["task_id"], letter["why"]) for letter in app.ledger.dead_letters(100)],
                "sent": sent,
            },
            indent=1,
        )

    wait_until(accounted_for, 20, state)
    worker = workers.processes["worker"]
    assert worker.alive
    assert worker.output.count(" ready.") == 1, "it started again"


@pytest.mark.parametrize("damage", ["{", '{"a": 1}'])
def test_a_message_of_ours_that_was_damaged_ends_its_record(app, workers, profile, damage):
    # As if it had been damaged on the way: the record is there, its key too.
    sending = app.sending("add", {"a": 1, "b": 2}, provenance=Provenance())
    record = app.ledger.submit(sending, grace=3600).record
    with Connection(profile.broker_url) as connection:
        send(connection, damage, headers(id=record.id, async_tasks_key=record.message_key), {})
    wait_until(lambda: queries.get(app, record.id).finished, 20, lambda: str(queries.get(app, record.id)))
    ended = queries.get(app, record.id)
    assert ended.state is State.FAILURE
    assert ended.error["message"]
