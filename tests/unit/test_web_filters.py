"""The filters of the History page: from addresses, forms and bodies, in words, and as addresses of others."""

from __future__ import annotations

from typing import Any

import pytest

from async_tasks.errors import InvalidOption
from async_tasks.ledger.filters import Filter
from async_tasks.ledger.record import State
from async_tasks.web import filters

NOW = 1_764_158_400_000  # 2025-11-26T12:00:00Z
HOUR = 3_600_000


def test_an_address_holds_what_is_chosen_in_one_order_and_nothing_else() -> None:
    chosen = filters.chosen({"q": " a b ", "since": "-24h", "state": "FAILURE", "worker": "  ", "cursor": "x"}, NOW)
    assert chosen.filters == {"state": State.FAILURE, "q": "a b", "since": NOW - 24 * HOUR}
    assert chosen.address() == "/history?state=FAILURE&q=a+b&since=-24h"
    assert chosen.address(state=None, name="x&y") == "/history?q=a+b&since=-24h&name=x%26y"
    assert filters.chosen({}, NOW).address() == "/history"


def test_the_conditions_in_words() -> None:
    given = {"since": "-1h", "until": "2025-11-26T12:00:00Z", "state": "RETRY", "name": "add", "fingerprint": "x.Y"}
    chosen = filters.chosen(given, NOW)
    assert chosen.sentence() == "Retry · task add · error x.Y · Last hour · to 26 Nov 2025, 12:00:00 UTC"
    assert filters.chosen({}, NOW).sentence() == "all tasks"
    without = [chip.without for chip in chosen.chips()]
    assert len(without) == 5
    assert "state=" not in without[0]
    assert "name=" in without[0]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("-30m", NOW - HOUR // 2),
        ("-7d", NOW - 7 * 24 * HOUR),
        ("2025-11-26T12:00:00+01:00", NOW - HOUR),
        ("-5", -5),
        (str(NOW), NOW),
    ],
)
def test_moments(text: str, at: int) -> None:
    assert filters.chosen({"since": text}, NOW).filters == {"since": at}


@pytest.mark.parametrize(
    ("name", "text"),
    [("since", "-1y"), ("until", "-h"), ("since", "yesterday"), ("until", "9" * 15), ("state", "DONE")],
)
def test_what_cannot_be_read_is_named(name: str, text: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        filters.chosen({name: text}, NOW)
    assert caught.value.option == name


@pytest.mark.parametrize(
    ("sent", "since", "until"),
    [
        ({"last": "-1h", "from": "2025-11-26T12:00"}, "-1h", None),
        ({"last": ""}, None, None),
        ({"last": "between", "from": "2025-11-26T13:00", "zone": "+01:00"}, "2025-11-26T12:00:00.000Z", None),
        ({"last": "", "to": "2025-11-26T12:00:30", "zone": ""}, None, "2025-11-26T12:00:30.000Z"),
        ({"last": "between", "from": "2025-11-26T12:00:00.000Z"}, "2025-11-26T12:00:00.000Z", None),
    ],
)
def test_the_times_of_the_form(sent: dict[str, str], since: str | None, until: str | None) -> None:
    found = filters.of_form({"name": "add", "q": "", "state": "", **sent})
    assert (found["name"], found.get("since"), found.get("until")) == ("add", since, until)


@pytest.mark.parametrize("sent", [{"last": "", "from": "soon"}, {"last": "between", "to": "2025-13-01T00:00"}])
def test_a_moment_of_the_form_that_is_none(sent: dict[str, str]) -> None:
    with pytest.raises(InvalidOption):
        filters.of_form(sent)


def test_a_body() -> None:
    assert filters.of_body({"since": NOW, "name": "add"}, NOW).filters == {"since": NOW, "name": "add"}
    for wrong, option in (
        (None, "filter"),
        ([], "filter"),
        ({"nmae": "x"}, "filter.nmae"),
        ({"name": 1}, "filter.name"),
        ({"since": True}, "filter.since"),
        ({"name": " "}, "filter.name"),
        ({"until": ""}, "filter.until"),
    ):
        with pytest.raises(InvalidOption) as caught:
            filters.of_body(wrong, NOW)
        assert caught.value.option == option


def test_a_filter_as_a_document() -> None:
    given: dict[str, Any] = {"state": State.RETRY, "queue": "other", "since": 1}
    assert Filter.from_document(Filter(**given).document()) == Filter(**given)
    assert Filter(**given).indexed() == {"state": "RETRY", "queue": "other"}
    assert Filter(q="x", fingerprint="a.B").indexed() == {"failure": "a.B"}
