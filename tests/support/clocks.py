"""Processes whose clock is another than the machine's, by libfaketime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.system import ROOT

#: Where distributions and Homebrew keep it.
PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime", "/usr/local/lib/faketime")


def shifted(seconds: int) -> Mapping[str, str]:
    """Variables for a process, and all that it starts, whose clock goes so many seconds ahead; behind, if less than 0.

    The clock that only measures how much time has passed is left alone, as it is by whoever sets a machine's time.
    """
    found = [path for place in PLACES for path in Path("/").glob(f"{place[1:]}/libfaketime.so.1")]
    assert found, "libfaketime is missing, and these tests need it: apt install faketime"
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME": f"{seconds:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": f"{Path(__file__).with_name('shifted')}:{ROOT}",
    }
