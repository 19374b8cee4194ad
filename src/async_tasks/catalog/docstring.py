"""What a docstring in Google's style says to people: title, help, and a word about each parameter."""

from __future__ import annotations

import inspect
import re
from typing import Final, NamedTuple

_SECTION: Final = re.compile(r"(Args|Arguments|Parameters):\s*")
_ENTRY: Final = re.compile(r"\*{0,2}(?P<name>\w+)\s*(?:\([^)]*\))?:\s*(?P<text>.*)")


class Docs(NamedTuple):
    """The parts of a docstring."""

    title: str  # the first line, without its full stop
    help: str  # the rest, without the section about parameters
    parameters: dict[str, str]


def read(docstring: str | None, name: str) -> Docs:
    """Take a docstring apart; without one, the title is the task's name made readable."""
    first, _, rest = inspect.cleandoc(docstring or "").partition("\n")
    title = first.strip().removesuffix(".") or readable(name)
    text, parameters = _without_parameters(rest.strip("\n").splitlines())
    return Docs(title, text, parameters)


def readable(name: str) -> str:
    """A name of code as a person would write it: ``max_width`` is "Max width"."""
    words = re.sub(r"[_.-]+", " ", name).strip() or name
    return words[0].upper() + words[1:]


def _without_parameters(lines: list[str]) -> tuple[str, dict[str, str]]:
    start = next((at for at, line in enumerate(lines) if _SECTION.fullmatch(line)), None)
    if start is None:
        return "\n".join(lines).strip(), {}
    end = next(
        (at for at in range(start + 1, len(lines)) if lines[at].strip() and not lines[at][0].isspace()),
        len(lines),
    )
    text = "\n".join(lines[:start]).rstrip() + "\n\n" + "\n".join(lines[end:])
    return text.strip(), _entries(lines[start + 1 : end])


def _entries(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    block = inspect.cleandoc("\n" + "\n".join(lines)).splitlines()
    name = None
    for line in block:
        entry = None if line[:1].isspace() else _ENTRY.fullmatch(line)
        if entry:
            name = entry["name"]
            found[name] = entry["text"].strip()
        elif name and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return {name: text for name, text in found.items() if text}
