"""When tasks are submitted by themselves: cron in its time zone, intervals, and what was missed."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from async_tasks import catalog, task
from async_tasks.catalog.schedule import MOST_MISSED, parse
from async_tasks.errors import DeclarationError

HOUR = 3600_000
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def _own_catalog():
    taken = catalog.snapshot()
    yield
    catalog.restore(taken)


def ms(*parts, zone=UTC):
    return round(datetime(*parts, tzinfo=zone).timestamp() * 1000)


def local(at):
    return datetime.fromtimestamp(at / 1000, BERLIN).strftime("%d %H:%M %z")


def test_cron_is_read_in_its_time_zone():
    schedule = parse({"cron": "0 9 * * MON-FRI", "timezone": "Europe/Berlin"})
    friday = ms(2026, 11, 20, 9, zone=BERLIN)
    assert schedule.after(friday) == ms(2026, 11, 23, 9, zone=BERLIN)
    assert schedule.after(friday - 1) == friday
    assert schedule.last(friday) == schedule.last(friday + 5 * HOUR) == friday
    assert schedule.last(friday - 1) == ms(2026, 11, 19, 9, zone=BERLIN)


def test_a_fixed_hour_runs_once_where_the_clock_is_changed():
    schedule = parse({"cron": "30 2 * * *", "timezone": "Europe/Berlin"})
    at, spring = ms(2026, 3, 28, 0, zone=BERLIN), []
    while len(spring) < 3:
        at = schedule.after(at)
        spring.append(local(at))
    assert spring == ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"]
    at, autumn = ms(2026, 10, 24, 0, zone=BERLIN), []
    while len(autumn) < 3:
        at = schedule.after(at)
        autumn.append(local(at))
    assert autumn == ["24 02:30 +0200", "25 02:30 +0200", "26 02:30 +0100"]


def test_intervals_count_from_the_epoch():
    schedule = parse(90)
    assert [schedule.after(0), schedule.after(89_999), schedule.after(90_000)] == [90_000, 90_000, 180_000]
    assert [schedule.last(89_999), schedule.last(90_000)] == [0, 90_000]


def test_what_was_missed():
    first, now = ms(2026, 1, 1), ms(2026, 1, 1, 5, 30)
    hours = [ms(2026, 1, 1, hour) for hour in range(6)]
    assert parse({"cron": "0 * * * *", "missed": "all"}).due(first, now) == hours
    assert parse("0 * * * *").due(first, now) == hours[-1:]
    assert parse({"cron": "0 * * * *", "missed": "skip"}).due(first, now) == []
    # On time is not missed.
    assert parse({"cron": "0 * * * *", "missed": "skip"}).due(hours[-1], hours[-1] + 200) == hours[-1:]
    long = parse({"every": 60, "missed": "all"}).due(first, first + 1000 * 60_000)
    assert len(long) == MOST_MISSED
    assert long[-1] == first + 1000 * 60_000


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("every day", "is no cron expression"),
        ("0 0 30 2 *", "30 2"),
        (0.1, "1 seconds or more"),
        (True, "write a cron expression"),
        ({"cron": "* * * * *", "every": 5}, "write a cron expression"),
        ({"cron": "* * * * *", "zone": "UTC"}, "write a cron expression"),
        ({"cron": "* * * * *", "timezone": "Mars/Olympus"}, "no time zone"),
        ({"cron": "* * * * *", "missed": "maybe"}, "'once', 'skip' or 'all'"),
        ({"cron": 5}, "no cron expression"),
    ],
)
def test_what_cannot_be_a_schedule_is_refused_at_declaration(given, words):
    with pytest.raises(DeclarationError, match=words):

        @task(schedule=given)
        def never() -> None: ...


def test_the_arguments_of_a_schedule_must_fit():
    with pytest.raises(DeclarationError, match=r"arguments.*user"):

        @task(schedule=60)
        def greet(user: str) -> None: ...

    @task(name="fits", schedule={"every": 60, "arguments": {"user": "ada"}})
    def greet_well(user: str) -> None: ...

    assert greet_well.spec.options.schedule is not None
