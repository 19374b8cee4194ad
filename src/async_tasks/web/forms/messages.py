"""What is wrong, as sentences at the fields that it belongs to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from async_tasks.errors import Problem
from async_tasks.web.forms.field import COMPOSITE, MAX_ROWS, Field, escaped, is_number
from async_tasks.web.forms.reading import NOTHING, chosen_shape, pair_keys
from async_tasks.web.forms.typed import Node, parsed

#: What a message begins with that speaks of its field without naming it.
VERBS: Final = frozenset({"is", "must", "has", "takes", "cannot"})

#: Sentences at one field; of a long list as JSON there may be thousands.
MAX_SENTENCES: Final = 10


def by_field(
    form: Sequence[Field], problems: Iterable[Problem], typed: Mapping[str, str] | None = None
) -> dict[str, list[str]]:
    """Sentences by the name of the input, list or object that they belong to.

    Args:
        form: its fields.
        problems: with dotted paths within the arguments (``items.0.name``), from reading or from the task.
        typed: what was sent; it says which row has which name, and which of several shapes was chosen.

    Returns:
        Sentences by name; "" for those that belong to none.
    """
    places = _Places(form, parsed(typed or {}))
    found: dict[str, list[str]] = {}
    unions: set[str] = set()
    for problem in problems:
        place = places.of(problem["field"])
        found.setdefault(place.name, []).append(_sentence(place, problem["message"]))
        unions |= {place.name} if place.entry.kind == "union" else set()
    for name in unions:
        # Why it has none of the other shapes says nothing, if it is known what its own shape lacks.
        if any(other.startswith(f"{name}.") for other in found):
            del found[name]
    return {name: _few(list(dict.fromkeys(said))) for name, said in found.items()}


class _Place(NamedTuple):
    """Where a problem is shown."""

    entry: Field
    node: Node
    name: str  # of the input, list or object
    subject: str  # in words
    rest: str | None  # what is left of the problem's path: something within, that has no input of its own


class _Places:
    """Finds the places of problems in one form; of a long list, there may be thousands."""

    def __init__(self, form: Sequence[Field], root: Node) -> None:
        self.whole = Field(key="", label="", kind="group", parts=form)
        self.root = root
        self.rows: dict[Node, list[Node]] = {}
        self.names: dict[Node, dict[str, list[int]]] = {}
        self.told: Counter[tuple[Node, str]] = Counter()  # rows without a name of their own

    def of(self, path: str) -> _Place:
        """Where a problem with that path is shown."""
        place = _Place(self.whole, self.root, "", path, path)
        while (step := self._inside(place)) is not None:
            place = step._replace(name=f"{place.name}.{step.name}" if place.name else step.name)
        return place

    def _inside(self, place: _Place) -> _Place | None:  # noqa: PLR0911 - one for each kind
        """One step further; the name is relative."""
        entry, node, rest = place.entry, place.node, place.rest
        if "json" in node.marks:
            return None
        if entry.kind == "union":
            shape = chosen_shape(entry, node)
            if shape is None or (rest is None and shape.kind in COMPOSITE):
                return None
            return _Place(shape, node.parts.get(shape.key, NOTHING), shape.key, place.subject, rest)
        if rest is None or (entry.kind in ("list", "pairs") and len(self._rows(node)) > MAX_ROWS):
            return None  # it is here, or this is shown as JSON
        if entry.kind in ("group", "tuple"):
            return _in_group(entry, node, rest)
        if entry.kind == "list":
            return self._in_list(entry, node, rest)
        return self._in_pairs(entry, node, rest) if entry.kind == "pairs" else None

    def _in_list(self, entry: Field, node: Node, rest: str) -> _Place | None:
        at, dot, left = rest.partition(".")
        rows = self._rows(node)
        if not is_number(at) or int(at) >= len(rows):
            return None
        return _Place(entry.parts[0], rows[int(at)], at, f"{entry.label} {int(at) + 1}", left if dot else None)

    def _in_pairs(self, entry: Field, node: Node, rest: str) -> _Place | None:
        if node not in self.names:
            names = self.names[node] = {}
            for at, (key, _) in enumerate(pair_keys(entry, node.rows())):
                names.setdefault(key, []).append(at)
        found = _longest(self.names[node], rest)
        if found is None:
            return None
        key, left = found
        places = self.names[node][key]
        at = places[0]
        of_name = left is None and (not key or len(places) > 1)
        if of_name:
            # Each row without a name is told of, and of those with the same name all but the first.
            untold = places if not key else places[1:]
            at = untold[min(self.told[node, key], len(untold) - 1)]
            self.told[node, key] += 1
        part = entry.parts[0].parts[0 if of_name else 1]
        return _Place(part, self._rows(node)[at].parts.get(part.key, NOTHING), f"{at}.{part.key}", part.label, left)

    def _rows(self, node: Node) -> list[Node]:
        if node not in self.rows:
            self.rows[node] = [row for _, row in node.rows()]
        return self.rows[node]


def _in_group(entry: Field, node: Node, rest: str) -> _Place | None:
    found = _longest([part.key for part in entry.parts], rest)
    part = entry.part(found[0]) if found else None
    if not found or part is None:
        return None
    return _Place(part, node.parts.get(part.key, NOTHING), escaped(part.key), part.label, found[1])


def _longest(known: Container[str], path: str) -> tuple[str, str | None] | None:
    """The known key that the path begins with, and what follows it; keys may have dots in them."""
    end = len(path)
    while end >= 0:
        if path[:end] in known:
            return path[:end], None if end == len(path) else path[end + 1 :]
        end = path.rfind(".", 0, end)
    return None


def _sentence(place: _Place, message: str) -> str:
    first, _, _ = message.partition(" ")
    inner = place.rest if place.name else None
    if first in VERBS:
        return f"{inner or place.subject} {message}"
    return f"{inner}: {message}" if inner else message[:1].upper() + message[1:]


def _few(said: list[str]) -> list[str]:
    if len(said) <= MAX_SENTENCES:
        return said
    return [*said[: MAX_SENTENCES - 1], f"And {len(said) - MAX_SENTENCES + 1:,} more problems"]
