"""Every promise of the system against what clients were told, what ran, and what the records say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from benchmarks.soak.faults import Injected
from benchmarks.soak.house import LEASE
from benchmarks.soak.load import CONFLICT, GONE, UNAVAILABLE, Call, Load, Wish
from benchmarks.soak.witness import FINAL, Change, Run

#: Seconds within which every call must be answered.
BOUND: Final = 6.0
#: Seconds by which two clocks of one machine, read one after the other, may seem apart.
BLINK: Final = 0.05
#: Seconds after the end of its function within which a run is told to the ledger, unless the store is away.
TELLING: Final = 12.0
#: Seconds that a web process may take to serve again after it was killed.
RETURN: Final = 10.0
#: Seconds after it was let go on within which a worker begins what it had claimed before it was frozen.
THAWED: Final = 1.0
KILLS: Final = ("kill pool child", "kill worker", "kill worker group")


@dataclass
class Broken:
    """A promise that did not hold; ``about`` is an id, if it is about one task, and ``at`` when."""

    promise: str
    what: str
    about: str = ""
    at: float = 0.0


@dataclass
class Evidence:
    """All that is known when everything has been drained."""

    load: Load
    runs: Sequence[Run]
    records: Mapping[str, dict[str, Any]]
    changes: Mapping[str, Sequence[Change]]
    faults: Sequence[Injected]
    runs_of: dict[str, list[Run]] = field(init=False, default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for run in self.runs:
            self.runs_of[run.id].append(run)


def moment(text: str | None) -> float:
    """A record's time in seconds since the epoch; 0 if there is none."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def reckon(evidence: Evidence) -> list[Broken]:
    """What is broken; nothing, if all promises held."""
    found: list[Broken] = []
    for check in (_lost, _contradictory, _ends, _cancelled, _by_ref, _unique, _effects, _twice, _calls):
        found += check(evidence)
    return found


def _lost(e: Evidence) -> Iterator[Broken]:
    for task_id, wishes in e.load.by_id.items():
        record = e.records.get(task_id)
        if record is None:
            yield Broken("lost", "accepted, and there is no record", task_id, wishes[0].accepted_at)
        elif record["state"] == "SUCCESS" and not any(run.completed for run in e.runs_of[task_id]):
            yield Broken("lost", "SUCCESS, and no run came to its end", task_id, wishes[0].accepted_at)
    for task_id, record in e.records.items():
        if record["state"] not in FINAL:
            yield Broken("lost", f"{record['state']} after the drain", task_id, moment(record["submitted_at"]))
    for call in e.load.calls:
        if call.status == GONE:
            yield Broken("unknown", f"{call.method} {call.path}: 404", call.path.rpartition("/")[2], call.at)


def _contradictory(e: Evidence) -> Iterator[Broken]:
    for task_id, changes in e.changes.items():
        finals = [index for index, change in enumerate(changes) if change.state in FINAL]
        if finals and (late := {change.state for change in changes[finals[0] :]} - {changes[finals[0]].state}):
            what = f"{changes[finals[0]].state}, and later {', '.join(sorted(late))}"
            yield Broken("contradictory", what, task_id, changes[finals[0]].at)
    for task_id, state, call in e.load.seen:
        record = e.records.get(task_id, {})
        over = moment(record.get("finished_at"))
        stale = state not in FINAL and over and call.at > over + BLINK
        if (state in FINAL and state != record.get("state")) or stale:
            what = f"a client was shown {state}, and it ended as {record.get('state')} at {over:.3f}"
            yield Broken("contradictory", what, task_id, call.at)


def _ends(e: Evidence) -> Iterator[Broken]:
    for task_id, record in e.records.items():
        wishes = e.load.by_id.get(task_id, [])
        fails = record["name"] == "failing"
        if record["state"] == "FAILURE" and not fails:
            yield Broken("contradictory", f"FAILURE: {record['error']['message']}", task_id)
        if fails and record["state"] != "FAILURE":
            yield Broken("contradictory", f"{record['state']}, and it must fail", task_id)
        if record["state"] == "REVOKED" and not any(wish.cancel for wish in wishes):
            yield Broken("contradictory", "REVOKED, and nobody cancelled it", task_id)
        runs = e.runs_of[task_id]
        if record["due_at"] and record["name"] == "plain" and runs and runs[0].began < moment(record["due_at"]) - BLINK:
            yield Broken("contradictory", f"ran {moment(record['due_at']) - runs[0].began:.3f} s early", task_id)
    for task_id in e.runs_of.keys() - e.records.keys():
        yield Broken("contradictory", "ran, and there is no record", task_id, e.runs_of[task_id][0].began)


def _cancelled(e: Evidence) -> Iterator[Broken]:
    for wish in e.load.wishes:
        if not wish.cancel or not wish.ids or (record := e.records.get(wish.ids[0])) is None:
            continue
        over = moment(record["finished_at"])
        if wish.cancel == "confirmed":
            late = [run for run in e.runs_of[wish.ids[0]] if run.began > wish.cancelled_at]
            if record["state"] != "REVOKED" or late:
                what = f"cancelled for good, and it is {record['state']} and began {len(late)} times later"
                yield Broken("contradictory", what, wish.ids[0], wish.cancelled_at)
        if wish.cancel == "finished" and over > wish.cancelled_at + BLINK:
            yield Broken("contradictory", "a client was told that it had finished", wish.ids[0], wish.cancelled_at)


def _by_ref(e: Evidence) -> Iterator[Broken]:
    """What a client asked for once, or with one key, is there once: answered or not."""
    ids_of: dict[str, set[str]] = defaultdict(set)
    for task_id, record in e.records.items():
        ids_of[str(record["args"].get("ref"))].add(task_id)
    for wish in e.load.wishes:
        if len(ids_of[wish.ref]) > 1:
            yield Broken("contradictory", f"{wish.ref}, {wish.posts} POSTs: {ids_of[wish.ref]}", min(ids_of[wish.ref]))
        if len(set(wish.ids)) > 1:
            yield Broken("contradictory", f"{wish.ref}, key {wish.key}: answered {set(wish.ids)}", wish.ids[0])


def _unique(e: Evidence) -> Iterator[Broken]:
    slots: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for record in e.records.values():
        if record["name"] == "alone":
            slots[record["args"]["slot"]].append(record)
    for records in slots.values():
        ordered = sorted(records, key=lambda each: (each["submitted_at"], each["id"]))
        for first, second in pairwise(ordered):
            if first["finished_at"] and second["submitted_at"] < first["finished_at"]:
                what = f"two unfinished ones of one slot: {first['id']} and {second['id']}"
                yield Broken("contradictory", what, second["id"], moment(second["submitted_at"]))


def _effects(e: Evidence) -> Iterator[Broken]:
    for task_id, runs in e.runs_of.items():
        effects = sorted(at for run in runs for at in run.effects)
        record = e.records.get(task_id)
        if record is None or record["name"] != "pay":
            continue
        marks = [moment(entry["at"]) for entry in record["timeline"] if entry["event"] == "effect done"]
        if record["state"] == "SUCCESS" and not (effects and marks):
            yield Broken("once", f"SUCCESS with {len(effects)} effects and {len(marks)} marks", task_id)
        if marks and (late := [at for at in effects if at > min(marks) + BLINK]):
            yield Broken("once", f"done again {late[0] - min(marks):.2f} s after its mark", task_id, late[0])


def repeated_effects(e: Evidence) -> list[str]:
    """Ids whose effect was done again because it was not yet marked when its process was killed."""
    return [task_id for task_id, runs in e.runs_of.items() if sum(len(run.effects) for run in runs) > 1]


def interrupted(e: Evidence) -> Iterator[tuple[Run, Run]]:
    """Each run that was not the last of its attempt, and the one after it."""
    for runs in e.runs_of.values():
        by_attempt: dict[int, list[Run]] = defaultdict(list)
        for run in runs:
            by_attempt[run.retries].append(run)
        for same in by_attempt.values():
            yield from pairwise(same)


def window(fault: Injected) -> tuple[float, float]:
    """When it may have interrupted a run."""
    if fault.kind in KILLS:
        return fault.began, fault.began + 0.5
    return fault.began, fault.ended + LEASE + 1


def _ran_on_after_thaw(fault: Injected, run: Run, following: Run) -> bool:
    """Whether a frozen worker had claimed the task and not begun: thawed it runs what another has run meanwhile.

    Nothing can prevent that; its result is dropped.
    """
    frozen = fault.kind == "freeze worker" and following.worker in fault.of_workers
    return frozen and fault.began <= run.began and fault.ended <= following.began <= fault.ended + THAWED


def explains(fault: Injected, run: Run, following: Run) -> bool:
    """Whether a fault is why a run was followed by another."""
    if _ran_on_after_thaw(fault, run, following):
        return True
    if run.worker not in fault.of_workers or (fault.kind == "kill pool child" and fault.pid != run.pid):
        return False
    begins, ends = window(fault)
    until = following.began if run.ended is None else min(following.began, run.ended + TELLING)
    return run.began <= ends and begins <= until


def _twice(e: Evidence) -> Iterator[Broken]:
    for run, following in interrupted(e):
        if not any(explains(fault, run, following) for fault in e.faults):
            what = (
                f"ran on {run.worker}, pid {run.pid}, and again {following.began - run.began:.2f} s later, for no fault"
            )
            yield Broken("twice", what, run.id, following.began)


def running_at(e: Evidence, fault: Injected) -> list[Run]:
    """What the victims of a kill were running."""
    return [
        run
        for run in e.runs
        if run.worker in fault.of_workers
        and (fault.kind != "kill pool child" or fault.pid == run.pid)
        and run.began <= fault.began
        and (run.ended is None or run.ended >= fault.began)
        and not any(later.pid == run.pid and run.began < later.began <= fault.began for later in e.runs_of[run.id])
    ]


def reruns(e: Evidence, kinds: Sequence[str]) -> list[tuple[float, bool, Injected, Run]]:
    """For each run that a kill ended: seconds until the next one, whether no other fault was near, and which."""
    found = []
    for fault in e.faults:
        if fault.kind not in kinds:
            continue
        near = [
            f
            for f in e.faults
            if f is not fault
            and "web" not in f.target
            and f.ended > fault.began - LEASE
            and f.began < fault.began + LEASE
        ]
        for run in running_at(e, fault):
            later = [
                each.began for each in e.runs_of[run.id] if each.began > fault.began and each.retries == run.retries
            ]
            if later:
                found.append((min(later) - fault.began, not near, fault, run))
    return found


def _calls(e: Evidence) -> Iterator[Broken]:
    for call in e.load.calls:
        words = f"{call.method} {call.path} ({call.ref}) on {call.web}: {call.status or call.error}"
        if call.seconds > BOUND:
            yield Broken("bounded", f"{words} after {call.seconds:.2f} s", at=call.at)
        if call.status is None:
            if not any(_silences(fault, call) for fault in e.faults):
                yield Broken("answered", f"{words}, and no fault was near", at=call.at)
        elif call.status == UNAVAILABLE:
            if not call.retry_after:
                yield Broken("answered", f"{words} without Retry-After", at=call.at)
        elif call.status not in (200, 202, GONE, CONFLICT):
            yield Broken("answered", f"{words}: {call.answer}", at=call.at)


def _silences(fault: Injected, call: Call) -> bool:
    hits = fault.target == call.web and (fault.kind.startswith("kill web") or fault.kind.endswith("client link"))
    return hits and fault.began <= call.answered_at and call.at <= (fault.ended or fault.began) + RETURN


def outcomes(calls: Sequence[Call]) -> Counter[str]:
    """Calls by how they ended."""
    return Counter(str(call.status) if call.status else "no answer" for call in calls)


def about(e: Evidence, broken: Broken) -> list[Wish]:
    """The clients that a broken promise was made to."""
    return e.load.by_id.get(broken.about, [])
