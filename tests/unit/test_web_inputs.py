"""Bodies and query parameters are read strictly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from async_tasks.errors import InvalidOption
from async_tasks.ledger.record import State
from async_tasks.web import inputs
from async_tasks.web.problems import Refused


@pytest.mark.parametrize("text", ["{}", '{"a": [1, 2.5, null, true, "é"]}', "[]", '"x"', '{"a": {"a": 1}}'])
def test_json_is_taken(text: str) -> None:
    assert inputs.parse_json(text.encode()) is not None


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not JSON"),
        (b"{", "line 1, column 2"),
        (b'{"a": 1}}', "Extra data"),
        (b'\xff{"a": 1}', "not UTF-8: byte 0"),
        ('{"a": "é"}'.encode("latin-1"), "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[1e999]", "too large"),
        (b"[" + b"9" * 5000 + b"]", "cannot be kept"),
        (b'{"a": 1, "a": 2}', "'a' occurs twice"),
        (b'{"b": {"a": 1, "a": 2}}', "'a' occurs twice"),
        (b"[" * 65 + b"]" * 65, "deeper than 64"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper than 64"),
        (b"[" * 100_000, "deeper than 64"),
    ],
)
def test_what_is_no_json_is_refused_with_the_reason(raw: bytes, words: str) -> None:
    with pytest.raises(Refused) as refused:
        inputs.parse_json(raw)
    assert refused.value.slug == "invalid-json"
    assert words in str(refused.value)


def test_nesting_is_counted_by_depth_and_not_by_brackets() -> None:
    wide = b"[" + b",".join([b"[]"] * 1000) + b"]"
    assert len(inputs.parse_json(wide)) == 1000
    assert inputs.parse_json(b"[" * 64 + b"]" * 64)


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5.0), ("0.5", 0.5), ("-1", -1.0), ("1e3", 1000.0), ("5e-05", 0.00005)]
)
def test_seconds(text: str, value: float) -> None:
    assert inputs.seconds("delay", text) == value


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e999", "٣", "1_0", " 1", "1" * 20])
def test_what_is_no_number_of_seconds(text: str) -> None:
    with pytest.raises(InvalidOption, match="delay"):
        inputs.seconds("delay", text)


@pytest.mark.parametrize(
    "text",
    [
        "2027-01-31T12:00:00Z",
        "2027-01-31T13:00:00+01:00",
        "2027-01-31T13:00:00 01:00",  # "+" that was not escaped
        "2027-01-31T12:00:00.000Z",
    ],
)
def test_moments(text: str) -> None:
    assert inputs.moment("eta", text) == datetime(2027, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "tomorrow", "2027-01-31", "2027-01-31T12:00:00", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(InvalidOption, match="2027-01-31T12:00:00Z"):
        inputs.moment("eta", text)


def test_expiry_is_seconds_or_a_moment() -> None:
    assert inputs.seconds_or_moment("expires", "90") == 90.0
    assert inputs.seconds_or_moment("expires", "2027-01-31T12:00:00Z") == datetime(2027, 1, 31, 12, tzinfo=UTC)


def test_milliseconds_are_taken_as_such_or_from_a_moment() -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert inputs.milliseconds("since", "1500") == 1500
    assert inputs.milliseconds("since", (epoch + timedelta(seconds=1.5)).isoformat()) == 1500


def test_states_by_name() -> None:
    assert inputs.state("state", "RETRY") is State.RETRY
    with pytest.raises(InvalidOption, match="SCHEDULED, PENDING"):
        inputs.state("state", "retry")
