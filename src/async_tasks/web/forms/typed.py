"""What was typed, as a tree: from the flat names of a form's inputs, and back to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from async_tasks.web.forms.field import escaped, is_number, unescaped
from async_tasks.web.problems import Refused

#: No page of ours has more inputs than this: far fewer rows than that are edited as JSON.
MAX_INPUTS: Final = 10_000

#: No name of ours is longer or deeper.
MAX_NAME: Final = 500
MAX_DEPTH: Final = 40


@dataclass(slots=True, eq=False)
class Node:
    """What was typed into one field: by mark, "" for the value itself, and what was typed into its parts."""

    marks: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Node] = field(default_factory=dict)

    @property
    def text(self) -> str | None:
        """What was typed into the field itself."""
        return self.marks.get("")

    def rows(self) -> list[tuple[str, Node]]:
        """The parts that are numbered, in order; the numbers may have gaps."""
        return sorted(
            ((key, node) for key, node in self.parts.items() if is_number(key)), key=lambda found: int(found[0])
        )


def parsed(typed: Mapping[str, str]) -> Node:
    """The tree of what was typed.

    Raises:
        Refused: 413, if it is more than a form of ours can send.
    """
    if len(typed) > MAX_INPUTS:
        raise Refused("payload-too-large", f"The form has more than {MAX_INPUTS:,} inputs. Give long lists as JSON.")
    root = Node()
    for name, text in typed.items():
        if name.startswith("_") or len(name) > MAX_NAME or name.count(".") >= MAX_DEPTH:
            continue
        path, _, mark = name.partition(":")
        node = root
        for part in path.split("."):
            node = node.parts.setdefault(unescaped(part), Node())
        node.marks[mark] = text
    return root


def flattened(root: Node) -> dict[str, str]:
    """The names of a form's inputs with what is in them."""
    found: dict[str, str] = {}

    def add(node: Node, path: str) -> None:
        for mark, text in node.marks.items():
            found[f"{path}:{mark}" if mark else path] = text
        for key, part in node.parts.items():
            add(part, f"{path}.{escaped(key)}" if path else escaped(key))

    add(root, "")
    return found
