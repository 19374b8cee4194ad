"""What a value of a schema may be: the branches of its unions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]


def takes_text(schema: Schema, whole: Schema) -> bool:
    """Whether a value of this schema is text, or nothing: what is typed is then the value as it stands.

    Args:
        schema: of one value.
        whole: the schema that it is part of, with the definitions that it refers to.
    """
    types = {kind for option in branches(schema, whole) for kind in _types(option)} - {"null"}
    return types == {"string"}


def branches(schema: Schema, whole: Schema) -> list[Schema]:
    """What a value may be: the branches of unions, references resolved."""
    if "$ref" in schema:
        target = whole.get("$defs", {}).get(schema["$ref"].rpartition("/")[2], {})
        return branches(target, whole)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return [option for part in schema[union] for option in branches(part, whole)]
    return [schema]


def _types(schema: Schema) -> set[str | None]:
    if "type" in schema:
        return {schema["type"]}
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return {"string" if isinstance(value, str) else None for value in values}
    return {None}
