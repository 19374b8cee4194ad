"""Files to run a task over: what is in them, and what is wrong with which row."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from async_tasks import engine
from async_tasks.settings import load
from async_tasks.submission import MAX_BATCH
from async_tasks.web.files import Contents, Unreadable, described, read
from async_tasks.web.files.reading import MAX_PROBLEMS
from tests.support.forms import form_of, spec_of
from tests.support.profiles import SECRET_KEY


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int | None = None


def parcel(
    text: str,
    times: Annotated[int, Field(ge=1, le=9)] = 3,
    price: float = 1.5,
    loud: bool = True,
    size: Literal["small", "large", 3] = "small",
    day: date | None = None,
    tags: list[str] = [],  # noqa: B006 - never changed
    labels: dict[str, int] = {},  # noqa: B006
    person: Person | None = None,
    extra: Any = None,
    key: int | str = 0,
) -> None:
    """Order."""


@pytest.fixture(scope="module")
def app():
    url = "redis://127.0.0.1:1/0"
    return engine.build(load(broker_url=url, redis_url=url, secret_key=SECRET_KEY, max_payload_bytes=200_000))


@pytest.fixture
def contents(app):
    def contents(raw: bytes | str, filename: str = "rows.csv", function: Any = parcel) -> Contents:
        data = raw.encode() if isinstance(raw, str) else raw
        return read(app, spec_of(function), form_of(function), data, filename)

    return contents


@pytest.fixture
def rows(contents):
    """The arguments in a file with nothing wrong in it."""

    def rows(raw: bytes | str, **more: Any) -> list[dict[str, Any]]:
        found = contents(raw, **more)
        assert found.wrong == []
        assert found.count == len(found.arguments)
        return found.arguments

    return rows


@pytest.fixture
def wrong(contents):
    """What is wrong in a file: places, columns, words."""

    def wrong(raw: bytes | str, **more: Any) -> list[tuple[int, str, str]]:
        found = contents(raw, **more)
        return [(each.place, each.column, each.message) for each in found.wrong]

    return wrong


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_table_is_read_whatever_program_wrote_it(rows, delimiter, mark, end):
    lines = [("text", "times"), ("grün, weiß; rot|blau\t.", "2"), ("two\nlines", "3"), ('a "quote"', "")]
    quoted = [delimiter.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines]
    text = end.join([*quoted, "", delimiter, ""])
    assert rows(mark + text.encode()) == [
        {"text": "grün, weiß; rot|blau\t.", "times": 2},
        {"text": "two\nlines", "times": 3},
        {"text": 'a "quote"'},
    ]


def test_cells_are_read_as_what_is_typed_into_the_form(rows, contents):
    text = (
        "Text,times,price,loud,size,day,tags,labels.red,person.name,person.age,extra,key\n"
        'a,2,2.5,no,large,2027-01-31,"[""x"", ""y""]",7,Ada,36,"{""n"": [1]}",007\n'
        "b,,,,,,,,,,plain,12\n"
        "c,,,Yes,3,,,,Bob,,5,\n"
    )
    assert rows(text) == [
        {
            "text": "a", "times": 2, "price": 2.5, "loud": False, "size": "large", "day": "2027-01-31",
            "tags": ["x", "y"], "labels": {"red": 7}, "person": {"name": "Ada", "age": 36}, "extra": {"n": [1]},
            "key": "007",
        },
        {"text": "b", "extra": "plain", "key": 12},
        {"text": "c", "loud": True, "size": 3, "person": {"name": "Bob"}, "extra": 5},
    ]  # fmt: skip
    (first, *_) = contents("text\nx\n").first
    assert (first["times"], first["loud"], first["person"]) == (3, True, None)


def test_parts_of_lists_have_columns(rows):
    assert rows("text,tags.0,tags.1\na,x,y\nb,,z\nc,,\n") == [
        {"text": "a", "tags": ["x", "y"]},
        {"text": "b", "tags": ["z"]},
        {"text": "c"},
    ]


def test_what_is_wrong_has_its_row_and_its_column(wrong, contents):
    text = 'text,times,loud,size,day,tags,person.age\n,12,maybe,huge,soon,"a, b",x\n"two\nlines",x,,,,,\n'
    said = {(place, column): message for place, column, message in wrong(text)}
    assert set(said) == {
        (2, "text"), (2, "times"), (2, "loud"), (2, "size"), (2, "day"), (2, "tags"), (2, "person.age"),
        (2, "person.name"), (3, "times"),
    }  # fmt: skip
    assert said[2, "text"] == "is required"
    assert said[2, "tags"].startswith("must be JSON in the cell, such as [")
    assert "'small', 'large' or 3" in said[2, "size"]
    assert {each.given for each in contents(text).wrong if each.column == "times"} == {"12", "x"}


@pytest.mark.parametrize(
    ("header", "column", "words"),
    [
        ("txt,times", "txt", "Did you mean 'text'"),
        ("text,Text", "Text", "is there twice"),
        ("times", "text", "is missing"),
        ("text,person.nam", "person.nam", "Did you mean 'person.name'"),
        ("text,key.part", "key.part", "is no parameter"),
        ("text,zzzzzzzz", "zzzzzzzz", "the columns may be 'text', 'times'"),
    ],
)
def test_a_wrong_header_is_all_that_is_told(wrong, contents, header, column, words):
    found = wrong(f"{header}\n" + "x,y\n" * 5)
    assert {place for place, _, _ in found} == {1}
    assert words in next(message for _, name, message in found if name == column)
    assert contents(f"{header}\nx,y\n").count == 0


def test_rows_must_have_as_many_cells_as_the_header(wrong):
    assert [(place, column) for place, column, _ in wrong("text,times\na\nb,1,2\nc,1\n")] == [(2, ""), (3, "")]
    assert "has 1 cells, and the header 2" in wrong("text,times\na\n")[0][2]
    # One that has no name is nothing as long as nothing is in it.
    assert wrong("text,times,\na,1,\n") == []
    assert wrong("text,times,\na,1,2\n")[0][1:] == ("column 3", "has no name in the header, and must be empty")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n ", "is empty"),
        (b"text\n", "no row below it"),
        (b"text\n\n , \n", "no row below it"),
        ("text\nä\n".encode("latin-1"), "byte 0xe4 in line 2"),
        ("text\nä\n".encode("utf-16"), "UTF-16"),
        (b"text\na\0b\n", "NUL byte in line 2"),
        (b"PK\x03\x04", "ZIP"),
        (b'text\n"open\nx\n', "Row 2 cannot be read"),
        (b'text\n"a" b\n', "Row 2 cannot be read"),
        (b"text\n" + b"x" * 300_000, "Row 2 cannot be read: field larger"),
        (b"text\n" + b"x\n" * (MAX_BATCH + 1), "more than 10,000 rows"),
        (b'{"text": "x"}\n' * (MAX_BATCH + 1), "more than 10,000 rows"),
        (b"[]", "nothing in it"),
        (b"[1, ", "not JSON"),
    ],
)
def test_what_cannot_be_taken_says_what_would_be_right(contents, raw, words):
    with pytest.raises(Unreadable) as caught:
        contents(raw)
    assert words in str(caught.value)


def test_as_many_rows_as_a_batch_takes(rows):
    assert len(rows("text\n" + "x\n" * MAX_BATCH)) == MAX_BATCH


def test_problems_are_counted_and_the_first_are_told(contents):
    found = contents("text,times\n" + ",0\n" * 300)
    assert (found.count, found.wrong_rows, found.wrong_count, len(found.wrong)) == (300, 300, 600, MAX_PROBLEMS)


def test_a_delimiter_may_be_said_first(rows):
    assert rows("sep=;\r\ntext;times\r\na,b;2\r\n") == [{"text": "a,b", "times": 2}]


@pytest.mark.parametrize("shape", ["lines", "array"])
def test_json_is_read_as_the_api_does(rows, contents, shape):
    values = [{"text": "a\u2028b", "times": 2, "person": {"name": "Ada"}}, {"text": "c"}]
    lines = "\n\n".join(json.dumps(value, ensure_ascii=False) for value in values)
    text = lines if shape == "lines" else json.dumps(values, indent=2)
    assert rows(text, filename="rows.json") == values
    wrong = [{"text": "a", "times": "2"}, {}, 5]
    text = "\n".join(map(json.dumps, wrong)) if shape == "lines" else json.dumps(wrong)
    found = contents(text)
    assert found.unit == ("Line" if shape == "lines" else "Item")
    assert [(each.place, each.column) for each in found.wrong] == [(1, "times"), (2, "text"), (3, "")]


def test_a_line_that_is_no_json_is_named(wrong):
    (place, column, words), *_ = wrong('{"text": "a"}\n{"text": \n{"text": "b"}\n')
    assert (place, column) == (2, "")
    assert "is not JSON" in words
    assert wrong('"a"\n', filename="a.jsonl")[0][2] == "must be a JSON object: the arguments by name"


def test_arguments_that_are_too_large_are_named(wrong):
    ((place, _, words),) = wrong(json.dumps([{"text": "x" * 200_000}]))
    assert (place, "at most 200,000 are taken" in words) == (1, True)


def test_a_task_without_parameters_takes_objects(rows, wrong):
    def nothing() -> None:
        """Take nothing."""

    assert rows("{}\n{}\n", function=nothing) == [{}, {}]
    assert "takes none" in wrong("a\n1\n", function=nothing)[0][2]


def test_columns_are_described():
    found = {each.name: each for each in described(form_of(parcel))}
    assert list(found)[:3] == ["text", "times", "price"]
    assert {"person.name", "person.age"} <= set(found)
    assert (found["text"].required, found["person.name"].required) == (True, False)
    assert found["size"].words == 'One of small, large, 3. "small" where the cell is empty'
