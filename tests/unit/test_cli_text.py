"""What the command does with text and times, without any server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from async_tasks.ops import times
from async_tasks.ops.terminal import cells, clip, harmless, json_text, pad, shown

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown_as"),
    [
        ("plain, with Grüße and 日本語 👩‍👩‍👧", "plain, with Grüße and 日本語 👩‍👩‍👧"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J\x85", r"\x9b2J\x85"),
        ("a\rb\x00", r"a\rb\x00"),
        ("abc\u202ecba", r"abc\u202ecba"),
        ("line\u2028feed", r"line\u2028feed"),
        ("half \ud83d", r"half \ud83d"),
        ("tab\tand\nline", "tab\tand\nline"),
    ],
)
def test_harmless(text, shown_as):
    assert harmless(text) == shown_as
    assert harmless(harmless(text)) == shown_as
    assert harmless(text, one_line=True) == shown_as.replace("\t", r"\t").replace("\n", r"\n")


def test_json_is_harmless_and_the_same_value():
    value = {"a\x9b": ["\x1b[2J", "\x7f\u202e\ud83d", "Grüße", 1.5, None], "b": "\\x9b"}
    for indent, ascii_only in ((None, False), (2, False), (None, True)):
        text = json_text(value, indent=indent, ascii_only=ascii_only)
        assert json.loads(text) == value
        assert harmless(text) == text
        assert text.isascii() == ascii_only
        text.encode()
    assert shown("text") == "text"
    assert shown(["é"]) == '["é"]'


def test_widths_are_those_of_a_terminal():
    assert [cells(text) for text in ("abc", "日本", "e\u0301", "\u200b", "")] == [3, 4, 1, 0, 0]
    assert clip("日本語", 6) == "日本語"
    assert clip("日本語", 5) == "日本…"
    assert clip("日本語", 4) == "日…"
    assert clip("two words", 5) == "two…"
    assert clip("word", 0) == ""
    assert pad("日", 4) == "日  "


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1.5", 1.5), ("30s", 30), ("15m", 900), ("2h", 7200), (" 7d ", 604800), ("0", 0)]
)
def test_durations(text, seconds):
    assert times.parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1y", "1h30m", "h", "1e3", "inf", "nan", "٣"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="is no duration, such as"):
        times.parse_seconds(text)


def test_moments():
    assert times.parse_moment("2026-11-22T13:00:00+01:00") == NOON
    assert times.parse_moment("2026-11-22T12:00:00Z") == NOON
    local = NOON.astimezone().replace(tzinfo=None)
    assert times.parse_moment(local.isoformat(sep=" ")) == NOON
    assert times.parse_moment("2026-11-22").date().isoformat() == "2026-11-22"
    for text in ("", "noon", "2026-13-01", "0001-01-01", "9999-12-31T23:59:59-23:00"):
        with pytest.raises(ValueError, match="is no time, such as"):
            times.parse_moment(text)


def test_moments_and_how_long_ago():
    now = NOON + timedelta(hours=2)
    at = round(NOON.timestamp() * 1000)
    assert times.parse_past("2h", now) == times.parse_past("2026-11-22T12:00:00Z", now) == at
    with pytest.raises(ValueError, match="is neither a time"):
        times.parse_past("soon")


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 ms"),
        (-5, "0 ms"),
        (999, "999 ms"),
        (2_100, "2.1 s"),
        (61_000, "1 min 01 s"),
        (7_500_000, "2 h 05 min"),
        (273_600_000, "3 d 4 h"),
    ],
)
def test_durations_in_words(milliseconds, words):
    assert times.duration(milliseconds) == words


def test_a_stopwatch():
    assert [times.stopwatch(seconds) for seconds in (0, 7.9, 754, 3723)] == ["0:00", "0:07", "12:34", "1:02:03"]


def test_a_time_in_a_table_is_as_short_as_it_is_clear():
    now = NOON.astimezone()
    at = now.replace(hour=9, minute=5, second=3)
    assert times.brief(round(at.timestamp() * 1000), now) == "09:05:03"
    assert (
        times.brief(round((at - timedelta(days=30)).timestamp() * 1000), now)[:5] == f"{at - timedelta(days=30):%m-%d}"
    )
    assert (
        times.brief(round((at - timedelta(days=400)).timestamp() * 1000), now) == f"{at - timedelta(days=400):%Y-%m-%d}"
    )
