"""Which tasks there are. The only state of the catalog; filled while modules with ``@task`` are imported."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from async_tasks.catalog.spec import TaskSpec
from async_tasks.errors import ConfigurationError, DeclarationError, UnknownTask

#: The tasks that come with async-tasks. By name: they are written with the public face, which stands above.
BUILTIN: Final = "async_tasks.builtin"

_specs: dict[str, TaskSpec] = {}

#: By module, and kept when the catalog is set back: a module is imported once, the catalog filled again.
_declared: dict[str, dict[str, TaskSpec]] = {}


def register(spec: TaskSpec) -> None:
    """Put a task into the catalog; the very same function, imported again, replaces itself.

    Raises:
        DeclarationError: if another function has the name.
    """
    present = _specs.get(spec.name)
    if present is not None and not _same_origin(present, spec):
        raise DeclarationError(
            f"{spec.place}: the task name {spec.name!r} is taken by {_described(present)}, "
            f"so {_described(spec)} needs another: @task(name='…')"
        )
    _specs[spec.name] = spec
    _declared.setdefault(spec.function.__module__, {})[spec.name] = spec


def get(name: str) -> TaskSpec:
    """The task of that name.

    Raises:
        UnknownTask: naming near ones.
    """
    try:
        return _specs[name]
    except KeyError:
        # The search is quadratic in the length of a name that a stranger may have chosen.
        raise UnknownTask(name, get_close_matches(name[:100], _specs)) from None


def specs() -> list[TaskSpec]:
    """Every task, by name."""
    return sorted(_specs.values(), key=lambda spec: spec.name)


def load_modules(names: Iterable[str]) -> None:
    """Import the built-in tasks and modules with tasks, which are looked for in the working folder too.

    Raises:
        ConfigurationError: naming each module that cannot be imported, and why.
    """
    folder = str(Path.cwd())
    if folder not in sys.path and "" not in sys.path:
        # As Celery does: a command's sys.path starts with the folder of the command, not with the user's.
        sys.path.insert(0, folder)
    problems = []
    for name in (BUILTIN, *names):
        try:
            if name not in sys.modules:
                _forget(name)
            importlib.import_module(name)
            _reinstate(name)
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - whatever a stranger's module raises
            problems.append(f"ASYNC_TASKS_MODULES: {_why(name, exc)}")
    if problems:
        raise ConfigurationError(problems)


def snapshot() -> Mapping[str, TaskSpec]:
    """The catalog as it is, for ``restore``."""
    return dict(_specs)


def restore(taken: Mapping[str, TaskSpec]) -> None:
    """Set the catalog back, so that a test leaves no task behind."""
    _specs.clear()
    _specs.update(taken)


def _same_origin(one: TaskSpec, other: TaskSpec) -> bool:
    def names(spec: TaskSpec) -> tuple[str, str]:
        return spec.function.__module__, spec.function.__qualname__

    # A script's own tasks are declared as `__main__` first, and by the module's name when that is loaded.
    return names(one) == names(other) or (one.place == other.place and names(one)[1] == names(other)[1])


def _described(spec: TaskSpec) -> str:
    return f"{spec.function.__module__}.{spec.function.__qualname__} ({spec.place})"


def _forget(module: str) -> None:
    for name in _within(module):
        del _declared[name]


def _reinstate(module: str) -> None:
    for name in _within(module):
        for spec in list(_declared[name].values()):
            if _specs.get(spec.name) is not spec:
                register(spec)


def _within(module: str) -> list[str]:
    return [name for name in _declared if name == module or name.startswith(f"{module}.")]


def _why(module: str, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}."):
        return f"there is no module {error.name!r} in {Path.cwd()} or among the installed packages"
    if isinstance(error, DeclarationError):
        return f"module {module!r} cannot be imported: {error}"
    # The last frame that is not Python's own import machinery is where the module went wrong.
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<frozen")]
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if len(frames) > 1 else ""
    return f"module {module!r} cannot be imported: {type(error).__name__}: {error}{place}"
