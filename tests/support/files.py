"""What tasks leave behind, for tests to count."""

from __future__ import annotations

import os


def write_line(path: str, line: str) -> None:
    """Append a line; one write of a short one with O_APPEND is atomic, whatever other processes do."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)
