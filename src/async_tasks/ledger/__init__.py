"""The ledger: the truth about every submission, in Redis or Valkey."""

from async_tasks.ledger.batches import Answer, BatchRecord, Head
from async_tasks.ledger.connection import StoreConnection
from async_tasks.ledger.controls import Command, Controls, Limited, Timetable, Waiting
from async_tasks.ledger.loglines import LOG_LETTERS, LOG_LINES, Log, LogLine, NewLine
from async_tasks.ledger.message import MESSAGE_KEY, Draft, Envelope, Kind, Push, Sending
from async_tasks.ledger.record import (
    FINAL,
    MOVES,
    Change,
    Count,
    Error,
    Page,
    Progress,
    Record,
    State,
    fingerprint,
    rfc3339,
)
from async_tasks.ledger.redis import Claim, Due, Heard, Ledger, Submitted
from async_tasks.ledger.segment import Segment
from async_tasks.ledger.workers import BEAT, LOST_AFTER, Sign, Worker, Workers

__all__ = [
    "BEAT",
    "FINAL",
    "LOG_LETTERS",
    "LOG_LINES",
    "LOST_AFTER",
    "MESSAGE_KEY",
    "MOVES",
    "Answer",
    "BatchRecord",
    "Change",
    "Claim",
    "Command",
    "Controls",
    "Count",
    "Draft",
    "Due",
    "Envelope",
    "Error",
    "Head",
    "Heard",
    "Kind",
    "Ledger",
    "Limited",
    "Log",
    "LogLine",
    "NewLine",
    "Page",
    "Progress",
    "Push",
    "Record",
    "Segment",
    "Sending",
    "Sign",
    "State",
    "StoreConnection",
    "Submitted",
    "Timetable",
    "Waiting",
    "Worker",
    "Workers",
    "fingerprint",
    "rfc3339",
]
