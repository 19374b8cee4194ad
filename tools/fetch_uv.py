"""Fetch uv's wheel and unpack its program: ``fetch_uv.py VERSION FOLDER``, for a Python without pip.

The package index is pip's, or the one that uv.lock was made from.
"""

# ruff: noqa: INP001 - a script, no package

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import sys
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import urljoin


def main(version: str, folder: Path) -> None:
    """Leave the program ``uv`` in ``folder``."""
    lock = (Path(__file__).parents[1] / "uv.lock").read_text()
    locked = re.search(r'registry = "(https://[^"]+)"', lock)
    index = os.environ.get("PIP_INDEX_URL") or (locked[1] if locked else sys.exit("uv.lock names no package index"))
    index = index.rstrip("/") + "/uv/"
    if sys.platform == "darwin":
        system = "macosx"
    else:
        system = "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux"
    wheel = rf'href="([^"]*/uv-{re.escape(version)}-[^"]*{system}[^"]*_{platform.machine()}\.[^"]*)#sha256=(\w+)"'
    found = re.search(wheel, download(index).decode())
    if not found:
        sys.exit(f"{index} has no wheel of uv {version} for {system} on {platform.machine()}")
    content = download(urljoin(index, found[1]))
    if hashlib.sha256(content).hexdigest() != found[2]:
        sys.exit(f"{found[1]} is damaged: its hash is not the one that the index names")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        folder.mkdir(parents=True, exist_ok=True)
        program = folder / "uv"
        program.write_bytes(archive.read(name))
        program.chmod(0o755)


def download(url: str) -> bytes:
    """The content behind an address."""
    try:
        with urllib.request.urlopen(url, timeout=120) as answer:  # noqa: S310 - the index says which kind
            content: bytes = answer.read()
            return content
    except OSError as exc:
        sys.exit(f"{url} cannot be fetched: {exc}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
