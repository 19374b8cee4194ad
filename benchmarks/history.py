"""How long a page of history takes, and how many bytes a record costs, with a million records.

    python -m benchmarks.history --records 1000000

Fills a store of its own through the ledger's own functions and asks the API for pages. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from benchmarks.filling import AT_ONCE, NAMES, SUBMITTERS, WORKERS, fill, specs
from flask.testing import FlaskClient
from tests.support.profiles import Profile
from tests.support.servers import StoreServer, redis_program, valkey_program
from tests.support.web import web_apps

from async_tasks import queries
from async_tasks.engine import App
from async_tasks.ledger import Ledger, Record, StoreConnection
from async_tasks.queries import history

FIELDS: Final = ("state", "name", "queue", "worker", "submitted_by", "batch_id", "fingerprint", "times")
HOUR: Final = 3_600_000  # milliseconds
#: Milliseconds within which a page is to be answered, and bytes that a record may cost beside its document.
PAGE_BOUND, BYTES_BOUND = 50, 800
#: A page of every combination is asked for so often, and the fastest counts: others use the machine, too.
TRIES: Final = 3

Query = Mapping[str, Any]


class Cost(NamedTuple):
    """Milliseconds of one answer: by the clock, and of processors, here and in the store."""

    wall: float
    cpu: float


def main() -> int:
    """Fill, measure, print; 1 if a bound is not kept."""
    options = _options()
    program = valkey_program() if options.store == "valkey" else redis_program()
    with tempfile.TemporaryDirectory(prefix="async-tasks-history-") as name:
        store = StoreServer(program, Path(name))
        store.start()
        try:
            with web_apps(Profile("embedded", store, store, store.url, Path(name))) as make:
                flask = make()
                app: App = flask.extensions["async_tasks"]
                size = _fill(store, options)
                worst = Bench(app, flask.test_client(), Random(options.seed)).run(options.rounds)
        finally:
            store.kill()
    print(f"\nslowest page {worst:.1f} ms (bound {PAGE_BOUND}); {size:.0f} bytes a record (bound {BYTES_BOUND})")
    return int(worst > PAGE_BOUND or size > BYTES_BOUND)


def _fill(store: StoreServer, options: argparse.Namespace) -> float:
    """Write the records; bytes of each beside its document."""
    ledger = Ledger(StoreConnection(store.url, timeout=60, patience=60))
    client: Any = ledger.client
    client.config_set("appendonly", "no")  # nobody reads them after a crash
    fill(ledger, specs(AT_ONCE))  # for what the first call makes
    client.flushall()
    used, began = client.info("memory")["used_memory"], time.monotonic()
    documents = fill(ledger, specs(options.records, options.seed))
    took = time.monotonic() - began
    beside = (client.info("memory")["used_memory"] - used - documents) / options.records
    print(f"{options.records:,} records in {took:.0f} s, {options.store} {client.info('server')['redis_version']}")
    ledger.connection.close()
    print(f"{documents / options.records:.0f} bytes a document, {beside:.0f} beside it: all keys and indexes")
    return beside


class Bench:
    """Asks for pages through the API, and notes how long they took."""

    def __init__(self, app: App, client: FlaskClient, random: Random) -> None:
        self.app = app
        self.client = client
        self.random = random
        self.sample = self._some_of_each_day()
        self.newest = self.sample[0].submitted_at
        #: Of a page five days back.
        self.deep = queries.page(app, until=self.newest - 5 * 24 * HOUR, limit=1).next_cursor

    def run(self, rounds: int) -> float:
        """Everything; the milliseconds of the slowest page."""
        print(f"\n{'milliseconds, as the API answers 50 records':52} {'median':>8} {'worst':>8} {'CPU':>8}")
        medians = []
        for name, query in self._named().items():
            costs = [self._page(query) for _ in range(rounds)]
            medians.append(statistics.median(cost.wall for cost in costs))
            _print(name, costs)
        print(f"\n{f'every combination, the fastest of {TRIES} tries each':52} {'median':>8} {'worst':>8} {'CPU':>8}")
        slowest = self._every_combination()
        print()
        for filters in ({}, {"state": "FAILURE"}, {"state": "FAILURE", "worker": WORKERS[1]}):
            number = queries.count(self.app, **filters)
            _print(f"count of {filters or 'all'}: {number}", [self._count(filters) for _ in range(rounds)])
        found = queries.page(self.app, q="no such text")
        print(f"a text that is nowhere: looks through {found.scanned:,} records in {history.BUDGET:g} s")
        return max(slowest, *medians)

    def _named(self) -> dict[str, Query]:
        """What an operator asks for, and what is worst for other kinds of indexes."""
        failed = next(record for record in self.sample if record.error)
        fingerprint = failed.error and failed.error["fingerprint"]
        day = self.newest - 96 * HOUR
        seldom = {"worker": WORKERS[-2], "name": NAMES[-1]}
        disjoint = {"state": "FAILURE", "worker": WORKERS[0]}
        return {
            "everything": {},
            "everything, deep": {"cursor": self.deep},
            "state": {"state": "FAILURE"},
            "state, deep": {"state": "FAILURE", "cursor": self.deep},
            "state and worker: much of each, nothing of both": disjoint,
            "the same, deep": {**disjoint, "cursor": self.deep},
            "name and worker: little of both": seldom,
            "name, worker and state: next to nothing": {**seldom, "state": "SUCCESS"},
            "a state that nothing is in": {"state": "RETRY"},
            "a submitter of much, and a state": {"submitted_by": SUBMITTERS[1], "state": "REVOKED"},
            "a submitter of little": {"submitted_by": SUBMITTERS[-1]},
            "batch": {"batch_id": next(record.batch_id for record in self.sample if record.batch_id)},
            "fingerprint": {"fingerprint": fingerprint},
            "fingerprint and queue, deep": {"fingerprint": fingerprint, "queue": failed.queue, "cursor": self.deep},
            "an hour, four days ago": {"since": day - HOUR, "until": day},
            "all filters, of one record": _values(FIELDS, [failed] * len(FIELDS)),
        }

    def _every_combination(self) -> float:
        seen: dict[int, list[Cost]] = {}
        for number, query in self._combinations():
            seen.setdefault(number, []).append(min(self._page(query) for _ in range(TRIES)))
        for number, costs in seen.items():
            _print(f"{number} filters, {len(costs)} pages", costs)
        return max(cost.wall for costs in seen.values() for cost in costs)

    def _combinations(self) -> Iterator[tuple[int, Query]]:
        """Each with the values of one record, and with values that may have nothing in common, also deep."""
        for number in range(len(FIELDS) + 1):
            for names in combinations(FIELDS, number):
                yield number, _values(names, [self.random.choice(self.sample)] * number)
                mixed = _values(names, self.random.choices(self.sample, k=number))
                yield number, mixed
                yield number, {**mixed, "cursor": self.deep}

    def _some_of_each_day(self) -> list[Record]:
        newest = queries.page(self.app, limit=1).tasks[0].submitted_at
        moments = range(newest, newest - 7 * 24 * HOUR, -6 * HOUR)
        return [record for at in moments for record in queries.page(self.app, until=at, limit=20).tasks]

    def _page(self, query: Query) -> Cost:
        def ask() -> None:
            answer = self.client.get("/api/v1/tasks", query_string=query)
            assert answer.json is not None, answer.text
            assert "tasks" in answer.json, answer.text

        return self._cost(ask)

    def _count(self, filters: Query) -> Cost:
        return self._cost(lambda: queries.count(self.app, **filters))

    def _cost(self, function: Callable[[], object]) -> Cost:
        store, here, began = self._store_cpu(), time.process_time(), time.perf_counter()
        function()
        wall, cpu = time.perf_counter() - began, time.process_time() - here + self._store_cpu() - store
        return Cost(wall * 1000, cpu * 1000)

    def _store_cpu(self) -> float:
        info: Any = self.app.ledger.client.info("cpu")
        return float(info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"])


def _values(names: Sequence[str], records: Sequence[Record]) -> dict[str, Any]:
    query: dict[str, Any] = {}
    for name, record in zip(names, records, strict=True):
        if name == "times":
            query |= {"since": record.submitted_at - 12 * HOUR, "until": record.submitted_at + 12 * HOUR}
        elif name == "fingerprint":
            query[name] = record.error["fingerprint"] if record.error else "of nothing"
        else:
            query[name] = str(getattr(record, name) or "nobody")
    return query


def _print(name: str, costs: Sequence[Cost]) -> None:
    wall = [cost.wall for cost in costs]
    worst = max(cost.cpu for cost in costs)
    print(f"{name:52} {statistics.median(wall):8.1f} {max(wall):8.1f} {worst:8.1f}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="history", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--store", choices=("valkey", "redis"), default="valkey")
    parser.add_argument("--rounds", type=int, default=20, help="how often each named page is asked for")
    parser.add_argument("--seed", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
