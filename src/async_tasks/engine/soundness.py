"""Whether a message is one that Celery's protocol 2 allows.

Celery takes much of it on trust, and fails on the rest in places where that ends the worker, connects it again for
ever, or leaves the task without an end. The protocol: https://docs.celeryq.dev/en/stable/internals/protocol.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

#: Characters of an id: keys of the ledger are made of it.
LONGEST_ID: Final = 255

Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable()


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _names(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)


def _signatures(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def _limits(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(each is None or _number(each) for each in value)


_REQUIRED: Final[Mapping[str, tuple[Check, str]]] = {
    "task": (_text, "text"),
    "id": (_text, f"printable text of at most {LONGEST_ID} characters"),
}
_OPTIONAL: Final[Mapping[str, tuple[Check, str]]] = {
    **dict.fromkeys(("root_id", "parent_id", "group", "async_tasks_key"), (_text, "text")),
    **dict.fromkeys(("eta", "expires"), (lambda value: isinstance(value, str), "a time as text")),
    "retries": (lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0, "a whole number"),
    "timelimit": (lambda value: _limits(value) and len(value) == 2, "two numbers"),  # noqa: PLR2004 - soft and hard
}
_EMBED: Final[Mapping[str, tuple[Check, str]]] = {
    **dict.fromkeys(("callbacks", "errbacks", "chain"), (_signatures, "a list of signatures")),
    "chord": (lambda value: isinstance(value, Mapping), "a signature"),
}
_BODY: Final[tuple[tuple[str, Check, str], ...]] = (
    ("args", lambda value: isinstance(value, list | tuple), "a list"),
    ("kwargs", _names, "an object"),
    ("embed", _names, "an object"),
)


def why_unsound(message: Any) -> str:
    """What is wrong with a message; empty if nothing is.

    Args:
        message: kombu's; its payload is decoded, as Celery is about to do.
    """
    headers = message.headers
    if not isinstance(headers, Mapping):
        return "it has no headers"
    if wrong := _wrong(headers, _REQUIRED, needed=True) or _wrong(headers, _OPTIONAL):
        return f"its header {wrong}"
    try:
        return _why_unsound_body(message.payload)
    except Exception as exc:  # noqa: BLE001 - decoders and decompressors raise what they like
        return f"it cannot be decoded: {type(exc).__name__}: {exc}"


def _why_unsound_body(body: Any) -> str:
    if not isinstance(body, list | tuple) or len(body) != len(_BODY):
        return "its body is not [args, kwargs, embed]"
    for value, (name, holds, wanted) in zip(body, _BODY, strict=True):
        if not holds(value):
            return f"the {name} of its body is not {wanted}"
    wrong = _wrong(body[2], _EMBED)
    return f"the embed of its body: {wrong}" if wrong else ""


def _wrong(values: Mapping[str, Any], checks: Mapping[str, tuple[Check, str]], *, needed: bool = False) -> str:
    for name, (holds, wanted) in checks.items():
        value = values.get(name)
        if (needed or value is not None) and not holds(value):
            return f"{name!r} is not {wanted}"
    return ""
