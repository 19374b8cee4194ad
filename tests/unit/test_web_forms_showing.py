"""Fields as they stand on the page: what was typed is there again, whatever it was."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

import pytest
from pydantic import Field

from async_tasks import catalog
from async_tasks.web import forms
from async_tasks.web.forms import durations
from tests.support.form_tasks import Country, Size
from tests.support.forms import form_of, html_of, one, sent_by_browser


@pytest.fixture(autouse=True)
def _own_catalog() -> Iterator[None]:
    taken = catalog.snapshot()
    yield
    catalog.restore(taken)


@pytest.mark.parametrize(
    ("annotation", "typed", "kind"),
    [
        (date, "2027-01-31", "date"),
        (date, "31.1.2027", "text"),
        (time, "12:00", "time"),
        (time, "noon", "text"),
        (datetime, "2027-01-31T12:00:00", "datetime-local"),
        (datetime, "2027-01-31T12:00:00.123456+01:00", "text"),
        (int, "five", "text"),
        (float, "1,5", "text"),
    ],
)
def test_what_was_typed_is_there_again_even_where_the_browsers_own_input_cannot_show_it(
    annotation: Any, typed: str, kind: str
) -> None:
    html = html_of([one(annotation)], {"value": typed}, {"value": ["Wrong"]})
    assert f'<input type="{kind}" id="probe.value" name="value"' in html
    assert f'value="{typed}"' in html


def test_a_line_of_text_with_line_breaks_is_shown_as_lines() -> None:
    assert "<textarea" not in html_of([one(str)], {"value": "one"})
    assert "<textarea" in html_of([one(str)], {"value": "one\r\ntwo"})


def test_few_choices_stand_side_by_side_and_many_in_a_list() -> None:
    assert html_of([one(Size)]).count('type="radio"') == 3
    assert "<select" in html_of([one(Country)])
    assert html_of([one(Country)]).count("<option") == 7  # with one to begin with
    assert html_of([one(Country, Country.NL)]).count("<option") == 6


def test_what_is_optional_is_said_in_a_word() -> None:
    def probe(a: str, b: str | None, c: list[str], d: Annotated[list[str], Field(min_length=1)], e: int = 5) -> None:
        """Probe."""

    demands = {shown.name: shown.demand for shown in forms.shown(form_of(probe))}
    assert demands == {"a": "required", "b": "required", "c": "optional", "d": "required", "e": "optional"}


def test_an_input_says_what_describes_it() -> None:
    entry = one(Annotated[int, Field(ge=1, description="How many.")])
    html = html_of([entry], {"value": "0"}, {"value": ["Too few"]})
    assert 'aria-describedby="probe.value.help probe.value.error"' in html
    assert '<p class="hint" id="probe.value.help">How many. A whole number, at least 1.' in html
    assert '<p class="error" id="probe.value.error">Too few</p>' in html
    assert 'aria-invalid="true"' in html
    assert "aria-invalid" not in html_of([entry])


def test_a_name_with_spaces_makes_ids_without() -> None:
    ids = re.findall(r' (?:id|for|aria-describedby)="([^"]*)"', html_of([one(int)], name="my task"))
    assert ids
    assert all("my_task.value" in each and "my task" not in each for each in ids)


def test_a_long_example_is_shown_in_short_and_put_in_whole() -> None:
    html = html_of([one(Annotated[str, Field(examples=["word " * 100])])])
    assert f'data-text="{"word " * 100}"' in html
    assert ">" + ("word " * 18) + "…</button>" in html


def test_markup_is_only_text() -> None:
    def probe(value: Annotated[str, Field(title="<b>T", description="<b>D", examples=["<b>E"])] = "<b>V") -> None:
        """Probe."""

    form = form_of(probe)
    assert "<b>" not in html_of(form, None, {"value": ["<b>M"]})
    assert sent_by_browser(html_of(form)) == {"value": "<b>V"}


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(0), "0 s"),
        (timedelta(hours=1.5), "1 h 30 min"),
        (timedelta(days=420, microseconds=5), "420 d 0.000005 s"),
        (timedelta(seconds=-90), "-1 min 30 s"),
        (timedelta.max, "999999999 d 23 h 59 min 59.999999 s"),
        (timedelta.min, "-999999999 d"),
    ],
)
def test_a_length_of_time_is_said_as_people_do(length: timedelta, words: str) -> None:
    value = one(timedelta, length).default
    assert durations.in_words(value) == words
    assert durations.in_json(words) == value
