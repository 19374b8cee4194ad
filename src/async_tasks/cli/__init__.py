"""The command ``async-tasks``: a thin door; each subcommand calls one function of the rooms below.

base.py, output.py, options.py   what the subcommands share
roles.py                         run a role of the system, or look at one
submitting.py                    submit, replay
looking.py, watching.py          catalog, show, list; watch
acting.py                        cancel
operating.py                     workers, queues
completion.py, completing.py     the shells' scripts, and what they propose
"""

# The modules of the subcommands add them to the group when they are imported.
from async_tasks.cli import acting, completion, looking, operating, roles, submitting, watching
from async_tasks.cli.base import main

__all__ = ["acting", "completion", "looking", "main", "operating", "roles", "submitting", "watching"]
