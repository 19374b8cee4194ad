"""The ledger: the truth about every submission, in Redis or Valkey."""

from async_tasks.ledger.connection import StoreConnection
from async_tasks.ledger.loglines import LOG_LETTERS, LOG_LINES, Log, LogLine, NewLine
from async_tasks.ledger.message import MESSAGE_KEY, Draft, Envelope, Kind, Push, Sending
from async_tasks.ledger.record import FINAL, MOVES, Change, Error, Page, Progress, Record, State, rfc3339
from async_tasks.ledger.redis import Claim, Due, Heard, Ledger, Submitted

__all__ = [
    "FINAL",
    "LOG_LETTERS",
    "LOG_LINES",
    "MESSAGE_KEY",
    "MOVES",
    "Change",
    "Claim",
    "Draft",
    "Due",
    "Envelope",
    "Error",
    "Heard",
    "Kind",
    "Ledger",
    "Log",
    "LogLine",
    "NewLine",
    "Page",
    "Progress",
    "Push",
    "Record",
    "Sending",
    "State",
    "StoreConnection",
    "Submitted",
    "rfc3339",
]
