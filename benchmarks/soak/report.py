"""The table of a soak, its figures as JSON, and what is needed to find the cause of a broken promise."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.soak.house import Ending
from benchmarks.soak.reckon import (
    KILLS,
    Broken,
    Evidence,
    about,
    interrupted,
    outcomes,
    reckon,
    repeated_effects,
    reruns,
    running_at,
)

#: Broken promises of one kind that are told in full.
SHOWN: Final = 5
#: Seconds around a broken promise in which faults are told.
AROUND: Final = 15.0


@dataclasses.dataclass
class Soak:
    """One run on one profile: what is told of it."""

    profile: str
    seed: int
    minutes: float
    evidence: Evidence
    endings: Sequence[Ending]
    drained_in: float
    further: list[Broken]
    broken: list[Broken] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.broken = [*reckon(self.evidence), *self.further]
        self.broken += [
            Broken("serves on", f"{ending.role} ended by itself with {ending.status}:\n{ending.tail}", at=ending.at)
            for ending in self.endings
        ]

    def figures(self) -> dict[str, Any]:
        """All that the table shows."""
        e = self.evidence
        promises = Counter(each.promise for each in self.broken)
        twice = list(interrupted(e))
        states = Counter(str(record["state"]) for record in e.records.values())
        slowest = max(e.load.calls, key=lambda call: call.seconds)
        return {
            "profile": self.profile,
            "seed": self.seed,
            "minutes": self.minutes,
            "accepted": len(e.load.by_id),
            "records": len(e.records),
            "lost": promises["lost"],
            "unknown": promises["unknown"],
            "contradictory": promises["contradictory"],
            "states": dict(states),
            "effects once": len({run.id for run in e.runs if run.effects}),
            "done again after the mark": promises["once"],
            "killed between effect and mark": len(repeated_effects(e)),
            "ran twice": len({run.id for run, _ in twice}),
            "runs interrupted": len(twice),
            "runs interrupted for no fault": promises["twice"],
            "running at kills": sum(len(running_at(e, fault)) for fault in e.faults if fault.kind in KILLS),
            "running at other faults": sum(
                len(running_at(e, fault)) for fault in e.faults if fault.of_workers and fault.kind not in KILLS
            ),
            "calls": dict(outcomes(e.load.calls)),
            "slowest call": {"seconds": round(slowest.seconds, 2), "what": f"{slowest.method} {slowest.status}"},
            "calls over 6 s": promises["bounded"],
            "faults": dict(Counter(fault.kind for fault in e.faults).most_common()),
            "re-run after SIGKILL of a worker": _spread(reruns(e, KILLS[1:])),
            "re-run after SIGKILL of a pool process": _spread(reruns(e, KILLS[:1])),
            "drained in": round(self.drained_in, 1),
            "the machine": {
                "load average": round(os.getloadavg()[0], 1),
                "processors": os.cpu_count(),
                "the load late by at most": round(e.load.late, 2),
            },
            "broken": [dataclasses.asdict(each) for each in self.broken],
        }

    def table(self) -> str:
        """For people."""
        figures = self.figures()
        kinds = figures.pop("faults")
        del figures["broken"]
        figures["faults"] = f"{sum(kinds.values())}"
        rows = [(name, _words(value)) for name, value in figures.items()]
        rows += [(f"  {kind}", str(count)) for kind, count in kinds.items()]
        rows.append(("promises broken", str(len(self.broken))))
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"| {name:<{width}} | {value}" for name, value in rows)

    def findings(self) -> str:
        """What is broken, with all that is known around it."""
        told: Counter[str] = Counter()
        shown = []
        for each in self.broken:
            told[each.promise] += 1
            if told[each.promise] <= SHOWN:
                shown.append("\n".join(self._finding(each)))
        shown += [f"and {count - SHOWN} more of: {promise}" for promise, count in told.items() if count > SHOWN]
        return "\n\n".join(shown)

    def _finding(self, broken: Broken) -> Iterator[str]:
        e = self.evidence
        yield f"BROKEN {broken.promise}: {broken.about} {broken.what}"
        record = e.records.get(broken.about)
        at = broken.at
        if record is not None:
            yield f"  {record['name']} {record['args']}, {record['state']}, attempts {record['attempts']}"
            yield from (f"  {entry.pop('at')} {entry}" for entry in [dict(each) for each in record["timeline"]])
            at = at or _epoch(record["finished_at"] or record["submitted_at"])
        for wish in about(e, broken):
            yield f"  client {wish.ref}: {wish}"
            yield from (f"    {_clock(c.at)} {c}" for c in e.load.calls if c.ref == wish.ref)
        for change in e.changes.get(broken.about, ()):
            yield f"  change {_clock(change.at)} {change.state} {change.event}"
        for run in e.runs_of.get(broken.about, ()):
            yield f"  run {_clock(run.began)} to {_clock(run.ended) if run.ended else '?'} {run}"
        began = min([at, *(run.began for run in e.runs_of.get(broken.about, ()))]) if at else at
        for fault in e.faults:
            if at and fault.ended > began - AROUND and fault.began < at + AROUND:
                yield f"  fault {_clock(fault.began)} to {_clock(fault.ended)} {fault}"

    def write(self, path: Path) -> None:
        """The figures as JSON."""
        path.write_text(json.dumps(self.figures(), indent=1) + "\n")

    def write_evidence(self, folder: Path) -> None:
        """All that was noted, for whoever looks for a cause."""
        e = self.evidence
        everything: dict[str, list[Any]] = {
            "calls": [dataclasses.asdict(call) for call in e.load.calls],
            "wishes": [dataclasses.asdict(wish) for wish in e.load.wishes],
            "runs": [dataclasses.asdict(run) for run in e.runs],
            "faults": [dataclasses.asdict(fault) for fault in e.faults],
            "records": list(e.records.values()),
            "changes": [[task_id, *change] for task_id, changes in e.changes.items() for change in changes],
        }
        for name, rows in everything.items():
            with (folder / f"{name}.jsonl").open("w") as lines:
                lines.writelines(json.dumps(row, default=str) + "\n" for row in rows)


def _spread(found: Sequence[tuple[float, bool, Any, Any]]) -> dict[str, Any]:
    def figures(seconds: list[float]) -> dict[str, Any]:
        if not seconds:
            return {"tasks": 0}
        return {"tasks": len(seconds), "median": round(statistics.median(seconds), 2), "max": round(max(seconds), 2)}

    return {"all": figures([each[0] for each in found]), "no other fault near": figures([e[0] for e in found if e[1]])}


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name} {_words(each)}" for name, each in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]


def _epoch(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0
