"""Which tasks there are: names, duplicates, modules."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from async_tasks import catalog, task
from async_tasks.errors import ConfigurationError, DeclarationError, UnknownTask

Write = Callable[[str, str], str]


@pytest.fixture(autouse=True)
def _own_catalog() -> Iterator[None]:
    taken = catalog.snapshot()
    yield
    catalog.restore(taken)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module into the working folder; its name is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in {"", str(tmp_path)}])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    written = []

    def write(name: str, source: str) -> str:
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("from async_tasks import task\n" + textwrap.dedent(source))
        written.append(name)
        return name

    yield write
    for name in list(sys.modules):
        if name.split(".")[0] in {entry.split(".")[0] for entry in written}:
            del sys.modules[name]


def failure(*names: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        catalog.load_modules(names)
    return caught.value.problems


def test_given_an_unknown_name_when_asked_for_then_near_ones_are_named() -> None:
    @task
    def reverse_words() -> None: ...

    assert catalog.get("reverse_words") is reverse_words.spec
    with pytest.raises(UnknownTask, match=r"no task named 'revers_words'. Did you mean 'reverse_words'") as caught:
        catalog.get("revers_words")
    assert caught.value.near[0] == "reverse_words"
    with pytest.raises(UnknownTask) as caught:
        catalog.get("zzzzzzzz")
    assert caught.value.near == []


def test_given_tasks_when_listed_then_they_are_in_order_of_their_names() -> None:
    catalog.restore({})
    for name in ("b", "c", "a"):
        task(name=name)(lambda: None)
    assert [spec.name for spec in catalog.specs()] == ["a", "b", "c"]


def test_given_a_name_that_is_taken_when_declared_then_both_places_are_named() -> None:
    @task(name="twice")
    def first() -> None: ...

    with pytest.raises(DeclarationError) as caught:

        @task(name="twice")
        def second() -> None: ...

    message = str(caught.value)
    assert "the task name 'twice' is taken by " in message
    assert f"first ({__file__}:{first.spec.function.__code__.co_firstlineno})" in message
    assert "second (" in message
    assert catalog.get("twice") is first.spec


def test_given_the_very_same_function_when_declared_again_then_it_replaces_itself() -> None:
    def declare() -> catalog.Task[[], None]:
        @task
        def again() -> None: ...

        return again

    first, second = declare(), declare()
    assert catalog.get("again") is second.spec
    assert first.spec is not second.spec


def test_given_a_module_when_loaded_then_its_tasks_and_the_built_in_ones_are_there(write: Write) -> None:
    catalog.restore({})
    name = write("pkg_of_mine.tasks", "@task\ndef of_mine(a: int) -> int:\n    return a\n")
    catalog.load_modules([name])
    assert [spec.name for spec in catalog.specs()] == ["analyze_sentiment", "of_mine", "reverse_text", "send_email"]
    catalog.load_modules([name])
    assert len(catalog.specs()) == 4


def test_given_the_catalog_was_set_back_when_modules_are_loaded_again_then_their_tasks_are_back(write: Write) -> None:
    catalog.restore({})
    name = write("back_again", "@task\ndef back() -> None: ...\n")
    catalog.load_modules([name])
    catalog.restore({})
    assert catalog.specs() == []
    catalog.load_modules([name])
    assert {"back", "reverse_text"} <= {spec.name for spec in catalog.specs()}


def test_given_another_module_of_the_same_name_when_loaded_then_the_old_ones_tasks_do_not_come_back(
    write: Write,
) -> None:
    catalog.restore({})
    catalog.load_modules([write("same_name", "@task\ndef old() -> None: ...\n")])
    catalog.restore({})
    del sys.modules["same_name"]
    catalog.load_modules([write("same_name", "# another one, of another length\n@task\ndef new() -> None: ...\n")])
    names = {spec.name for spec in catalog.specs()}
    assert "new" in names
    assert "old" not in names


def test_given_a_script_that_is_loaded_by_name_too_when_declared_then_it_is_one_task(write: Write) -> None:
    name = write("as_script", "@task\ndef scripted() -> None: ...\n")
    source = Path("as_script.py").absolute()
    exec(compile(source.read_text(), str(source), "exec"), {"__name__": "__main__"})
    catalog.load_modules([name])
    assert catalog.get("scripted").function.__module__ == "as_script"


def test_given_modules_that_cannot_be_imported_when_loaded_then_each_is_named_with_its_cause(write: Write) -> None:
    write("good_one", "@task\ndef good() -> None: ...\n")
    write("broken", "\n\nraise RuntimeError('no luck')\n")
    write("misspelt", "def f(:\n")
    write("needs_more", "import not_to_be_had\n")
    write("unfit", "@task\ndef unfit(a) -> None: ...\n")
    write("leaves", "raise SystemExit('bye')\n")
    missing, broken, misspelt, needs, unfit, leaves = failure(
        "not_there.at_all", "broken", "misspelt", "good_one", "needs_more", "unfit", "leaves"
    )
    assert missing.startswith("ASYNC_TASKS_MODULES: there is no module 'not_there' in ")
    assert broken.startswith("ASYNC_TASKS_MODULES: module 'broken' cannot be imported: RuntimeError: no luck (")
    assert broken.endswith("broken.py:4)")
    assert "SyntaxError" in misspelt
    assert "misspelt.py, line 2" in misspelt
    assert "No module named 'not_to_be_had'" in needs
    assert "parameter 'a' has no annotation" in unfit
    assert "SystemExit: bye" in leaves
    assert catalog.get("good")


def test_given_a_name_of_the_builtin_tasks_when_a_module_takes_it_then_it_is_refused(write: Write) -> None:
    (problem,) = failure(write("rival", "@task\ndef reverse_text(text: str) -> str:\n    return text\n"))
    assert "the task name 'reverse_text' is taken by async_tasks.builtin.text.reverse_text" in problem
