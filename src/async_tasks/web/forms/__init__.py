"""Forms from schemas: the fields of a task's arguments, and the arguments from what was typed.

field.py      one field of a form, and the names of its inputs
schema.py     JSON Schema -> fields
kinds.py      values that are made of nothing else
bounds.py     what a schema demands, in words; samples.py: a value as it may look
typed.py      what was typed, as a tree
reading.py    what was typed -> arguments
filling.py    arguments -> what would have been typed
changing.py   a row more or less, without JavaScript
messages.py   what is wrong, at the field that it belongs to
showing.py    what the template shows: view.py, one field of it
durations.py, moments.py   lengths of time and moments, as people write them
"""

from __future__ import annotations

from async_tasks.web.forms.changing import changed
from async_tasks.web.forms.field import MISSING, Field
from async_tasks.web.forms.filling import filled
from async_tasks.web.forms.messages import by_field
from async_tasks.web.forms.reading import read
from async_tasks.web.forms.schema import fields
from async_tasks.web.forms.showing import shown
from async_tasks.web.forms.view import Shown

__all__ = ["MISSING", "Field", "Shown", "by_field", "changed", "fields", "filled", "read", "shown"]
