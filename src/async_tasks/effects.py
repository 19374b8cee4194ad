"""``effect_once``: what a task does to the world is done once, though the task may run twice.

The engine sets the keeper while a task runs; in a function that is called directly nothing is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol


class Keeper(Protocol):
    """Remembers the effects of the running task."""

    def find(self, key: str) -> tuple[bool, Any]:
        """Whether that effect is done, and its value."""

    def keep(self, key: str, value: Any) -> None:
        """Remember that it is done."""


#: Set by the engine around each run of a task.
keeper: ContextVar[Keeper | None] = ContextVar("async_tasks_effects_keeper", default=None)


@dataclass
class Effect:
    """One effect: ``done`` by an earlier run of this task, and the ``value`` that run left, or this one leaves."""

    done: bool
    value: Any = None


@contextmanager
def effect_once(key: str) -> Iterator[Effect]:
    """Do something that must not be done again when the task runs again.

    For example::

        with effect_once("charge") as charge:
            if not charge.done:
                charge.value = bank.charge(order)
        receipt = charge.value

    A run that ends the block without an error marks the effect in the task's record; every later run of the same
    task (a retry, or one after its worker was killed) finds it ``done``, with its value. A replay is a task of its
    own, and has effects of its own. What is killed between the effect and the mark, at the end of the block, does it
    again: keep that gap small, and hand the key on where the other side knows idempotency keys too.

    Args:
        key: tells the effects of one task apart; 1 to 255 characters.

    Yields:
        The effect; set its ``value`` to what later runs need, any JSON value.

    Raises:
        ValueError: if the key is empty or too long.
        TypeError: if the value is none of JSON's; the effect is done then, and not marked.
    """
    if not 1 <= len(key) <= 255:  # noqa: PLR2004 - said in the message
        raise ValueError(f"effect_once: the key must have 1 to 255 characters, got {len(key)}")
    held = keeper.get()
    effect = Effect(*held.find(key)) if held is not None else Effect(done=False)
    was_done = effect.done
    yield effect
    if held is not None and not was_done:
        json.dumps(effect.value)
        held.keep(key, effect.value)
