"""The data folder of one machine: made for its owner only, with files that nobody else can read."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from async_tasks.errors import ConfigurationError
from async_tasks.settings import SECRET_KEY_FILE


def prepare_data_folder(data_dir: Path) -> Path:
    """Make the data folder, for its owner only, with a signing key in it.

    Returns:
        Its absolute path, without symbolic links.

    Raises:
        ConfigurationError: if it cannot be made or written.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        # It lies in the working directory by default, and no `git add .` shall take its passwords along.
        ignore = data_dir / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        _make_secret_key(data_dir / SECRET_KEY_FILE)
        return data_dir.resolve()
    except OSError as exc:
        raise unusable(data_dir, exc) from exc


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; readers see the old text or the new one, never a part."""
    temporary = _private_file(path, text)
    temporary.replace(path)


def _make_secret_key(path: Path) -> None:
    if path.exists():
        return
    temporary = _private_file(path, secrets.token_hex(32) + "\n")
    try:
        # A link never replaces: of two processes that come here together, one makes the key and both use it.
        path.hardlink_to(temporary)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _private_file(path: Path, text: str) -> Path:
    # Mode 0600 from its first moment, and a name that no other process or thread has.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return Path(temporary)


def unusable(data_dir: Path, exc: OSError) -> ConfigurationError:
    """The error to raise when the data folder refuses what it is for."""
    return ConfigurationError(
        [
            (
                f"The data folder {data_dir.absolute()} cannot be used: {exc}. "
                "Choose another with --data-dir or ASYNC_TASKS_DATA_DIR"
            )
        ]
    )
