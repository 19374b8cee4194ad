"""JSON values as pages show them: as what they are, bounded, and said to be cut where they are."""

from __future__ import annotations

from typing import Any

import pytest

from async_tasks.web import results
from async_tasks.web.results import Node, preview, shown


def drawn(node: Node | None) -> Any:
    """A tree as nested lists, to be compared."""
    assert node
    inner = [drawn(member) for member in node.members]
    return [node.label, node.text, *inner] if inner else [node.label, node.text]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "nothing"),
        ("", "text"),
        ("x", "text"),
        (0, "value"),
        (True, "value"),
        ([], "tree"),
        ({}, "tree"),
        ([1, 2], "tree"),
        ([{}], "tree"),
        ([{"a": 1}], "table"),
        ([{"a": 1}, {"b": None}], "table"),
        ([{"a": 1}, 2], "tree"),
        ([{"a": [1]}], "tree"),
        ([{str(n): n for n in range(results.COLUMNS)}], "table"),
        ([{str(n): n for n in range(results.COLUMNS + 1)}], "tree"),
    ],
)
def test_a_value_is_shown_as_what_it_is(value: Any, kind: str) -> None:
    it = shown(value)
    assert (it.kind, it.cut) == (kind, "")


def test_a_table_has_a_column_for_every_name_and_knows_numbers() -> None:
    it = shown([{"city": "Ulm", "people": 1}, {"people": 2.5, "note": None}])
    assert it.columns == ["city", "people", "note"]
    assert [[cell and cell.text for cell in row] for row in it.rows] == [["Ulm", "1", None], [None, "2.5", "null"]]
    assert it.numeric == [False, True, False]


def test_a_tree_names_its_members() -> None:
    it = shown({"a": {"b": [1, None, "x"]}, "c": True, "d": []})
    assert drawn(it.root) == [
        "",
        "3 members",
        ["a", "1 member", ["b", "3 items", ["0", "1"], ["1", "null"], ["2", "x"]]],
        ["c", "true"],
        ["d", "empty list"],
    ]


def test_a_tree_is_folded_from_the_third_level_on() -> None:
    def opened(node: Node | None) -> list[bool]:
        assert node
        return [node.open, *(flag for member in node.members if member.members for flag in opened(member))]

    assert opened(shown({"a": {"b": {"c": 1}}}).root) == [True, True, False]
    # Many at once would hide what follows.
    assert opened(shown({"a": list(range(results.OPEN_MEMBERS + 1)), "b": 1}).root) == [True, False]


@pytest.mark.parametrize(
    ("value", "cut"),
    [
        ("x" * 20_001, "The first 20,000 of 20,001 characters."),
        ([{"n": n} for n in range(51)], "The first 50 of 51 rows."),
        (list(range(401)), "Not all of it is shown."),
        ({"a": [list(range(100)) for _ in range(10)]}, "Not all of it is shown."),
    ],
)
def test_what_is_large_is_cut_and_said_to_be(value: Any, cut: str) -> None:
    assert shown(value).cut == cut


def test_a_cut_tree_says_where_something_is_left_out() -> None:
    root = shown(list(range(1000))).root
    assert root
    assert (len(root.members), root.left_out) == (results.NODES, 1000 - results.NODES)


def test_what_is_deep_ends_somewhere() -> None:
    value: Any = 1
    for _ in range(60):
        value = [value]
    it = shown(value)
    assert it.cut == "Not all of it is shown."
    depth, node = 0, it.root
    while node and node.members:
        depth, node = depth + 1, node.members[0]
    assert (depth, node and node.left_out) == (results.DEPTH, 1)


def test_long_leaves_are_cut() -> None:
    root = shown({"a": "x" * 5000}).root
    assert root
    assert root.members[0].text == "x" * results.LEAF + "…"


def test_what_cannot_be_sent_is_replaced() -> None:
    assert shown("half \ud83d").text == "half ?"
    assert drawn(shown({"\ud83d": "\ud83d"}).root) == ["", "1 member", ["?", "?"]]
    assert shown([{"\ud83d": 1}]).columns == ["?"]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (None, "It returned nothing."),
        ("", "It returned an empty text."),
        ("two\nlines", "two lines"),
        (3, "3"),
        ({"label": "good", "score": 0.5}, "label: good · score: 0.5"),
        ([{"a": 1}], "1 row: a: 1"),
        ([{"a": 1}, {"a": 2}], "2 rows: a: 1"),
        ([1, [2]], "[1, [2]]"),
        ("x" * 500, "x" * 159 + "…"),
        (" " * 5000 + "x", "…"),
        ("half \ud83d", "half ?"),
    ],
)
def test_a_result_has_a_line(value: Any, line: str) -> None:
    assert preview(value) == line
