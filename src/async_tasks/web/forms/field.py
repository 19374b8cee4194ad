"""``Field``: one part of a form, whatever it is made of, and the names of its inputs.

The name of an input is the path to it: ``address.city``, ``tags.0``. What is said beside the value itself is a mark
behind a colon: ``address:on`` (a switch), ``tags:list`` (the list was in the form), ``due:zone``, ``pet:kind`` (which
of several shapes), ``text:json`` (the value as JSON), ``text:empty`` (what an empty field says).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

#: A list with more is edited as JSON: nobody fills in so many rows, and the page stays small.
MAX_ROWS: Final = 100


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


#: Of a field that was left to its default, or that has none.
MISSING: Final = _Missing()

#: Kinds made of other fields.
COMPOSITE: Final = frozenset({"group", "tuple", "list", "pairs", "pair", "union"})

#: Kinds whose values are text; an empty one is a value where nothing else is said.
PLAIN: Final = frozenset({"text", "textarea"})

#: Kinds that are typed as a line of text, and for which empty is no value.
LINES: Final = frozenset({"email", "url", "date", "time", "datetime", "duration", "word", "password"})

#: Kinds whose values are text, however they are typed.
TEXTS: Final = PLAIN | LINES | {"decimal"}

#: What a field with nothing in it may stand for.
EMPTY: Final[Mapping[str, Any]] = {
    **dict.fromkeys(PLAIN | LINES, ""),
    "list": (),
    "choices": (),
    "pairs": (),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Field:
    """One parameter of a task, or a part of one.

    Attributes:
        key: its name in the arguments; of a part without one, what stands for it in the path.
        label: for people.
        kind: ``text`` (one line), ``textarea``, ``integer``, ``number``, ``decimal``, ``checkbox``, ``choice``,
            ``choices`` (any number of them), ``constant``, ``date``, ``time``, ``datetime``, ``duration``,
            ``email``, ``url``, ``word`` (a line without spaces around, such as a UUID), ``password``, ``json``;
            ``group`` (an object), ``tuple``, ``list``, ``pairs`` (an object of any names), ``pair``, ``union``.
        required: whether a value must be given.
        nullable: whether that value may be null.
        default: the JSON value it has when none is given; MISSING: the task decides, or it is required.
        help: what the schema says about it.
        bounds: what the schema demands beyond the type, in words.
        example: a JSON value as it may look, or MISSING.
        attributes: of the HTML element.
        choices: JSON values in order, each sent as its number.
        parts: of a group and a tuple its fields; of a list and of pairs the row; of a pair the name and the value;
            of a union its shapes.
        least: of rows.
        most: of rows; None: any number.
        secret: whether a password is in it, which is never sent back.
        whole: of a number, whether it may be a whole one.
        unordered: of choices, whether they are a set, of which every order is the same.
    """

    key: str
    label: str
    kind: str
    required: bool = True
    nullable: bool = False
    default: Any = MISSING
    help: str = ""
    bounds: str = ""
    example: Any = MISSING
    attributes: Mapping[str, str] = field(default_factory=dict)
    choices: Sequence[Any] = ()
    parts: Sequence[Field] = ()
    least: int = 0
    most: int | None = None
    secret: bool = False
    whole: bool = False
    unordered: bool = False

    @property
    def may_be_absent(self) -> bool:
        """Whether it may be left out, and nobody but the task knows what is then."""
        return not self.required and self.default is MISSING

    @property
    def switched(self) -> bool:
        """Whether a switch says if there is a value at all."""
        return self.kind in ("group", "tuple") and (self.nullable or self.may_be_absent)

    @property
    def empty(self) -> Any:
        """What it says when nothing is in it."""
        if self.may_be_absent:
            return MISSING
        if self.nullable:
            return None
        return MISSING if self.kind in LINES else empty_value(self)

    def part(self, key: str) -> Field | None:
        """The part of that key; of a list, any number is the row's."""
        if self.kind in ("list", "pairs"):
            return self.parts[0] if is_number(key) else None
        return next((each for each in self.parts if each.key == key), None)


def empty_value(entry: Field) -> Any:
    """The value of that kind with nothing in it, or MISSING."""
    value = EMPTY.get(entry.kind, MISSING)
    return value if isinstance(value, str) or value is MISSING else {} if entry.kind == "pairs" else []


def is_number(text: str) -> bool:
    """Whether it is the number of a row or a choice, written as we write it."""
    return text.isascii() and text.isdecimal() and len(text) < 10 and (text == "0" or text[0] != "0")  # noqa: PLR2004


def escaped(key: str) -> str:
    """A key as it stands in a path."""
    for character in "%.:~":
        key = key.replace(character, f"%{ord(character):02X}")
    # Names with an underscore in front are the page's own.
    return f"%5F{key[1:]}" if key.startswith("_") else key


def unescaped(part: str) -> str:
    """The key that stands in a path."""
    for character in "_~:.%":
        part = part.replace(f"%{ord(character):02X}", character)
    return part
