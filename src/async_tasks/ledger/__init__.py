"""The ledger: the truth about every submission, in Redis or Valkey."""

from async_tasks.ledger.connection import StoreConnection
from async_tasks.ledger.controls import Command, Controls, Limited, Timetable, Waiting
from async_tasks.ledger.message import MESSAGE_KEY, Draft, Envelope, Kind, Push, Sending
from async_tasks.ledger.record import FINAL, MOVES, Change, Error, Page, Progress, Record, State, rfc3339
from async_tasks.ledger.redis import Claim, Due, Heard, Ledger, Submitted
from async_tasks.ledger.workers import BEAT, LOST_AFTER, Sign, Worker, Workers

__all__ = [
    "BEAT",
    "FINAL",
    "LOST_AFTER",
    "MESSAGE_KEY",
    "MOVES",
    "Change",
    "Claim",
    "Command",
    "Controls",
    "Draft",
    "Due",
    "Envelope",
    "Error",
    "Heard",
    "Kind",
    "Ledger",
    "Limited",
    "Page",
    "Progress",
    "Push",
    "Record",
    "Sending",
    "Sign",
    "State",
    "StoreConnection",
    "Submitted",
    "Timetable",
    "Waiting",
    "Worker",
    "Workers",
    "rfc3339",
]
