"""``reverse_text``."""

from __future__ import annotations

from typing import Annotated

import regex
from pydantic import Field

from async_tasks import task

Text = Annotated[
    str,
    Field(max_length=100_000, examples=["The quick brown fox 🦊"], json_schema_extra={"x-multiline": True}),
]


@task
def reverse_text(text: Text) -> str:
    """Reverse a text.

    It is reversed by what a reader takes for one character (extended grapheme clusters, Unicode annex 29),
    so that accents, flags and emoji families stay whole.

    Args:
        text: The text to reverse.
    """
    return "".join(reversed(regex.findall(r"\X", text)))
