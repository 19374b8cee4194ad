"""Torment a whole system under load, and reckon up: ``make soak ARGS="--minutes 30 --profile rabbitmq --seed 7"``.

See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Final

from benchmarks.soak.alone import each_alone
from benchmarks.soak.faults import Driver, plan
from benchmarks.soak.house import House
from benchmarks.soak.load import Load
from benchmarks.soak.reckon import Broken, Evidence
from benchmarks.soak.report import Soak
from benchmarks.soak.witness import Watcher, drain, read_records, read_runs

ARTIFACTS: Final = Path(__file__).parents[2] / "test-artifacts"
#: The last part of a run has no faults: so many seconds, or a tenth of it.
CALM: Final = 15.0
#: Seconds within which everything must be final after the load has ended.
DRAIN: Final = 120.0


def main() -> int:
    """Run on the profiles asked for; 0 if every promise held."""
    options = _options()
    signal.signal(signal.SIGTERM, _interrupt)
    profiles = ("embedded", "rabbitmq") if options.profile == "both" else (options.profile,)
    minutes = options.minutes / len(profiles)
    broken = 0
    try:
        for profile in profiles:
            broken += _soak(profile, minutes, options)
    except KeyboardInterrupt:
        print("\ninterrupted; everything is ended")
        return 130
    return 1 if broken else 0


def _soak(profile: str, minutes: float, options: argparse.Namespace) -> int:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = ARTIFACTS / f"soak-{stamp}-{profile}-{options.seed}"
    house = House(profile, folder)
    load: Load | None = None
    watcher = Watcher(house.store)
    began = time.monotonic()

    def say(words: str) -> None:
        line = f"{time.monotonic() - began:7.1f}  {words}"
        print(line, flush=True)
        with (folder / "soak.log").open("a") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {line}\n")

    try:
        house.start()
        say(f"{profile}: everything serves; {minutes:g} minutes, seed {options.seed}, in {folder}")
        urls = {name: role.url for name, role in house.roles.items() if role.kind == "web"}
        load = Load(urls, options.seed, options.rate)
        watcher.start()
        load.start()
        until = time.monotonic() + minutes * 60
        driver = Driver(house, say)
        driver.run(plan(options.seed, profile), until - min(CALM, minutes * 6))
        house.mend()
        say(f"no more faults after {len(driver.injected)}; everything serves again")
        while time.monotonic() < until:
            house.look_after()
            time.sleep(0.1)
        load.stop()
        say(f"{len(load.by_id):,} accepted; waiting until everything is final")
        drained_in = drain(house.store, DRAIN)
        say("each worker alone")
        further: list[Broken] = list(each_alone(house, load))
        drain(house.store, DRAIN)
        watcher.stop()
        records = read_records(house.roles["web-1"].system.url)
        further += [Broken("the soak itself", words) for words in load.trouble]
        evidence = Evidence(load, read_runs(house.effects), records, watcher.changes, driver.injected)
        soak = Soak(profile, options.seed, minutes, evidence, house.endings, drained_in, further)
    finally:
        if load is not None:
            load.close()
        watcher.stop()
        house.end()
    return _tell(soak, folder, keep=options.keep)


def _tell(soak: Soak, folder: Path, *, keep: bool) -> int:
    soak.write(folder.with_suffix(".json"))
    print(f"\n{soak.table()}\n")
    if soak.broken or keep:
        soak.write_evidence(folder)
        findings = soak.findings()
        (folder / "findings.txt").write_text(findings + "\n")
        print(f"{findings}\n\nlogs and all that was noted: {folder}")
    else:
        shutil.rmtree(folder)
    print(f"figures: {folder.with_suffix('.json')}", flush=True)
    return len(soak.broken)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long there is load; `both` share it")
    parser.add_argument("--profile", choices=("embedded", "rabbitmq", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1, help="the same seed: the same faults in the same order")
    parser.add_argument("--rate", type=float, default=18, help="calls begun a second")
    parser.add_argument("--keep", action="store_true", help="keep logs and notes though nothing is broken")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
