"""A record as text for people."""

from __future__ import annotations

import json
from typing import Any

from async_tasks.ledger import Record, rfc3339


def describe_record(record: Record) -> str:
    """Several lines: what, how it stands, what came of it, and its timeline."""
    lines = [f"{record.name}  {record.id}", f"  state      {record.state}"]
    for label, value in (
        ("arguments", record.args),
        ("result", record.result),
        ("progress", record.progress),
    ):
        if value is not None:
            lines.append(f"  {label:<10} {_value(value)}")
    if record.error is not None:
        lines.append(f"  error      {record.error['type']}: {record.error['message']}")
    if record.attempts > 1:
        lines.append(f"  attempts   {record.attempts}")
    lines.append("  timeline")
    for entry in record.timeline:
        details = ", ".join(str(entry[key]) for key in ("worker", "attempt", "detail") if key in entry)
        lines.append(f"    {rfc3339(entry['at'])}  {entry['event']}{f' ({details})' if details else ''}")
    return "\n".join(lines)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
