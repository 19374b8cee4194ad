"""From the JSON Schema of a task's arguments to the fields of its form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from async_tasks.catalog.docstring import readable
from async_tasks.web.forms.bounds import in_words
from async_tasks.web.forms.field import COMPOSITE, MISSING, Field
from async_tasks.web.forms.kinds import shape_label, simple
from async_tasks.web.forms.samples import sample

Schema = Mapping[str, Any]

#: Deeper objects are edited as JSON, and so is what comes after so many fields: a form must be readable.
MAX_NESTING: Final = 6
MAX_FIELDS: Final = 300

#: A list of this many choices or fewer shows them all.
MAX_BOXES: Final = 20

#: A union of more shapes is edited as JSON.
MAX_SHAPES: Final = 8

POSITIONS: Final = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")


def fields(schema: Schema) -> list[Field]:
    """The fields of a form from the JSON Schema of a task's arguments, in the order of the parameters."""
    return _Builder(schema.get("$defs", {})).parts(schema, frozenset(), 0)


class _Builder:
    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self.definitions = definitions
        self.made = 0

    def parts(self, schema: Schema, opened: frozenset[str], depth: int) -> list[Field]:
        required = schema.get("required", ())
        return [
            self.field(key, part, required=key in required, opened=opened, depth=depth)
            for key, part in schema.get("properties", {}).items()
        ]

    def field(
        self,
        key: str,
        part: Schema,
        *,
        required: bool = True,
        opened: frozenset[str] = frozenset(),
        depth: int = 0,
        label: str = "",
    ) -> Field:
        """One field; ``opened`` are the definitions that it stands in."""
        self.made += 1
        found, opened = self.resolved(part, opened)
        default = MISSING if required else found.get("default", MISSING)
        entry = Field(
            key=key,
            label=label or str(part.get("title") or readable(key)),
            kind="json",
            required=required,
            nullable=bool(found.get("nullable")),
            default=default,
            help=str(found.get("description", "")),
        )
        entry = self._of_kind(entry, found, opened, depth)
        if entry.kind in COMPOSITE and not _is_worth_it(entry):
            entry = replace(entry, kind="json", parts=())
        examples = found.get("examples") or ()
        # Of any value at all, none is an example.
        made_up = sample(part, self.definitions) if entry.kind == "json" and _says_something(part) else MISSING
        return replace(
            entry,
            bounds=in_words(entry.kind, found),
            example=MISSING if entry.kind == "password" else examples[0] if examples else made_up,
            secret=entry.kind == "password"
            or any(inner.secret for inner in entry.parts)
            or (entry.kind == "json" and self._holds_password(part)),
        )

    def resolved(self, part: Schema, opened: frozenset[str]) -> tuple[dict[str, Any], frozenset[str]]:
        """The schema with references followed, ``X | None`` as X that is ``nullable``; and what was opened for it.

        A reference to what is open already, which would never end, is left.
        """
        found = dict(part)
        while (reference := found.get("$ref")) and _name(reference) not in opened:
            del found["$ref"]
            opened |= {_name(reference)}
            found = {**self.definitions.get(_name(reference), {}), **found}
        listed = found.pop("anyOf", None) or found.pop("oneOf", None) or found.pop("allOf", ())
        options = [option for option in listed if option.get("type") != "null"]
        if listed:
            found["nullable"] = len(options) < len(listed)
        if _is_decimal(options):
            return {**options[0], **found, "type": "decimal"}, opened
        if options == [{"type": "integer"}, {"type": "number"}]:
            return {**options[1], **options[0], **found, "type": "number", "whole": True}, opened
        if len(options) == 1:
            inner, opened = self.resolved(options[0], opened)
            nullable = bool(found.get("nullable") or inner.get("nullable"))
            return {**inner, **found, "nullable": nullable}, opened
        if options:
            found["shapes"] = options
        return found, opened

    def _of_kind(self, entry: Field, found: Schema, opened: frozenset[str], depth: int) -> Field:
        if depth >= MAX_NESTING or self.made > MAX_FIELDS:
            return entry if "shapes" in found or found.get("type") in ("array", "object") else simple(entry, found)
        if "shapes" in found:
            return self._union(entry, found, opened, depth)
        match found.get("type"):
            case "array" if "enum" not in found and "const" not in found:
                return self._array(entry, found, opened, depth)
            case "object" if "enum" not in found and "const" not in found:
                return self._object(entry, found, opened, depth)
        return simple(entry, found)

    def _object(self, entry: Field, found: Schema, opened: frozenset[str], depth: int) -> Field:
        if "properties" in found:
            return replace(entry, kind="group", parts=self.parts(found, opened, depth + 1))
        patterns = list(found.get("patternProperties", {}).values())
        content = patterns[0] if len(patterns) == 1 else found.get("additionalProperties")
        if not isinstance(content, Mapping):
            return entry
        name = self.field("key", found.get("propertyNames", {"type": "string"}), label="Name", depth=depth + 1)
        if name.kind in ("text", "constant", "choice"):
            value = self.field("value", content, opened=opened, depth=depth + 1, label="Value")
            least, most = found.get("minProperties", 0), found.get("maxProperties")
            pair = Field(key="0", label=entry.label, kind="pair", parts=(name, value), secret=value.secret)
            return replace(entry, kind="pairs", parts=(pair,), least=least, most=most)
        return entry

    def _array(self, entry: Field, found: Schema, opened: frozenset[str], depth: int) -> Field:
        places = found.get("prefixItems")
        if places and "items" not in found:
            parts = [
                self.field(
                    str(at),
                    place,
                    required="default" not in place,
                    opened=opened,
                    depth=depth + 1,
                    label=place.get("title") or (POSITIONS[at] if at < len(POSITIONS) else f"Number {at + 1}"),
                )
                for at, place in enumerate(places)
            ]
            return replace(entry, kind="tuple", parts=parts)
        items = found.get("items")
        if places or not isinstance(items, Mapping):
            return entry
        row = self.field("0", items, opened=opened, depth=depth + 1, label=entry.label)
        least, most = found.get("minItems", 0), found.get("maxItems")
        if row.kind in ("choice", "constant") and not row.nullable and len(row.choices) <= MAX_BOXES:
            unordered = bool(found.get("uniqueItems"))
            return replace(entry, kind="choices", choices=row.choices, least=least, most=most, unordered=unordered)
        return replace(entry, kind="list", parts=(row,), least=least, most=most)

    def _union(self, entry: Field, found: Schema, opened: frozenset[str], depth: int) -> Field:
        shapes: Sequence[Schema] = found["shapes"]
        if len(shapes) > MAX_SHAPES:
            return entry
        parts: list[Field] = []
        for at, shape in enumerate(shapes):
            part = self.field(str(at), shape, opened=opened, depth=depth + 1, label=entry.label)
            label = shape_label(part, self.resolved(shape, frozenset())[0])
            same = sum(other.label == label or other.label.startswith(f"{label} (") for other in parts)
            parts.append(replace(part, label=f"{label} ({same + 1})" if same else label))
        return replace(entry, kind="union", parts=parts)

    def _holds_password(self, part: Any, seen: set[str] | None = None) -> bool:
        seen = set() if seen is None else seen
        if isinstance(part, Mapping):
            name = _name(str(part.get("$ref", "")))
            if name and name not in seen:
                seen.add(name)
                if self._holds_password(self.definitions.get(name, {}), seen):
                    return True
            return part.get("format") == "password" or any(self._holds_password(each, seen) for each in part.values())
        return isinstance(part, list) and any(self._holds_password(each, seen) for each in part)


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _is_decimal(options: Sequence[Schema]) -> bool:
    return [option.get("type") for option in options] == ["number", "string"] and set(options[1]) <= {"type", "pattern"}


def _says_something(part: Schema) -> bool:
    return any(key in part for key in ("$ref", "type", "anyOf", "oneOf", "allOf"))


def _is_worth_it(entry: Field) -> bool:
    # Rows or shapes of nothing but JSON would be more work than the JSON of the whole.
    content = entry.parts[0].parts[1:] if entry.kind == "pairs" else entry.parts
    return entry.kind in ("group", "tuple") or any(part.kind != "json" for part in content)
