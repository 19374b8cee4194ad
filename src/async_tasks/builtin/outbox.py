"""The outbox: emails as files, where no SMTP server is set."""

from __future__ import annotations

import os
import tempfile
from email.message import EmailMessage
from pathlib import Path


def file(email: EmailMessage, folder: Path, key: str) -> Path:
    """Write an email to ``<folder>/<key>.eml``, whole or not at all; a second run replaces the file.

    Returns:
        The file's absolute path. Only its owner can read it.

    Raises:
        OSError: if the folder cannot be written.
    """
    folder = folder.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{key}.eml"
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(email.as_bytes())
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
