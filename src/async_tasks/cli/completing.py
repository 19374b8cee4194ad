"""What a shell proposes for an argument that is being typed. Nothing here may fail or speak: a shell is waiting."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from async_tasks.catalog import TaskSpec
    from async_tasks.ledger import Ledger, Record

T = TypeVar("T")
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

#: Seconds that the store has to answer.
PATIENCE: Final = 0.3
#: Ids that are proposed.
RECENT: Final = 20
#: Records that are looked through for them.
LOOKED_AT: Final = 100


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    # A module of tasks may print when it is imported, and may be broken.
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere), contextlib.suppress(Exception):
        yield


def states(incomplete: str) -> list[CompletionItem]:
    """The states that begin like this, whatever the case."""
    from async_tasks.ledger.record import State

    return [CompletionItem(str(state)) for state in State if state.startswith(incomplete.upper())]


def names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of the catalog's tasks."""
    with _silent():
        specs = _catalog(ctx)
        return [CompletionItem(spec.name, help=spec.title) for spec in specs if spec.name.startswith(incomplete)]
    return []


def pairs(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """``key=`` of the parameters that are not given yet; after it, the values where there are only so many."""
    with _silent():
        return list(_pairs(ctx, incomplete))
    return []


def ids(*, finished: bool | None = None) -> Complete:
    """Ids of recent tasks, if the store answers quickly.

    Args:
        finished: only of tasks that have finished, or that have not.
    """

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        given = ctx.params.get("task_ids") or ()
        found: list[CompletionItem] = []
        with _silent():
            ledger = _ledger()
            records = _within(PATIENCE, lambda: _recent(ledger))
            found = [
                CompletionItem(r.id, help=f"{r.state} {r.name}")
                for r in records or ()
                if r.id.startswith(incomplete) and r.id not in given and finished in (None, r.finished)
            ]
        return found[:RECENT]

    return complete


def _pairs(ctx: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    from async_tasks.ops.arguments import choices

    name = _task_name(ctx)
    spec = next((spec for spec in _catalog(ctx) if spec.name == name), None)
    if spec is None:
        return
    schema = spec.arguments_schema()
    properties = schema.get("properties", {})
    key, separator, value = incomplete.partition("=")
    if separator:
        for choice in choices(properties.get(key, {}), schema):
            if choice.startswith(value):
                yield CompletionItem(f"{key}={choice}")
    elif "@" in incomplete:
        yield CompletionItem(incomplete, type="file")
    else:
        given = {pair.partition("=")[0].partition("@")[0] for pair in ctx.params.get("arguments") or ()}
        for key, part in properties.items():
            if key.startswith(incomplete) and key not in given:
                words = part.get("description") or part.get("type") or ""
                required = "required" if key in schema.get("required", ()) else ""
                yield CompletionItem(f"{key}=", help=", ".join(filter(None, (required, words))), nospace=True)


def _task_name(ctx: click.Context) -> str | None:
    if "name" in ctx.params:
        name: str | None = ctx.params["name"]
        return name
    # `replay`: the task is that of the record.
    task_id = ctx.params.get("task_id")
    if task_id is None:
        return None
    ledger = _ledger()
    record = _within(PATIENCE, lambda: ledger.get(task_id))
    return record.name if record else None


def _catalog(ctx: click.Context) -> list[TaskSpec]:
    from async_tasks import catalog
    from async_tasks.settings import get_settings

    settings = get_settings()
    catalog.load_modules(ctx.params.get("modules") or settings.task_modules())
    return catalog.specs()


def _recent(ledger: Ledger) -> list[Record]:
    newest = islice(chain.from_iterable(ledger.find()), LOOKED_AT)
    return [record for record in ledger.numbered(list(newest)) if record]


def _ledger() -> Ledger:
    # Not the engine's: making an application takes longer than all else here.
    from async_tasks.ledger import Ledger, StoreConnection
    from async_tasks.settings import get_settings

    return Ledger(StoreConnection(get_settings().store(), timeout=PATIENCE, patience=0))


def _within(seconds: float, function: Callable[[], T]) -> T | None:
    """What the function returns, or None if that takes longer: a name that nobody resolves can take minutes."""
    answers: list[T] = []

    def ask() -> None:
        with contextlib.suppress(Exception):
            answers.append(function())

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else None
