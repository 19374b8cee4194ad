"""Every setting, endpoint, command, option of a task and problem is documented; links within the docs lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from async_tasks.catalog import TaskOptions
from async_tasks.cli import main
from async_tasks.ledger import MOVES, State
from async_tasks.web import create_app
from async_tasks.web.problems import KINDS
from tests.support.profiles import SECRET_KEY

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def read(name):
    return (DOCS / name).read_text()


def test_every_setting_is_in_the_reference():
    namespace = {"__file__": str(ROOT / "tools" / "write_settings_reference.py"), "__name__": "reference"}
    exec((ROOT / "tools" / "write_settings_reference.py").read_text(), namespace)
    assert read("settings.md") == namespace["reference"](), "run `make docs`"


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_its_heading_and_its_options(name):
    text = read("commands.md")
    section = re.search(rf"^## async-tasks {name}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"docs/commands.md has no heading for async-tasks {name}"
    for parameter in main.commands[name].params:
        if isinstance(parameter, click.Option) and parameter.name not in {"modules", "as_json"}:
            assert any(option in section[1] for option in parameter.opts), f"{name}: {parameter.opts}"


def test_every_endpoint_is_documented():
    from async_tasks.settings import load

    url = "redis://127.0.0.1:1/0"
    app = create_app(load(broker_url=url, redis_url=url, secret_key=SECRET_KEY))
    text = read("api.md")
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: "{" + re.sub("^[a-z]+_", "", match[1]) + "}", rule.rule)
        if path.startswith(("/api", "/health")):
            (method,) = rule.methods - {"HEAD", "OPTIONS"}
            assert f"### `{method} {path}`" in text
        elif not path.startswith(("/static", "/problems")):
            assert f"{path}`" in text


def test_every_problem_is_documented():
    for name, kind in KINDS.items():
        assert f"| `{name}` | {kind.status} |" in read("api.md")


def test_every_option_of_a_task_is_documented():
    for name in TaskOptions.__dataclass_fields__:
        assert f"`{name}`" in read("tutorial.md")


def test_the_drawing_of_the_states_is_the_table_of_moves():
    drawn = set(re.findall(r"^    (\w+) --> (\w+):", read("states.md"), re.MULTILINE))
    assert drawn == {(str(source), str(target)) for source, targets in MOVES.items() for target in targets}
    finals = set(re.findall(r"^    (\w+) --> \[\*\]", read("states.md"), re.MULTILINE))
    assert finals == {str(state) for state in State if not MOVES[state]}


def test_every_event_of_a_timeline_is_documented():
    scripts = "".join(path.read_text() for path in (ROOT / "src/async_tasks/ledger/scripts").glob("*.lua"))
    events = set(re.findall(r"(?:enter\(\w+, '\w+', |note\(\w+, )'([a-z ]+)'", scripts))
    assert events
    for event in events:
        assert f"`{event}`" in read("states.md"), event


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")], ids=lambda p: p.name
)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), f"{path.name}: {target}"
