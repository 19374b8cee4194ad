"""A form as its template shows it: every field with its name, its value and what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from async_tasks.web.forms.field import MAX_ROWS, MISSING, PLAIN, Field, escaped
from async_tasks.web.forms.filling import as_json, blank, new_row, with_value
from async_tasks.web.forms.moments import NO_ZONE, SHOWABLE, UTC
from async_tasks.web.forms.reading import NOTHING, value_of
from async_tasks.web.forms.typed import Node, parsed
from async_tasks.web.forms.view import Shown
from async_tasks.web.words import readable

#: So many choices or fewer are shown side by side.
MAX_RADIOS: Final = 4

#: Under this name it is said where the visitor goes on.
FOCUS: Final = "_focus"

#: Letters of an example that are shown.
LONGEST_EXAMPLE: Final = 90

_TYPED: Final = frozenset({"input", "area", "json"})

_INPUT_TYPES: Final = {"date": "date", "time": "time", "datetime": "datetime-local", "password": "password"}

_AS_JSON: Final = "This value is shown as JSON, since the usual inputs cannot show it"
_TYPE_AGAIN: Final = "It is not sent back to the page: type it again"


def shown(
    form: Sequence[Field],
    typed: Mapping[str, str] | None = None,
    messages: Mapping[str, Sequence[str]] | None = None,
    prefix: str = "",
) -> list[Shown]:
    """The fields of a form as they are shown.

    Args:
        form: its fields.
        typed: what was sent, or what ``filled`` or ``changed`` gave; None: nothing yet.
        messages: what is wrong, by name, as ``by_field`` gives it.
        prefix: of the elements' ids.
    """
    # Names of tasks may have spaces in them, which would part an id in two.
    showing = _Showing(
        re.sub(r"\s", "_", prefix), messages or {}, None if typed is None else typed.get(FOCUS, ""), fresh=typed is None
    )
    root = Node(parts={entry.key: blank(entry) for entry in form}) if typed is None else parsed(typed)
    return [
        showing.field(entry, root.parts.get(entry.key, NOTHING), escaped(entry.key), escaped(entry.key))
        for entry in form
    ]


class _Showing:
    def __init__(self, prefix: str, messages: Mapping[str, Sequence[str]], focus: str | None, *, fresh: bool) -> None:
        self.prefix = prefix
        self.messages = messages
        self.focus = focus
        self.fresh = fresh
        self.looking = False  # the next control that can have the focus gets it

    def field(
        self, entry: Field, node: Node, name: str, sent: str, *, number: str = "", bare: bool = False, depth: int = 0
    ) -> Shown:
        """One field; ``sent`` is the name under which it was sent, where rows were taken out before it."""
        messages = self.messages.get(name, ())
        if (self.focus == sent and sent) or (messages and not self.focus and self.focus is not None):
            self.looking, self.focus = True, None
        found = Shown(
            field=entry,
            name=name,
            id=f"{self.prefix}.{name}",
            widget="input",
            label=entry.label,
            number=number,
            bare=bare,
            depth=depth,
            hints=[] if number else [text for text in (entry.help, entry.bounds) if text],
            messages=messages,
            fresh=self.fresh,
            demand="" if bare or number else _demand(entry),
            hidden={mark: node.marks[mark] for mark in ("empty", "row") if mark in node.marks},
        )
        if entry.kind in ("list", "pairs") and len(node.rows()) > MAX_ROWS:
            node = Node() if entry.secret else as_json(entry, value_of(entry, node))
        if "json" in node.marks or entry.kind == "json":
            self._json(found, node)
        elif entry.kind in ("group", "tuple", "pair"):
            self._group(found, node, sent)
        elif entry.kind in ("list", "pairs"):
            self._rows(found, node, sent)
        elif entry.kind == "union":
            self._union(found, node, sent)
        elif entry.kind in ("choice", "choices"):
            self._choice(found, node)
        else:
            self._simple(found, node)
        if entry.example is not MISSING and not bare and not number:
            found.example = _in_a_line(entry.example)
            typed = with_value(entry, entry.example)
            found.usable = typed.text if typed.marks.keys() == {""} and found.widget in _TYPED else None
        return found

    def _take_focus(self, found: Shown) -> None:
        found.focus, self.looking = self.looking, False

    def _json(self, found: Shown, node: Node) -> None:
        found.widget = "json"
        found.value = node.marks.get("json", node.text) or ""
        if "json" in node.marks and found.field.kind != "json":
            found.hints.append(_AS_JSON)
        if found.field.secret:
            found.hints += [_TYPE_AGAIN] if found.value else []
            found.value = ""
        self._take_focus(found)

    def _simple(self, found: Shown, node: Node) -> None:
        kind, text = found.field.kind, node.text or ""
        found.value = text
        if kind == "constant":
            found.widget, found.value = "constant", readable(found.field.choices[0])
            return
        if kind == "checkbox":
            found.widget, found.on = "switch", node.text is not None
        elif kind == "textarea" or (kind in PLAIN and "\n" in text):
            found.widget = "area"
        elif kind == "password":
            found.type, found.value = "password", ""
            found.hints += [_TYPE_AGAIN] if text else []
        elif not text or kind not in SHOWABLE or SHOWABLE[kind].fullmatch(text):
            found.type = _INPUT_TYPES.get(kind, "text")
            if kind == "datetime":
                found.zone = node.marks.get("zone") or UTC
                own = {UTC: "UTC", NO_ZONE: "No zone"}
                found.options = tuple((own if found.zone in own else {found.zone: found.zone, **own}).items())
        self._take_focus(found)

    def _choice(self, found: Shown, node: Node) -> None:
        entry = found.field
        found.options = [(str(at), _choice_label(choice)) for at, choice in enumerate(entry.choices)]
        if entry.kind == "choices":
            found.widget, found.hidden["list"] = "boxes", ""
            found.chosen = [key for key, _ in node.rows()]
        else:
            found.chosen = [node.text or ""]
            short = sum(len(label) for _, label in found.options) <= 40  # noqa: PLR2004 - characters in a line
            found.widget = "radios" if len(entry.choices) <= MAX_RADIOS and short else "select"
            found.options += _none_of_them(entry)
            if found.widget == "select" and not _none_of_them(entry) and not node.text:
                found.options.insert(0, ("", "Choose…"))
        self._take_focus(found)

    def _group(self, found: Shown, node: Node, sent: str) -> None:
        entry = found.field
        found.widget, found.on = "group", "on" in node.marks or not entry.switched
        if entry.kind == "pair":
            found.widget, found.demand = "pair", ""
        elif entry.switched:
            self._take_focus(found)
        else:
            found.hidden["on"] = "on"
        found.parts = [self._part(part, node, found, sent) for part in entry.parts]
        for part in found.parts if entry.kind in ("pair", "tuple") else ():
            part.demand = ""
            if entry.kind == "pair":
                part.hints, part.example = [], ""

    def _part(self, part: Field, node: Node, found: Shown, sent: str) -> Shown:
        key = escaped(part.key)
        inner = node.parts.get(part.key) or (NOTHING if node.parts else blank(part))
        return self.field(part, inner, f"{found.name}.{key}", f"{sent}.{key}", depth=found.depth)

    def _rows(self, found: Shown, node: Node, sent: str) -> None:
        entry = found.field
        found.widget, found.hidden["list"] = "rows", ""
        found.hints += _of_each(entry.parts[0])
        self._take_focus(found)
        found.parts = [self._row(found, row, str(at), f"{sent}.{key}") for at, (key, row) in enumerate(node.rows())]
        # Deeper ones stand in it with a stand-in of their own.
        found.new = self._row(found, new_row(entry), f"~{found.depth}~", "")

    def _row(self, found: Shown, row: Node, at: str, sent: str) -> Shown:
        row.marks.setdefault("row", "")
        number = str(int(at) + 1) if at.isdecimal() else at
        made = self.field(found.field.parts[0], row, f"{found.name}.{at}", sent, number=number, depth=found.depth + 1)
        made.label = found.label
        return made

    def _union(self, found: Shown, node: Node, sent: str) -> None:
        entry = found.field
        kind = node.marks.get("kind", "")
        found.widget, found.chosen = "union", [kind]
        found.options = [*_none_of_them(entry), *((part.key, part.label) for part in entry.parts)]
        self._take_focus(found)
        for part in entry.parts:
            inner = node.parts.get(part.key) or blank(part)
            name = f"{found.name}.{part.key}"
            made = self.field(part, inner, name, f"{sent}.{part.key}", bare=True, depth=found.depth)
            # Which shape it is has been chosen.
            made.parts = [each for each in made.parts if each.widget != "constant"]
            found.parts = [*found.parts, made]


def _demand(entry: Field) -> str:
    if entry.kind in ("checkbox", "constant") or (entry.kind in ("group", "tuple") and not entry.switched):
        return ""
    may_be_empty = entry.kind in ("list", "pairs", "choices") and not entry.least
    return "required" if entry.required and not may_be_empty else "optional"


def _of_each(row: Field) -> list[str]:
    """What is said of every row, at one place."""
    if row.kind == "pair":
        said = [f"{part.label}: {_lower(part.bounds)}" for part in row.parts if part.bounds]
    elif row.bounds:
        said = [f"Each: {_lower(row.bounds)}"]
    else:
        said = []
    example = [f"For example: {_in_a_line(row.example)}"] if row.example is not MISSING else []
    return [text for text in (row.help, *said, *example) if text]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _none_of_them(entry: Field) -> list[tuple[str, str]]:
    if entry.may_be_absent:
        return [("", "Not set")]
    return [("", "None")] if entry.nullable else []


def _in_a_line(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = readable(" ".join(text.split()))
    return line if len(line) <= LONGEST_EXAMPLE else f"{line[:LONGEST_EXAMPLE]}…"


def _choice_label(choice: object) -> str:
    if choice is None or isinstance(choice, bool):
        return {None: "None", True: "Yes", False: "No"}[choice]
    return readable(choice)
