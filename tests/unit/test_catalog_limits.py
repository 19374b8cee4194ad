"""Limits as they are written, and as the ledger holds them."""

from __future__ import annotations

import pytest

from async_tasks import catalog, task
from async_tasks.catalog import limits
from async_tasks.errors import DeclarationError


@pytest.fixture(autouse=True)
def _own_catalog():
    taken = catalog.snapshot()
    catalog.restore({})  # other tests' modules are loaded too, and take names
    yield
    catalog.restore(taken)


@pytest.mark.parametrize(("rate", "every"), [("10/m", 6000), ("100/s", 10), ("3/h", 1_200_000), ("1/s", 1000)])
def test_a_rate_is_the_time_between_two_starts(rate, every):
    assert limits.every(rate) == every


@pytest.mark.parametrize(
    "rate", ["", "10", "0/s", "10/d", "-1/s", "1.5/s", "ten/m", "10/m ", "10/M", "10/m\n", "1234567/s"]
)
def test_what_is_no_rate(rate):
    assert limits.every(rate) is None

    def limited() -> None: ...

    with pytest.raises(DeclarationError, match="'10/m'"):
        task(rate_limit=rate)(limited)


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, True, "3"])
def test_what_is_no_number_of_tasks(concurrency):
    def limited() -> None: ...

    with pytest.raises(DeclarationError, match="a whole number, 1 or more"):
        task(concurrency=concurrency)(limited)


def test_a_declared_limit_is_what_the_ledger_holds_and_words_for_people():
    @task(rate_limit="10/m", concurrency=3)
    def held_back() -> None: ...

    assert held_back.spec.options.limit() == {"rate_limit": "10/m", "every": 6000, "concurrency": 3}
    assert limits.words(held_back.spec.options.limit()) == "10/m, 3 at a time"
    assert limits.words({}) == "no limit"

    @task
    def free() -> None: ...

    assert free.spec.options.limit() is None
