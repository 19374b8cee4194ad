"""Lengths of time in bins, and percentiles of them."""

from __future__ import annotations

import math
import random

import pytest

from async_tasks.ledger.connection import BIN
from async_tasks.ledger.measured import length_of, percentile
from async_tasks.measures import Totals

DAY = 86_400_000


def bin_of(ms: int) -> int:
    """As ``bin`` of ``scripts/counting.lua``; that they agree is seen in tests/integration/test_measures.py."""
    return 0 if ms < 1 else math.floor(math.log(ms) / math.log(BIN)) + 1


def test_every_length_of_time_is_at_most_a_tenth_off():
    for ms in (*range(5000), *random.Random(1).sample(range(5000, 8 * DAY), 5000)):
        assert abs(length_of(bin_of(ms)) - ms) <= 0.1 * ms, ms


@pytest.mark.parametrize("count", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("part", [0.5, 0.95, 0.99])
def test_a_percentile_is_at_most_a_tenth_off_the_nearest_rank(count, part):
    chance = random.Random(count)
    lengths = sorted(int(chance.lognormvariate(5, 2)) for _ in range(count))
    bins: dict[int, int] = {}
    for ms in lengths:
        bins[bin_of(ms)] = bins.get(bin_of(ms), 0) + 1
    exact = lengths[math.ceil(part * count) - 1]
    assert percentile(bins, part) == pytest.approx(exact, rel=0.1)


def test_of_nothing_there_is_no_percentile_and_no_rate():
    assert percentile({}, 0.5) is None
    nothing = Totals({})
    assert (nothing.empty, nothing.failure_rate, nothing.wait["p50"], nothing.run["p99"]) == (True, None, None, None)


def test_what_did_not_run_has_no_run_time_and_counts_all_the_same():
    totals = Totals({"n": 5, "f": 1, "v": 2, "s1": 2, "f4": 1, "e0123456789abcdef": 2})
    assert (totals.submitted, totals.succeeded, totals.failed, totals.revoked) == (5, 2, 2, 2)
    assert totals.failure_rate == 0.5
    assert (totals.run["p50"], totals.run["p99"]) == (1.0, length_of(4))
