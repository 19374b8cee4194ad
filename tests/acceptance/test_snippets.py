"""What a form shows as curl, as Python and as a command does submit what is typed, whatever that is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from async_tasks import catalog, engine, queries
from async_tasks.engine import App
from async_tasks.web import forms
from async_tasks.web.snippets import HIDDEN, Snippets, snippets
from tests.support.commands import Commands
from tests.support.profiles import Profile
from tests.support.servers import StoreServer
from tests.support.system import System

MODULES = ("tests.support.tasks", "tests.support.form_tasks")
TOKEN = "a-long-and-random-token"

#: Whatever means something to a shell, to Python, to JSON or to a terminal.
NASTY = (
    'it\'s "quoted" $HOME `id` $(id) \\ \\n !! % {x} #\n'
    "two\tlines\r\n\x1b[31m\u202e\u2028\u00a0\x7f é 👩‍👩‍👧 \x00 -- @/etc/passwd\n"
)
VISIBLE = 'it\'s "quoted" $HOME `id` $(id) \\ \\n !! % {x} #\n@/etc/passwd\n\n -- é'

CASES: list[tuple[str, dict[str, Any]]] = [
    ("echo", {"value": {NASTY: [NASTY, {"a b": None, "'": True}], "": [1, -0.5, 1e300, 10**30, False, {}, []]}}),
    (
        "simple",
        {
            "text": NASTY, "long": "-\n'--", "count": 3, "ratio": 0.1, "amount": "1.10", "switch": False, "maybe": None,
            "size": "large", "country": "Netherlands", "mode": "fast", "password": "", "note": None,
        },
    ),
    ("greet", {"user": VISIBLE, "words": ""}),
    (
        "lists",
        {
            "tags": ["'", '"', "a,b", "= @"], "numbers": [], "sizes": ["large"], "grid": [[1], [], [2, 3]],
            "span": [1, 2], "corner": [5, VISIBLE], "ages": {NASTY: 5, "a=b": 6}, "days": ["2027-01-31"],
        },
    ),
    (
        "shapes",
        {
            "pet": {"kind": "dog", "tricks": ["sit"]}, "either": "5", "limit": "auto", "number": 1.0, "target": ["null"],
            "point": {"x": 1.5, "y": -2.0}, "options": {"title": "'"},
        },
    ),
    (
        "moments",
        {
            "day": "2027-01-31", "at": "2027-01-31T12:00:00+02:00", "daily": "08:30:00", "every": "PT1H30M",
            "since": "2026-06-01T12:00:00Z", "clock": "2026-06-01T12:00:00", "until": None,
        },
    ),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _served() -> Iterator[None]:
    taken = catalog.snapshot()
    yield
    catalog.restore(taken)


@pytest.fixture
def profile(valkey_server: StoreServer, tmp_path: Path) -> Profile:
    """Submitting is the same on both profiles."""
    return Profile("embedded", valkey_server, valkey_server, valkey_server.url, tmp_path)


@pytest.fixture
def app(profile: Profile) -> Iterator[App]:
    """Knows what is served, and looks at what was submitted."""
    app = engine.build(profile.settings(modules=MODULES))
    yield app
    app.close_connections()


def of(app: App, system: System, name: str, arguments: dict[str, Any], *, token: bool = False) -> Snippets:
    """The snippets of a task, as its form has them."""
    assert app
    spec = catalog.get(name)
    fields = forms.fields(spec.arguments_schema())
    return snippets(spec, fields, arguments, server=system.url, token=token)


def submitted(app: App, done: subprocess.CompletedProcess[str]) -> Any:
    """The arguments in the record of what was submitted by that."""
    assert done.returncode == 0, done.stderr
    found = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", done.stdout)
    assert found, done.stdout
    return queries.get(app, found[0]).args


def run(*command: str, commands: Commands, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run something in a terminal beside the system."""
    return subprocess.run(
        command,
        cwd=commands.folder,
        env=commands.env | variables,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_each_of_them_submits_exactly_what_is_typed(
    app: App, running_system: Callable[..., System], tmp_path: Path
) -> None:
    system = running_system(modules=MODULES, env={"ASYNC_TASKS_ADMIN_TOKEN": TOKEN})
    system.start("web")
    commands = Commands(system, tmp_path)
    for name, arguments in CASES:
        code = of(app, system, name, arguments, token=True)
        expected = catalog.get(name).validate(arguments)
        for shown in (code.curl, code.python, code.command):
            assert all(sign.isprintable() or sign == "\n" for sign in shown), (name, shown)
            assert TOKEN not in shown  # it is the environment's
        assert submitted(app, run("bash", "-c", code.curl, commands=commands)) == expected, code.curl
        assert submitted(app, run(sys.executable, "-c", code.python, commands=commands)) == expected, code.python
        assert submitted(app, run("bash", "-c", code.command, commands=commands)) == expected, code.command

    # What is too long for a command is taken from a file.
    arguments = {"value": ["x" * 100] * 200}
    code = of(app, system, "echo", arguments, token=True)
    (tmp_path / "arguments.json").write_text(json.dumps(arguments))
    assert all(len(shown) < 300 for shown in (code.curl, code.python, code.command))
    assert submitted(app, run("sh", "-c", code.curl, commands=commands)) == arguments
    assert submitted(app, run(sys.executable, "-c", code.python, commands=commands)) == arguments
    assert submitted(app, run("sh", "-c", code.command, commands=commands)) == arguments


def test_they_are_written_as_people_write_them(app: App, running_system: Callable[..., System]) -> None:
    system = running_system(modules=MODULES)
    code = of(app, system, "greet", {"user": "Ada", "words": "it's"})
    assert code.curl.splitlines() == [
        "curl -s -H 'Content-Type: application/json' \\",
        """  -d '{"user": "Ada", "words": "it'"'"'s"}' \\""",
        f"  {system.url}/api/v1/tasks/greet",
    ]
    assert code.command == "async-tasks submit greet user=Ada " + """'words=it'"'"'s'"""
    assert code.python.splitlines() == [
        "from async_tasks.client import Client",
        "",
        f'client = Client("{system.url}")',
        """task = client.submit("greet", user="Ada", words="it's")""",
        "print(task.id)",
    ]
    # A password that was typed is on no page.
    secret = {"text": "a", "long": "", "count": 1, "password": "s3cret"}
    code = of(app, system, "simple", secret)
    assert "s3cret" not in f"{code.curl}{code.python}{code.command}"
    assert HIDDEN in code.curl
    assert code.notes[0].startswith("Passwords are not shown")
