"""What ``@task`` returns: a plain function, a native Celery task, in canvas too."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import date
from types import SimpleNamespace
from typing import Any

import celery
import pytest
from celery import Celery, _state, chain, chord, group
from pydantic import BaseModel

from async_tasks import catalog, task


class Item(BaseModel):
    name: str


@pytest.fixture(autouse=True)
def _own_catalog() -> Iterator[None]:
    taken = catalog.snapshot()
    catalog.restore({name: spec for name, spec in taken.items() if spec.function.__module__ == __name__})
    yield
    catalog.restore(taken)


@pytest.fixture
def app() -> Iterator[Celery]:
    """A real application that runs what is sent at once."""
    with _application() as made:
        yield made


@pytest.fixture(autouse=True)
def _own_current_app() -> Iterator[None]:
    default, current = _state.default_app, _state._tls.current_app
    yield
    _state.set_default_app(default)
    _state._set_current_app(current)


def _application() -> Celery:
    made = Celery("mine", broker="memory://", backend="cache+memory://")
    made.conf.update(task_always_eager=True, task_eager_propagates=True, task_store_eager_result=True)
    return made


@task(name="handle_module_level")
def module_level(text: str) -> str:
    """Say it again."""
    return text


def test_given_a_task_when_called_then_it_is_the_plain_function() -> None:
    @task
    def add(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    assert add(1) == 3
    assert add(1, b=4) == 5
    # Nothing is checked: it is the function.
    assert add("a", "b") == "ab"  # type: ignore[arg-type]
    assert (add.__name__, add.__doc__, add.__module__) == ("add", "Add.", __name__)
    assert add.__wrapped__ is add.spec.function  # type: ignore[attr-defined]
    assert list(inspect.signature(add).parameters) == ["a", "b"]
    assert repr(add) == f"<Task add of {__name__}>"


def test_given_a_bound_task_when_called_then_it_gets_the_celery_task(app: Celery) -> None:
    @task(bind=True)
    def bound(self: celery.Task, text: str) -> tuple[str, bool, Any]:
        return f"{self.name} {text}", self.request.called_directly, self.request.args

    assert bound("hi") == ("bound hi", True, ("hi",))


def test_given_no_application_when_a_bound_task_is_called_then_it_needs_none() -> None:
    source = """
        from async_tasks import task
        @task(bind=True)
        def bound(self, text: str) -> str:
            return self.name + " " + text
        print(bound("hi"))
    """
    run = [sys.executable, "-W", "error", "-c", textwrap.dedent(source)]
    assert subprocess.run(run, check=True, capture_output=True, text=True, timeout=30).stdout == "bound hi\n"


def test_given_an_application_when_a_task_is_declared_then_it_has_a_native_one(app: Celery) -> None:
    app.finalize()

    @task(bind=True, max_retries=7, time_limit=9, soft_time_limit=8, queue="slow", priority=3)
    def native(self: celery.Task, text: str) -> str:
        return text

    made = app.tasks["native"]
    assert isinstance(made, celery.Task)
    assert (made.max_retries, made.time_limit, made.soft_time_limit) == (7, 9, 8)
    assert (native.max_retries, native.app) == (7, app)
    # Celery gives up both as attributes of a task; the engine routes by the catalog.
    assert getattr(made, "queue", None) is None
    assert made.priority is None


def test_given_no_retries_declared_when_native_then_celerys_own_default_stays(app: Celery) -> None:
    @task
    def silent() -> None: ...

    assert silent.max_retries == celery.Task.max_retries


def test_given_an_application_made_later_when_used_then_it_has_the_tasks_of_the_catalog() -> None:
    @task
    def early(a: int) -> int:
        return a

    @task
    def gone(a: int) -> int:
        return a

    catalog.restore({name: spec for name, spec in catalog.snapshot().items() if name != "gone"})
    with _application() as app:
        assert "early" in app.tasks
        assert "gone" not in app.tasks
        assert early.delay(2).get() == 2


def test_given_a_task_declared_again_when_used_then_applications_run_the_new_one(app: Celery) -> None:
    def declare(result: int) -> catalog.Task[[], int]:
        @task
        def again() -> int:
            return result

        return again

    first = declare(1)
    assert first.delay().get() == 1
    second = declare(2)
    assert second.delay().get() == 2
    with _application():
        assert second.delay().get() == 2


def test_given_arguments_of_pythons_own_when_sent_then_they_travel_as_json(app: Celery) -> None:
    @task
    def shown(item: Item, day: date, rest: list[Item]) -> list[Any]:
        return [item, day, rest]

    expected = [{"name": "a"}, "2026-01-02", [{"name": "b"}]]
    given = Item(name="a"), date(2026, 1, 2), [Item(name="b")]
    assert shown.delay(*given).get() == expected
    assert shown.apply_async(given).get() == expected
    assert shown.apply_async(kwargs={"item": given[0], "day": given[1], "rest": given[2]}).get() == expected
    assert list(shown.s(*given).args) == expected
    assert dict(shown.si(item=given[0]).kwargs) == {"item": {"name": "a"}}


def test_given_what_is_no_json_when_sent_then_celery_refuses_it(app: Celery) -> None:
    with pytest.raises(Exception, match="not JSON serializable"):
        module_level.delay(object())  # type: ignore[arg-type]


def test_given_tasks_when_put_into_canvas_then_they_run(app: Celery) -> None:
    @task
    def add(a: int, b: int) -> int:
        return a + b

    @task
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    assert chain(add.s(1, 2), add.s(3))().get() == 6
    assert (add.s(1, 2) | add.s(3) | add.si(5, 5)).apply_async().get() == 10
    assert group(add.s(i, i) for i in range(3))().get() == [0, 2, 4]
    assert chord([add.s(1, 1), add.s(2, 2)], total.s())().get() == 6
    assert add.chunks([(1, 2), (3, 4)], 1)().get() == [[3], [7]]
    assert celery.signature(add, args=(2, 3)).delay().get() == 5
    signature = add.signature((1,), {"b": 2}, countdown=5)
    assert (signature.task, signature.options) == ("add", {"countdown": 5})
    assert add.s(1, 2).type.name == "add"


def test_given_a_link_when_sent_then_it_gets_the_result(app: Celery) -> None:
    seen = []

    @task
    def keep(text: str) -> None:
        seen.append(text)

    module_level.apply_async(("a",), link=keep.s())
    assert seen == ["a"]


def test_given_an_id_when_asked_for_then_its_result_is_read(app: Celery) -> None:
    sent = module_level.delay("a")
    again = module_level.AsyncResult(sent.id)
    assert (again.id, again.get()) == (sent.id, "a")


def test_given_a_wrong_call_when_sent_then_celery_says_so(app: Celery) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        module_level.delay()  # type: ignore[call-arg]


def test_given_a_handle_when_pickled_or_copied_then_it_is_the_same_task() -> None:
    for copied in (pickle.loads(pickle.dumps(module_level)), copy.copy(module_level), copy.deepcopy(module_level)):
        assert copied == module_level
        assert hash(copied) == hash(module_level)
        assert copied("a") == "a"
    assert module_level != "handle_module_level"


def test_given_celerys_makeshift_application_when_a_task_is_sent_then_the_engines_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _state.set_default_app(None)
    _state._set_current_app(None)
    with _application() as engine_app:
        _state._set_current_app(None)
        monkeypatch.setitem(sys.modules, "async_tasks.engine", SimpleNamespace(celery=engine_app))
        assert celery.current_app.main == "default"
        assert module_level.delay("a").get() == "a"
        assert module_level.app is engine_app


def test_given_special_names_when_asked_for_then_no_application_is_made_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _state.set_default_app(None)
    _state._set_current_app(None)
    monkeypatch.setitem(sys.modules, "async_tasks.engine", None)
    assert not hasattr(module_level, "__fspath__")
    with pytest.raises(ImportError):
        module_level.delay("a")
