"""Paths as they may stand in a log: what is in a link that was shared is a credential."""

from __future__ import annotations

import re
from typing import Final

#: Where shared tasks are.
SHARED: Final = "/shared/"

_TOKEN: Final = re.compile(rf"{SHARED}[^\s\"']+")


def masked(text: str) -> str:
    """The text without what is in shared links."""
    return _TOKEN.sub(f"{SHARED}…", text)
