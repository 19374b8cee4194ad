"""Names of components that cannot collide, and a task's own schemas moved among them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

SCHEMAS: Final = "#/components/schemas/"

#: Stands between the parts of a name, and in none of them.
BETWEEN: Final = "--"

_OWN: Final = "#/$defs/"
_KEPT: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.")

_ZONE: Final = re.compile(r"([Zz]|[+-]\d\d:\d\d)$")
_DAY: Final = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?(Z|[+\-]([01][0-9]|2[0-3]):[0-5][0-9])?"
#: Formats that ask for a zone, under which Pydantic takes times without one too. An author who shows such a one
#: means it, and then a pattern stands in the place of the format.
_LOCAL: Final = {"date-time": f"^{_DAY}T{_TIME}$", "time": f"^{_TIME}$"}

#: Keywords whose values are data, in which a "$ref" is none.
_DATA: Final = frozenset({"default", "examples", "example", "const", "enum"})
#: Keywords whose values are schemas by names of the author's own.
_NAMED: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})


def encode(name: str) -> str:
    """Any text as a part of a component's name: what is no letter, digit, ``_`` or ``.`` becomes ``-XX`` a byte."""
    return "".join(
        char if char in _KEPT else "".join(f"-{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
        for char in name
    )


def component(*parts: str) -> str:
    """The name of a component; other parts make another name."""
    return BETWEEN.join(encode(part) for part in parts)


def reference(name: str) -> dict[str, str]:
    """A reference to the schema of that name."""
    return {"$ref": SCHEMAS + name}


def adopted(schema: dict[str, Any], *parts: str) -> dict[str, dict[str, Any]]:
    """A schema with ``$defs`` as components that refer to each other.

    Args:
        schema: with references to ``#/$defs/…`` only.
        parts: of the name of its component; those of ``$defs`` have one more.

    Returns:
        The components by name; the schema's own is the first.
    """

    def moved(target: str) -> str:
        if target == "#":
            return SCHEMAS + component(*parts)
        if not target.startswith(_OWN):
            return target
        name, slash, rest = target.removeprefix(_OWN).partition("/")
        plain = unquote(name).replace("~1", "/").replace("~0", "~")
        return SCHEMAS + component(*parts, plain) + slash + rest

    own = {name: part for name, part in schema.items() if name != "$defs"}
    found = {component(*parts): _rewritten(own, moved)}
    for name, definition in schema.get("$defs", {}).items():
        found[component(*parts, name)] = _rewritten(definition, moved)
    return found


def _rewritten(schema: Any, moved: Callable[[str], str]) -> Any:
    if isinstance(schema, list):
        return [_rewritten(part, moved) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "format" and value in _LOCAL and _shows_no_zone(schema):
            found.setdefault("pattern", schema.get("pattern", _LOCAL[value]))
        elif keyword in _DATA or keyword.startswith("x-"):
            found[keyword] = value
        elif keyword in _NAMED and isinstance(value, dict):
            found[keyword] = {name: _rewritten(part, moved) for name, part in value.items()}
        elif keyword == "$ref" and isinstance(value, str):
            found[keyword] = moved(value)
        elif keyword == "mapping" and isinstance(value, dict):  # of a discriminator
            found[keyword] = {name: moved(target) for name, target in value.items()}
        else:
            found[keyword] = _rewritten(value, moved)
    return found


def _shows_no_zone(schema: dict[str, Any]) -> bool:
    shown = [schema.get("default"), *schema.get("examples", ())]
    return any(isinstance(text, str) and not _ZONE.search(text) for text in shown)
