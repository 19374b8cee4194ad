"""Files to run a task over: CSV or JSON to arguments, and what is wrong with which row.

text.py       bytes -> text
tables.py     CSV: a header, and rows with their numbers
columns.py    a header -> fields of the task's form, and a row -> arguments
objects.py    JSON lines, or an array: objects with their places
reading.py    a file -> what would be submitted, or everything that is wrong
"""

from __future__ import annotations

from async_tasks.web.files.columns import Described, described
from async_tasks.web.files.reading import Contents, Wrong, read
from async_tasks.web.files.text import Unreadable

__all__ = ["Contents", "Described", "Unreadable", "Wrong", "described", "read"]
