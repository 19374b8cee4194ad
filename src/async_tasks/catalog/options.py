"""The options of ``@task``: what each must be, and what Celery's names for them are called here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, TypedDict

from async_tasks.catalog import limits, schedule
from async_tasks.catalog.limits import Limit
from async_tasks.catalog.schedule import Schedule
from async_tasks.errors import DeclarationError

QUEUE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """How a task runs. Durations are seconds; None leaves the choice to the settings."""

    queue: str | None = None
    priority: int | None = None  # 0 (last) to 9 (first)
    max_retries: int | None = None  # runs after the first; None: none by itself, Celery's own for self.retry()
    retry_for: tuple[type[Exception], ...] = ()  # errors after which it runs again by itself
    backoff: float = 1.0  # before the first retry; doubled each time
    backoff_max: float = 600.0  # no delay is longer
    jitter: bool = True  # whether the delay is drawn between 0 and the computed one
    time_limit: float | None = None  # after which it is ended
    soft_time_limit: float | None = None  # after which SoftTimeLimitExceeded is raised in it
    unique: bool | float = False  # whether an equal one that is unfinished (or younger than so many seconds) answers
    schedule: Schedule | None = None  # when it is submitted by itself
    unique_by: tuple[str, ...] = ()  # the parameters by which two are equal; none: all of them
    rate_limit: str | None = None  # how many may start, "10/m", over all workers
    concurrency: int | None = None  # how many may run at a time, over all workers

    def limit(self) -> Limit | None:
        """Its limits as the ledger holds them; None: none."""
        return limits.read(self.rate_limit, self.concurrency)


class Options(TypedDict, total=False):
    """What ``@task`` takes besides ``bind``; for the type checker, so that it knows the names too."""

    name: str
    queue: str
    priority: int
    max_retries: int
    retry_for: type[Exception] | Sequence[type[Exception]]
    backoff: float
    backoff_max: float
    jitter: bool
    time_limit: float
    soft_time_limit: float
    unique: bool | float
    unique_by: str | Sequence[str]
    schedule: str | float | Mapping[str, Any]
    rate_limit: str
    concurrency: int


class _Rule(NamedTuple):
    holds: Callable[[Any], bool]
    wanted: str


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _duration(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _exceptions(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(e, type) and issubclass(e, Exception) for e in value)


_SECONDS: Final = _Rule(_duration, "a number of seconds greater than 0")

_RULES: Final[Mapping[str, _Rule]] = {
    "queue": _Rule(
        lambda value: isinstance(value, str) and QUEUE_NAME.fullmatch(value) is not None,
        "1 to 100 letters, digits, '_', '-' and '.'",
    ),
    "priority": _Rule(lambda value: _whole(value) and value in range(10), "a whole number from 0 to 9"),
    "max_retries": _Rule(lambda value: _whole(value) and value >= 0, "a whole number, 0 or more"),
    "retry_for": _Rule(_exceptions, "an exception class or a tuple of them, for example (ConnectionError,)"),
    "backoff": _SECONDS,
    "backoff_max": _SECONDS,
    "jitter": _Rule(lambda value: isinstance(value, bool), "True or False"),
    "time_limit": _SECONDS,
    "soft_time_limit": _SECONDS,
    "unique": _Rule(
        lambda value: isinstance(value, bool) or _duration(value), "True, False, or a number of seconds greater than 0"
    ),
    "schedule": _Rule(lambda value: isinstance(value, Schedule), "a schedule"),
    "unique_by": _Rule(
        lambda value: isinstance(value, tuple) and all(isinstance(name, str) for name in value),
        "names of parameters, for example ('user_id',)",
    ),
    "rate_limit": _Rule(lambda value: isinstance(value, str) and limits.every(value) is not None, limits.RATE),
    "concurrency": _Rule(lambda value: _whole(value) and value >= 1, "a whole number, 1 or more"),
}

_KNOWN: Final = ("name", "bind", *_RULES)

#: Options that mean nothing unless the task runs again by itself.
_OF_RETRIES: Final = ("retry_for", "backoff", "backoff_max", "jitter")

#: Celery's names of what exists here under another.
_RENAMED: Final[Mapping[str, str]] = {
    "autoretry_for": "retry_for",
    "default_retry_delay": "backoff",
    "retry_backoff": "backoff",
    "retry_backoff_max": "backoff_max",
    "retry_jitter": "jitter",
    "routing_key": "queue",
}

#: Celery's options that are no choice here, each with the reason.
_DECIDED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ignore_result", "store_errors_even_if_ignored"), "every task has a record with its result"),
    **dict.fromkeys(
        (
            "acks_late",
            "acks_on_failure",
            "acks_on_timeout",
            "acks_on_failure_or_timeout",
            "reject_on_worker_lost",
            "retry_on_worker_lost",
        ),
        "a message is acknowledged once its outcome is recorded, so that none is lost with a worker",
    ),
    "track_started": "a started task always says so",
    "send_events": "monitors see every task",
    "trail": "a record always knows the tasks that it started",
    **dict.fromkeys(("serializer", "compression"), "messages are JSON, for every client to read"),
    **dict.fromkeys(
        ("typing", "pydantic", "pydantic_strict", "pydantic_context", "pydantic_dump_kwargs"),
        "arguments are always validated by the function's own annotations",
    ),
    "base": "the engine's own task class records what happens; share code in a function instead",
    **dict.fromkeys(("exchange", "exchange_type", "delivery_mode"), "the topology is fixed; choose a queue instead"),
    **dict.fromkeys(("dont_autoretry_for", "retry_kwargs"), "list in retry_for just the errors worth another try"),
    **dict.fromkeys(("shared", "lazy", "filter"), "tasks of the catalog are known to every application"),
    "expires": "it is given with each submission",
    "throws": "every error is recorded the same way",
}


def parse(given: Mapping[str, Any]) -> TaskOptions:
    """Check the options as they were given to ``@task``, ``name`` and ``bind`` left out.

    Raises:
        DeclarationError: with what is wrong, and what would be right.
    """
    values = dict(given)
    for name in values:
        if name not in _RULES:
            raise DeclarationError(_unknown(name))
    values |= {name: read(values[name]) for name, read in _READ.items() if name in values}
    for name, value in values.items():
        if not _RULES[name].holds(value):
            raise DeclarationError(f"option {name!r} must be {_RULES[name].wanted}, and it is {value!r}")
    _check_effect(values)
    if values.get("max_retries"):
        values.setdefault("retry_for", (Exception,))
    options = TaskOptions(**values)
    if options.backoff > options.backoff_max:
        raise DeclarationError(
            f"option 'backoff' ({options.backoff:g} s) is longer than 'backoff_max' ({options.backoff_max:g} s)"
        )
    soft, hard = options.soft_time_limit, options.time_limit
    if soft is not None and hard is not None and soft >= hard:
        raise DeclarationError(
            f"option 'soft_time_limit' ({soft:g} s) must be shorter than 'time_limit' ({hard:g} s): "
            "the task needs the time between them to clean up"
        )
    return options


def _check_effect(values: Mapping[str, Any]) -> None:
    useless = [name for name in _OF_RETRIES if name in values]
    if useless and not values.get("max_retries"):
        raise DeclarationError(
            f"option {useless[0]!r} has no effect without retries: give max_retries=… (1 or more) too, or leave it out"
        )
    if values.get("unique_by") and not values.get("unique"):
        raise DeclarationError("option 'unique_by' has no effect without unique=True or unique=<seconds>: give it too")


def _as_tuple(value: Any, *, single: bool) -> Any:
    if single:
        return (value,)
    return tuple(value) if isinstance(value, list | set | frozenset) else value


#: Options that may be given in more than one way.
_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "retry_for": lambda value: _as_tuple(value, single=isinstance(value, type) and issubclass(value, Exception)),
    "unique_by": lambda value: _as_tuple(value, single=isinstance(value, str)),
    "schedule": schedule.parse,
}


def _unknown(name: str) -> str:
    if name in _RENAMED:
        return f"Celery's option {name!r} is called {_RENAMED[name]!r} here"
    if name in _DECIDED:
        return f"Celery's option {name!r} is decided by async-tasks: {_DECIDED[name]}"
    near = get_close_matches(name, _KNOWN, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the options are {', '.join(_KNOWN)}"
    return f"there is no option {name!r}; {hint}"
