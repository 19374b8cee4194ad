"""Commands that act upon tasks which have been submitted."""

from __future__ import annotations

import sys

from async_tasks.cli.base import UNAVAILABLE, engine, main, tell
from async_tasks.cli.options import ids_argument, json_option
from async_tasks.cli.output import note, print_json_line, write
from async_tasks.errors import AsyncTasksError


@main.command()
@ids_argument(finished=False, metavar="ID...", nargs=-1, required=True)
@json_option
def cancel(task_ids: tuple[str, ...], as_json: bool) -> None:
    """Cancel tasks: one that waits never starts; one that runs is stopped.

    Each is said on a line of its own. The exit status is 0 only if all could be cancelled.
    """
    from async_tasks import submission
    from async_tasks.ops.terminal import harmless

    app = engine()
    ids = list(dict.fromkeys(task_ids))
    status = 0
    for number, task_id in enumerate(ids, start=1):
        try:
            record = submission.cancel(app, task_id)
        except AsyncTasksError as exc:
            status = max(status, tell(exc, as_json=as_json))
            if status == UNAVAILABLE:
                if left := ids[number:]:
                    note(f"not asked about: {' '.join(left)}")
                break
            continue
        if as_json:
            print_json_line(record.public())
        else:
            words = "is revoked" if record.finished else "is being stopped"
            write(harmless(f"{record.id} {words}", one_line=True))
    sys.exit(status)
