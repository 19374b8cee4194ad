"""The only way to look: one task, pages of history, counts, batches, bulk actions, live changes."""

from async_tasks.ledger import Count
from async_tasks.queries.batches import BatchPage, Row, batch, batch_rows, batches
from async_tasks.queries.bulk import Preview, action, actions, not_done, preview
from async_tasks.queries.history import Filters, count, in_state, page
from async_tasks.queries.records import changes, get, get_many, latest_change, log, oldest_change, relatives, wait

__all__ = [
    "BatchPage",
    "Count",
    "Filters",
    "Preview",
    "Row",
    "action",
    "actions",
    "batch",
    "batch_rows",
    "batches",
    "changes",
    "count",
    "get",
    "get_many",
    "in_state",
    "latest_change",
    "log",
    "not_done",
    "oldest_change",
    "page",
    "preview",
    "relatives",
    "wait",
]
