"""The API does what /openapi.json says: schemathesis makes requests from it, sends them to a real system and judges.

What it is told is in tests/support/schemathesis.toml, and what no schema can say in tests/support/schemathesis_hooks.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.profiles import Profile
from tests.support.servers import StoreServer
from tests.support.system import ROOT, System

TOKEN = "a-long-and-random-token"


@pytest.fixture
def profile(valkey_server: StoreServer, tmp_path: Path) -> Profile:
    """The description knows no broker: one profile is enough, and this one knows priorities."""
    return Profile("embedded", valkey_server, valkey_server, valkey_server.url, tmp_path)


def test_requests_made_from_the_schema_are_answered_as_it_says(running_system: Callable[..., System], tmp_path: Path):
    env = {"ASYNC_TASKS_ADMIN_TOKEN": TOKEN}
    system = running_system(modules=("tests.support.rich_tasks",), env=env)
    system.start()

    config = ROOT / "tests" / "support" / "schemathesis.toml"
    program = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config)]
    # One worker: up to Python 3.11.7 two threads that parse Python at a time fail, and Hypothesis parses lambdas.
    where = [f"{system.url}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}", "--workers", "1"]
    found = subprocess.run(
        [*program, "run", *where],
        cwd=tmp_path,
        env={**os.environ, **env, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-20_000:] + found.stderr[-2_000:]
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in found.stdout, found.stdout[-20_000:]
