"""What is submitted: a task, its arguments, its options, and how its result is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from async_tasks.client.errors import ResultMismatch

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from async_tasks.catalog import Task

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Options:
    """How something is submitted; what is None is left to the server.

    Raises:
        ValueError: if a moment has no time zone.
    """

    delay: float | timedelta | None = None
    eta: datetime | None = None
    expires: float | timedelta | datetime | None = None
    priority: int | None = None

    def __post_init__(self) -> None:
        for name in ("eta", "expires"):
            moment = getattr(self, name)
            if isinstance(moment, datetime) and moment.tzinfo is None:
                raise ValueError(f"{name} has no time zone: write datetime(…, tzinfo=UTC), or datetime.now(UTC) + …")

    def values(self) -> dict[str, float | str]:
        """What is set, as JSON has it: seconds, or a moment in RFC 3339."""
        return {name: _plain(value) for name, value in asdict(self).items() if value is not None}


class ResultType(Generic[R_co]):
    """How the result of a task is read: by the return annotation of a local function, or as it came."""

    def __init__(self, name: str = "", adapter: TypeAdapter[Any] | None = None) -> None:
        self._name = name
        self._adapter = adapter

    @classmethod
    def of(cls, task: Task[..., R_co]) -> ResultType[R_co]:
        """By the annotation of a function declared with ``@task``.

        Raises:
            TypeError: if it is none.
        """
        spec = getattr(task, "spec", None)
        if spec is None:
            raise TypeError(f"{task!r} is no task: give the name of one, or a function that is declared with @task")
        return cls(spec.name, spec.signature.result)

    def read(self, result: Any) -> R_co:
        """The result with the type that the function returned.

        Raises:
            ResultMismatch: if it does not fit.
        """
        if self._adapter is None:
            return cast("R_co", result)
        try:
            # As JSON, in which a date is a text even where a model takes no text for a date.
            return cast("R_co", self._adapter.validate_json(json.dumps(result), by_alias=True, by_name=True))
        except ValueError as exc:
            raise ResultMismatch(self._name, str(exc)) from exc


@dataclass(frozen=True, slots=True)
class Entry(Generic[R_co]):
    """One submission of a batch; made by ``entry``."""

    name: str
    arguments: Mapping[str, Any]
    options: Options
    result: ResultType[R_co]

    def with_options(
        self,
        *,
        delay: float | timedelta | None = None,
        eta: datetime | None = None,
        expires: float | timedelta | datetime | None = None,
        priority: int | None = None,
    ) -> Entry[R_co]:
        """The same with these options; they mean what they mean to ``Client.with_options``."""
        return replace(self, options=Options(delay, eta, expires, priority))


@overload
def entry(task: Task[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Entry[R]: ...
@overload
def entry(task: str, arguments: Mapping[str, Any] = ..., /, **named: Any) -> Entry[Any]: ...
def entry(task: Any, /, *args: Any, **named: Any) -> Entry[Any]:
    """One submission, for ``Client.batch``.

    Args:
        task: a function declared with ``@task``, whose types are kept; or the name of a task.
        *args: the function's arguments; after a name, one mapping with the arguments.
        **named: arguments by name.

    Raises:
        TypeError: if that is no task, or the arguments do not go together.
    """
    if isinstance(task, str):
        return Entry(task, _merged(task, args, named), Options(), ResultType())
    result = ResultType.of(task)
    given = _by_position(task.name, task.spec.signature.positional, args)
    return Entry(task.name, _merged(task.name, [given], named), Options(), result)


def encode(value: Any) -> bytes:
    """JSON of what is sent. Dates, models and what else Pydantic knows are written as a task's message has them.

    Raises:
        TypeError, ValueError: if it is no JSON.
    """
    try:
        text = json.dumps(value, default=_jsonable, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        return text.encode()
    except UnicodeEncodeError as exc:
        raise ValueError(f"The arguments hold a text that is no valid Unicode: {exc.reason}") from None
    except (TypeError, ValueError, RecursionError) as exc:
        raise type(exc)(f"The arguments cannot be written as JSON: {exc}") from exc


def _jsonable(value: Any) -> Any:
    from pydantic_core import PydanticSerializationError, to_jsonable_python  # where it is needed: most send plain JSON

    try:
        return to_jsonable_python(value, by_alias=True)
    except PydanticSerializationError as exc:
        raise TypeError(str(exc)) from None


def _plain(value: float | timedelta | datetime) -> float | str:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else value


def _by_position(name: str, positional: Sequence[str], args: Sequence[Any]) -> dict[str, Any]:
    if len(args) > len(positional):
        raise TypeError(f"{name} takes at most {len(positional)} values by position, and {len(args)} were given")
    return dict(zip(positional, args, strict=False))


def _merged(name: str, args: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    if len(args) > 1 or not all(isinstance(given, Mapping) for given in args):
        raise TypeError(f"Give the arguments of {name!r} by name, or as one mapping: its parameters are not known here")
    given: dict[str, Any] = dict(args[0]) if args else {}
    if twice := sorted(given.keys() & named.keys()):
        raise TypeError(f"{name} got {', '.join(map(repr, twice))} twice")
    return {**given, **named}
