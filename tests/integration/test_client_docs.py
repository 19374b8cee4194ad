"""Every example of docs/client.md runs, in order, and prints what is said behind it."""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from async_tasks import catalog
from async_tasks import client as face
from tests.support.profiles import Profile
from tests.support.servers import StoreServer
from tests.support.system import System

DOC = Path(__file__).parents[2] / "docs/client.md"


@pytest.fixture
def profile(valkey_server: StoreServer, tmp_path: Path) -> Profile:
    """One is enough: the client knows the web process alone."""
    return Profile("embedded", valkey_server, valkey_server, valkey_server.url, tmp_path)


def test_every_example_runs(running_system: Callable[..., System], monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", DOC.read_text(), re.MULTILINE | re.DOTALL)
    module = next(block for block in blocks if block.startswith("# my_tasks.py"))
    blocks.remove(module)
    system = running_system(modules=("my_tasks",))
    (system.folder / "my_tasks.py").write_text(module)
    monkeypatch.syspath_prepend(system.folder)
    kept = catalog.snapshot()
    system.start()

    said: list[str] = []
    namespace: dict[str, Any] = {}
    try:
        for block in blocks:
            source = block.replace("http://127.0.0.1:5000", system.url)
            namespace["print"] = checked_print(source.splitlines(), said)
            exec(compile(source, str(DOC), "exec"), namespace)
    finally:
        namespace["client"].close()
        catalog.restore(kept)
        sys.modules.pop("my_tasks", None)
    assert len(said) == DOC.read_text().count(")  # ") - 1, "a print was passed by"


def checked_print(lines: list[str], said: list[str]) -> Callable[..., None]:
    """A print that compares with the comment on its line, if there is one."""

    def check(*values: object) -> None:
        _, _, expected = lines[sys._getframe(1).f_lineno - 1].partition(")  # ")
        builtins.print(*values)
        if expected:
            assert " ".join(map(str, values)) == expected
            said.append(expected)

    return check


def test_everything_public_is_documented() -> None:
    text = DOC.read_text()
    for name in face.__all__:
        assert re.search(rf"\b{name}\b", text), name
    for kind in (face.Client, face.TaskHandle, face.Batch):
        for name in vars(kind):
            assert name.startswith("_") or name == "id" or f"{name}(" in text or f".{name}`" in text, name
