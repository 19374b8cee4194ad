"""The only way in: validate, record, publish."""

from async_tasks.submission import bulk
from async_tasks.submission.batch import MAX_BATCH, Batch, batch_id_of, cancel_batch, submit_batch
from async_tasks.submission.entry import Entry
from async_tasks.submission.single import cancel, replay, submit

__all__ = [
    "MAX_BATCH",
    "Batch",
    "Entry",
    "batch_id_of",
    "bulk",
    "cancel",
    "cancel_batch",
    "replay",
    "submit",
    "submit_batch",
]
