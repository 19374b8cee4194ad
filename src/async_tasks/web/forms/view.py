"""``Shown``: one field as the template shows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from async_tasks.web.forms.field import Field


@dataclass(slots=True, kw_only=True, eq=False)
class Shown:
    """One field as it is shown.

    Attributes:
        field: what it is made from.
        name: the path to it, without a mark.
        id: of its element.
        widget: what it is shown as: ``input``, ``area``, ``json``, ``switch``, ``select``, ``radios``, ``boxes``,
            ``constant``, ``group``, ``rows``, ``pair``, ``union``.
        label: for people; of a row, what the list is called.
        number: of a row, from 1; "" of what is none.
        bare: whether what it stands in says already what it is.
        demand: whether it is required or optional, in a word; "" where that is plain.
        value: what stands in it.
        type: of an ``input``.
        hidden: marks that go with it unseen.
        zone: of a moment: of the clock that it is read from; None where the text says it.
        on: of a group, whether its switch is on.
        options: of a choice or a union, values and labels.
        chosen: the values of those that are chosen.
        parts: the fields within; of a list the rows, of a union the shapes.
        new: of a list, the row that new ones are made from.
        depth: of a list and its rows, in how many lists it stands.
        hints: what is said about it.
        example: a value as it may look, in a line; "" for none.
        usable: the same as it would be typed; None where that is more than a text.
        messages: what is wrong.
        focus: whether the visitor goes on here.
        fresh: whether nothing was typed yet, so that times may be shown in the visitor's zone.
    """

    field: Field
    name: str
    id: str
    widget: str
    label: str
    number: str
    bare: bool
    depth: int
    hints: list[str]
    messages: Sequence[str]
    fresh: bool
    value: str = ""
    type: str = "text"
    hidden: dict[str, str] = dataclasses.field(default_factory=dict)
    zone: str | None = None
    demand: str = ""
    on: bool = True
    options: Sequence[tuple[str, str]] = ()
    chosen: Sequence[str] = ()
    parts: Sequence[Shown] = ()
    new: Shown | None = None
    example: str = ""
    usable: str | None = None
    focus: bool = False

    @property
    def input_name(self) -> str:
        """The name under which the value itself is sent."""
        return f"{self.name}:json" if self.widget == "json" and self.field.kind != "json" else self.name
