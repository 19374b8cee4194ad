"""The catalog: every function that was declared a task, with its schemas and its options.

decorator.py   @task: function -> TaskSpec, native Celery task and typed handle
signature.py   a function's signature -> Pydantic model of its arguments, adapter of its result
options.py     the options of @task, checked; Celery's own names explained
docstring.py   title, help and descriptions of parameters
spec.py        TaskSpec: validate at the door, bind in the worker, dump the result
problems.py    Pydantic's errors -> problems that name the field
registry.py    which tasks there are
"""

from __future__ import annotations

from async_tasks.catalog.decorator import Task, task
from async_tasks.catalog.options import TaskOptions
from async_tasks.catalog.registry import get, load_modules, restore, snapshot, specs
from async_tasks.catalog.spec import TaskSpec

__all__ = ["Task", "TaskOptions", "TaskSpec", "get", "load_modules", "restore", "snapshot", "specs", "task"]
