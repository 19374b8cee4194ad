"""The outbox: emails as files, where no SMTP server is set.

Only workers write there, but an email's words are a stranger's, and so may a file be. Whoever reads takes a bounded
part of a regular file, lets the standard library's parser take it apart, and gives out plain text alone.
"""

from __future__ import annotations

import errno
import heapq
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesFeedParser
from email.policy import EmailPolicy
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

#: What a file's name may be before ``.eml``; see ``builtin.message.key``.
KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

LISTED: Final = 100  # newest emails in a list
HEAD: Final = 16_384  # bytes of a file that its headers are looked for in
BODY: Final = 4_000_000  # bytes of a file that are read at all: more than send_email can make
VALUE: Final = 1_000  # characters of a header that are taken apart: the parser's time grows with their square
SHOWN: Final = 250_000  # characters of a text
HEADERS: Final = 100
PARTS: Final = 50
BUDGET: Final = 0.5  # seconds that taking one email apart may take: nested parts are slow, line by line
PIECE: Final = 4_096  # bytes between two looks at the clock

# Controls, and what turns the direction of the text that follows: neither is to be read, and both deceive.
_UNREADABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One email in the list; ``at`` is when it was filed, milliseconds since the epoch, ``size`` bytes."""

    key: str
    at: int
    size: int
    subject: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an email that is named and not shown; ``size`` bytes, as far as it was read."""

    kind: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Email:
    """One email as it can be shown.

    Attributes:
        entry: what the list shows of it.
        headers: names and values, in their order.
        text: its plain text; of one that has none, the source of its HTML.
        source: whether ``text`` is such a source.
        parts: what else is in it.
        whole: whether the file was short enough to be read to its end.
    """

    entry: Entry
    headers: tuple[tuple[str, str], ...]
    text: str
    source: bool
    parts: tuple[Part, ...]
    whole: bool


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


def entries(folder: Path, limit: int = LISTED) -> tuple[list[Entry], int]:
    """The newest emails, newest first, and how many there are; none where there is no folder.

    Raises:
        OSError: if the folder cannot be read.
    """
    found: list[tuple[int, str]] = []
    with suppress(FileNotFoundError), os.scandir(folder) as files:
        for each in files:
            key, suffix = os.path.splitext(each.name)  # noqa: PTH122 - of a name, a hundred thousand times
            if suffix == ".eml" and KEY.fullmatch(key):
                with suppress(OSError):  # it has gone meanwhile
                    status = each.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        found.append((status.st_mtime_ns, key))
    return list(_listed(folder, [key for _, key in heapq.nlargest(limit, found)])), len(found)


def read(folder: Path, key: str) -> Email | None:
    """One email; None if there is none of that key.

    Raises:
        OSError: if it cannot be read.
    """
    stream = opened(folder, key)
    if stream is None:
        return None
    with stream:
        status = os.fstat(stream.fileno())
        raw = stream.read(BODY)
    parsed, whole = _parsed(raw)
    names = {name.lower(): name for name in islice(parsed.keys(), HEADERS)}.values()
    text, source, parts = _contents(parsed)
    return Email(
        _entry(key, status, parsed),
        tuple((_clean(name), _header(value)) for name in names for value in parsed.get_all(name, ())[:HEADERS]),
        _clean(text, SHOWN),
        source,
        parts,
        whole and status.st_size <= len(raw) and len(text) <= SHOWN,
    )


def opened(folder: Path, key: str) -> BinaryIO | None:
    """The file of one email, open; None if there is none of that key. No link is followed, and no path.

    Raises:
        OSError: if it cannot be read.
    """
    if not KEY.fullmatch(key):
        return None
    try:
        # Not waiting for a writer, if somebody put a named pipe there.
        descriptor = os.open(folder / f"{key}.eml", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.EMLINK, errno.ENOTDIR, errno.ENXIO):
            return None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "rb")


def _listed(folder: Path, keys: Sequence[str]) -> Iterator[Entry]:
    for key in keys:
        with suppress(OSError):
            stream = opened(folder, key)
            if stream is None:  # it has gone meanwhile
                continue
            with stream:
                yield _entry(key, os.fstat(stream.fileno()), _parsed(stream.read(HEAD))[0])


def _entry(key: str, status: os.stat_result, parsed: EmailMessage) -> Entry:
    subject, recipient = (_header(parsed.get(name, "")) for name in ("Subject", "To"))
    return Entry(key, status.st_mtime_ns // 1_000_000, status.st_size, subject, recipient)


class _Bounded(EmailPolicy):
    """The standard policy, but for values of any length, in whatever part they are."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:VALUE]

    def header_fetch_parse(self, name: str, value: str) -> Any:
        try:
            return super().header_fetch_parse(name, value)
        except Exception:  # noqa: BLE001 - it has raised many a thing at what is no header
            return super().header_fetch_parse("X-Unreadable", value)


def _parsed(raw: bytes) -> tuple[EmailMessage, bool]:
    """What could be taken apart within the budget, and whether it was all."""
    parser = BytesFeedParser(policy=_Bounded())
    deadline = time.monotonic() + BUDGET
    whole = True
    try:
        for begin in range(0, len(raw), PIECE):
            whole = time.monotonic() < deadline
            if not whole:
                break
            parser.feed(raw[begin : begin + PIECE])
        return cast("EmailMessage", parser.close()), whole
    except RecursionError:  # parts within parts within parts
        return EmailMessage(_Bounded()), False


def _contents(parsed: EmailMessage) -> tuple[str, bool, tuple[Part, ...]]:
    """The plain text, whether it is the source of HTML instead, and what else there is."""
    plain: list[str] = []
    html: list[str] = []
    parts: list[Part] = []
    for part in islice(_leaves(parsed), PARTS):
        kind, name = part.get_content_type(), part.get_filename()
        attached = name is not None or part.get_content_disposition() == "attachment"
        if kind == "text/plain" and not attached:
            plain.append(_text(part))
            continue
        if kind == "text/html" and not attached:
            html.append(_text(part))
        parts.append(Part(_clean(kind), _clean(name or ""), len(_payload(part))))
    if not plain and html:
        return "\n".join(html), True, tuple(parts)
    return "\n".join(plain), False, tuple(parts)


def _leaves(parsed: EmailMessage) -> Iterator[EmailMessage]:
    waiting: list[Any] = [parsed]
    while waiting:
        part = waiting.pop()
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            waiting.extend(reversed(list(part.iter_parts())))
        else:
            yield part


def _payload(part: EmailMessage) -> bytes:
    try:
        payload = part.get_payload(decode=True)
    except (LookupError, ValueError):  # an encoding that is none
        return b""
    return payload if isinstance(payload, bytes) else b""


def _text(part: EmailMessage) -> str:
    raw = _payload(part)
    try:
        text = raw.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):  # a charset that nobody knows
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _header(value: object) -> str:
    return _clean(" ".join(str(value).split()))


def _clean(text: str, most: int = VALUE) -> str:
    """Text that can be sent and read, and deceives nobody about its order."""
    text = _UNREADABLE.sub("\ufffd", text.encode("utf-8", "replace").decode())
    return text if len(text) <= most else text[:most] + "…"
