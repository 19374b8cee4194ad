"""What is typed into a form, as a program would submit it: with curl, from Python, by the command.

Each can be run as it stands, whatever is in the values: signs that cannot be seen are written as escapes, quotes and
line breaks are the shell's and Python's own.
"""

from __future__ import annotations

import json
import keyword
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from async_tasks.catalog import TaskSpec
from async_tasks.catalog.branches import takes_text
from async_tasks.web.forms import Field

#: Bytes of arguments that stand in a command; the system takes more, and nobody reads them.
LONGEST: Final = 8_000
#: Letters of a line of Python.
LINE: Final = 100

#: What stands for a password, which no page shows.
HIDDEN: Final = "••••••••"

_FILE: Final = "arguments.json"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:=@%+,-]+", re.ASCII)


class Snippets(NamedTuple):
    """The three of them, and what is to be known about them."""

    curl: str
    python: str
    command: str
    notes: Sequence[str]


def snippets(
    spec: TaskSpec, fields: Sequence[Field], arguments: Mapping[str, Any], *, server: str, token: bool
) -> Snippets:
    """How to submit these arguments.

    Args:
        spec: of the task.
        fields: of its form, which know what is a password.
        arguments: JSON values by name.
        server: address of this server, without a slash at its end.
        token: whether the API asks for one.
    """
    shown = {entry.key: _hidden(entry, arguments[entry.key]) for entry in fields if entry.key in arguments}
    notes = []
    if any(shown[name] != arguments[name] for name in shown):
        notes.append(f"Passwords are not shown: put yours in the place of {HIDDEN}.")
    text = in_json(shown)
    long = len(text.encode()) > LONGEST
    if long:
        notes.append(f"These arguments are too long for a command: save them as {_FILE}.")
    if token:
        notes.append("curl and Python take the token from the variable ASYNC_TASKS_ADMIN_TOKEN.")
    notes.append("The command runs where the server's settings are: it talks to the store and the broker.")
    return Snippets(
        _curl(spec.name, text, server, token=token, long=long),
        _python(spec.name, shown, server, token=token, long=long),
        _command(spec, shown, long=long),
        notes,
    )


def in_json(value: Any) -> str:
    """A value as JSON on one line; what cannot be seen, or would not survive a terminal, is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(_escaped(sign) if not sign.isprintable() else sign for sign in text)


def _escaped(sign: str) -> str:
    return json.dumps(sign)[1:-1]


def _hidden(entry: Field, value: Any) -> Any:
    if not entry.secret:
        return value
    if entry.kind == "password":
        return HIDDEN if value else value
    match value:
        case dict() if entry.kind in ("group", "pairs"):
            parts = {key: entry.part(key) or entry.part("0") for key in value}
            if entry.kind == "pairs":
                parts = dict.fromkeys(value, entry.parts[0].parts[1])
            return {key: _hidden(part, value[key]) if (part := parts[key]) else value[key] for key in value}
        case list() if entry.kind == "list":
            return [_hidden(entry.parts[0], item) for item in value]
        case list() if entry.kind == "tuple":
            return [_hidden(part, item) for part, item in zip(entry.parts, value, strict=False)]
    return HIDDEN  # a shape of several, or JSON: which part of it is the secret is not known


def _curl(name: str, text: str, server: str, *, token: bool, long: bool) -> str:
    lines = ["curl -s -H 'Content-Type: application/json'"]
    if token:
        lines.append('-H "Authorization: Bearer $ASYNC_TASKS_ADMIN_TOKEN"')
    lines.append(f"-d @{_FILE}" if long else f"-d {_quoted(text)}")
    lines.append(_quoted(f"{server}/api/v1/tasks/{quote(name, safe='')}"))
    return " \\\n  ".join(lines)


def _command(spec: TaskSpec, arguments: Mapping[str, Any], *, long: bool) -> str:
    schema = spec.arguments_schema()
    pairs, others = [], {}
    for name, value in arguments.items() if not long else ():
        as_text = takes_text(schema.get("properties", {}).get(name, {}), schema)
        if as_text and not (isinstance(value, str) and _is_plain(value)):
            others[name] = value  # no text, or one that a terminal would not show
        else:
            pairs.append(_quoted(f"{name}={value if as_text else in_json(value)}"))
    parts = ["async-tasks submit"]
    if others:
        parts.append(f"--args {_quoted(in_json(others))}")
    if long:
        parts.append("--args -")
    if spec.name.startswith("-"):
        parts.append("--")
    return " ".join([*parts, _quoted(spec.name), *pairs, *([f"< {_FILE}"] if long else [])])


def _is_plain(text: str) -> bool:
    return all(sign.isprintable() or sign == "\n" for sign in text)


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else shlex.quote(text)


def _python(name: str, arguments: Mapping[str, Any], server: str, *, token: bool, long: bool) -> str:
    known = ', token=os.environ["ASYNC_TASKS_ADMIN_TOKEN"]' if token else ""
    imports = [*(["import json"] if long else []), *(["import os"] if token else [])]
    if long:
        given = [f'json.loads(Path("{_FILE}").read_text(encoding="utf-8"))']
        imports.append("from pathlib import Path")
    elif all(each.isidentifier() and not keyword.iskeyword(each) for each in arguments):
        given = [f"{each}={_literal(value, 1)}" for each, value in arguments.items()]
    else:
        given = [_literal(dict(arguments), 1)]
    return "\n".join(
        [
            *([*imports, ""] if imports else []),
            "from async_tasks.client import Client",
            "",
            f"client = Client({_text(server)}{known})",
            f"task = client.submit({_joined([_text(name), *given], 0, 'task = client.submit()')})",
            "print(task.id)",
        ]
    )


def _literal(value: Any, depth: int) -> str:
    match value:
        case str():
            return _text(value)
        case dict():
            parts = [f"{_text(key)}: {_literal(item, depth + 1)}" for key, item in value.items()]
            return f"{{{_joined(parts, depth)}}}"
        case list():
            return f"[{_joined([_literal(item, depth + 1) for item in value], depth)}]"
    return repr(value)


def _text(text: str) -> str:
    """A literal as people write it: in double quotes."""
    written = repr(text)
    if written.startswith('"') or '"' in text:
        return written
    return '"{}"'.format(written[1:-1].replace("\\'", "'"))


def _joined(parts: Sequence[str], depth: int, around: str = "") -> str:
    line = ", ".join(parts)
    if len(line) + len(around) + 4 * depth <= LINE and "\n" not in line:
        return line
    return "".join(_lines(parts, depth))


def _lines(parts: Sequence[str], depth: int) -> Iterator[str]:
    indent = "    " * (depth + 1)
    for part in parts:
        yield f"\n{indent}{part},"
    yield f"\n{'    ' * depth}"
