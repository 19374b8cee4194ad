"""``@task``: a typed function becomes a task of the catalog and a native Celery task, and keeps its types."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import (
    Any,
    Concatenate,
    Final,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from celery import Task as CeleryTask
from celery import _state
from celery.result import AsyncResult

from async_tasks.catalog import docstring, options, registry, signature
from async_tasks.catalog.spec import TaskSpec, portable
from async_tasks.errors import DeclarationError, InvalidArguments

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")


class Task(Generic[P, R_co]):
    """A declared task: call it and it is the plain function; ``delay`` it and a worker runs it.

    It stands for the native Celery task of the application in use, in canvas too; what it does not have
    itself (``request``, ``retry``, ``chunks``, …) is the native task's.
    """

    def __init__(self, spec: TaskSpec) -> None:
        functools.update_wrapper(self, spec.function)
        self.spec: Final = spec
        self.name: Final = spec.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the function here and now; with ``bind=True`` it gets the Celery task as its first argument."""
        if not self.spec.bind:
            return cast("R_co", self.spec.function(*args, **kwargs))
        # Celery's own way to call a task as a function, whatever the engine's task class does when it runs
        # one. Any application will do, so that a test of the function needs no settings and no server.
        native = _state.get_current_app().tasks[self.name]
        return cast("R_co", CeleryTask.__call__(native, *args, **kwargs))

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult:
        """Submit the task with these arguments."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **given: Any
    ) -> AsyncResult:
        """Submit the task; the options are Celery's (``countdown``, ``eta``, ``expires``, ``link``, …)."""
        return self._native().apply_async(_positions(args), _names(kwargs), **given)

    def s(self, *args: Any, **kwargs: Any) -> Any:
        """A signature for Celery's canvas."""
        return self.signature(args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Any:
        """A signature that takes no result of the task before it."""
        return self.signature(args, kwargs, immutable=True)

    def signature(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **given: Any
    ) -> Any:
        """A signature with options."""
        return self._native().signature(_positions(args), _names(kwargs), **given)

    def AsyncResult(self, task_id: str) -> AsyncResult:  # noqa: N802 - Celery's name
        """What became of a submission."""
        return self._native().AsyncResult(task_id)

    def __getattr__(self, name: str) -> Any:
        # Special names are asked for by copy, pickle and inspect, which must not make an application of it.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._native(), name)

    def __repr__(self) -> str:
        return f"<Task {self.name} of {self.spec.function.__module__}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and other.spec is self.spec

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> tuple[Callable[[str, str], Task[..., Any]], tuple[str, str]]:
        return _unpickled, (self.spec.function.__module__, self.name)

    def _native(self) -> Any:
        return _application().tasks[self.name]


class Declare(Protocol):
    """``@task(…)``, waiting for its function."""

    def __call__(self, function: Callable[P, S], /) -> Task[P, S]:
        """Declare the function."""


class DeclareBound(Protocol):
    """``@task(bind=True, …)``, waiting for its function, whose first parameter callers do not see."""

    def __call__(self, function: Callable[Concatenate[Any, P], S], /) -> Task[P, S]:
        """Declare the function."""


@overload
def task(function: Callable[P, S], /) -> Task[P, S]: ...
@overload
def task(*, bind: Literal[False] = False, **given: Unpack[options.Options]) -> Declare: ...
@overload
def task(*, bind: Literal[True], **given: Unpack[options.Options]) -> DeclareBound: ...
def task(function: Callable[..., Any] | None = None, /, *, bind: bool = False, **given: Any) -> Any:
    """Declare a typed function to be a task: a form, an endpoint, a command and a native Celery task.

    Args:
        function: the function, when the decorator is used without parentheses.
        bind: whether the Celery task is passed as the first argument.
        **given: the options.

            ``name``: of the task, the function's by default.
            ``queue``, ``priority`` (0 to 9, last to first): where and when among others it runs.
            ``max_retries``: how often it runs again by itself; ``retry_for``: after which errors (all).
            ``backoff``, ``backoff_max``: seconds before the first retry, doubled each time, and at most;
            ``jitter``: whether each delay is drawn between 0 and the computed one.
            ``time_limit``, ``soft_time_limit``: seconds after which it is ended, and after which
            ``SoftTimeLimitExceeded`` is raised in it.
            ``unique``: whether a submission equal to an unfinished one (or, given seconds, to one younger
            than that) is that one; ``unique_by``: the parameters that count.
            ``schedule``: a cron expression, an interval in seconds, or a dict of ``cron`` or ``every``,
            ``timezone``, ``missed`` and ``arguments``: when it is submitted by itself.
            ``rate_limit`` ("10/m", also /s and /h), ``concurrency``: how many may start, and run at a time, over all
            workers together.

    Raises:
        DeclarationError: saying where and what, if the function cannot be a task as it is written.
    """
    if function is None:
        return lambda function: _declare(function, bind=bind, given=given)
    return _declare(function, bind=bind, given=given)


def _declare(function: Any, *, bind: bool, given: Mapping[str, Any]) -> Task[..., Any]:
    if not inspect.isfunction(function):
        raise DeclarationError(_no_function(function))
    place = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    try:
        spec = _spec(function, bind=bind, given=given, place=place)
    except DeclarationError as exc:
        raise DeclarationError(f"{place}: {function.__qualname__}() cannot be a task: {exc}") from exc.__cause__
    registry.register(spec)
    _offer(spec)
    return Task(spec)


def _spec(function: Any, *, bind: bool, given: Mapping[str, Any], place: str) -> TaskSpec:
    if inspect.iscoroutinefunction(function):
        raise DeclarationError("it is async, and workers run plain functions: write `def`, and asyncio.run(…) in it")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DeclarationError("it yields, and a task has one result: return a list, and use report_progress(…)")
    if not isinstance(bind, bool):
        raise DeclarationError(f"option 'bind' must be True or False, and it is {bind!r}")
    name = given.get("name", function.__name__)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DeclarationError(
            f"{name!r} is no name for a task: use letters, digits, '_', '-' and '.', at most 100, "
            "a letter or '_' first: @task(name='…')"
        )
    chosen = options.parse({key: value for key, value in given.items() if key != "name"})
    docs = docstring.read(function.__doc__, name)
    taken = signature.read(function, name, bind=bind, docs=docs)
    if strange := [by for by in chosen.unique_by if by not in taken.fields]:
        raise DeclarationError(
            f"option 'unique_by' names {strange[0]!r}, which is no parameter: there are {', '.join(taken.fields)}"
        )
    spec = TaskSpec(
        name=name,
        title=docs.title,
        help=docs.help,
        arguments=taken.arguments,
        options=chosen,
        function=function,
        bind=bind,
        signature=taken,
        place=place,
    )
    if chosen.schedule is not None:
        try:
            spec.validate(chosen.schedule.arguments)
        except InvalidArguments as exc:
            raise DeclarationError(f"option 'schedule': its 'arguments' do not fit: {exc}") from exc
    return spec


def _no_function(given: Any) -> str:
    if isinstance(given, Task):
        return f"@task was applied twice to {given.name!r}: remove one"
    return f"@task is for functions, and it was given {given!r}: write @task above a `def`, its options by name"


def _offer(spec: TaskSpec) -> None:
    # What celery.shared_task does, except that it keeps every function that it ever saw: one that was
    # replaced or taken out of the catalog would be in the next application too, racing for the name.
    _state.connect_on_app_finalize(_offer_all)
    for app in list(_state._get_active_apps()):  # noqa: SLF001 - as shared_task does; there is no public name
        if app.finalized:
            _offer_to(app, spec)


def _offer_all(app: Any) -> None:
    for spec in registry.specs():
        _offer_to(app, spec)


def _offer_to(app: Any, spec: TaskSpec) -> None:
    # Queue and priority are the engine's to route by: Celery is giving up both as attributes of a task.
    limits = ("max_retries", "time_limit", "soft_time_limit")
    set_ones = {name: getattr(spec.options, name) for name in limits if getattr(spec.options, name) is not None}
    present = app.tasks.get(spec.name)
    if getattr(present, "from_catalog", False):
        app.tasks.unregister(spec.name)
    app.task(name=spec.name, bind=spec.bind, shared=False, lazy=False, from_catalog=True, **set_ones)(spec.function)


def _application() -> Any:
    """The application in use: the one that is running or was made last, else the engine's own."""
    app = _state.get_current_app()
    # Celery makes a nameless one up when there is none; it knows no broker and no ledger of ours.
    if app.main == "default" and not app.set_as_current:
        # The one upward reference of the catalog, by name and at the time of the call, so that a script
        # that merely imports a task can `.delay()` it, with nothing but the environment set.
        app = importlib.import_module("async_tasks.engine").celery
    return app


def _positions(args: Sequence[Any] | None) -> tuple[Any, ...]:
    return tuple(portable(value) for value in args or ())


def _names(kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: portable(value) for name, value in (kwargs or {}).items()}


def _unpickled(module: str, name: str) -> Task[..., Any]:
    importlib.import_module(module)
    return Task(registry.get(name))
