"""Results that are images and links, told apart from text.

An image comes with the result itself, as a ``data:`` URL: nothing is loaded from another server for a page, and so an
image that is elsewhere is a link. What is neither is shown as any other value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

#: Letters of an image that is on a page; larger ones are in the JSON.
LARGEST: Final = 400_000
#: Images and links of one result.
MOST: Final = 12
#: Letters of an address that can be followed.
LONGEST: Final = 2_000

#: Within ``img`` none of them runs or loads anything.
_IMAGE: Final = re.compile(r"data:(image/(?:png|jpeg|gif|webp|avif|svg\+xml));base64,[A-Za-z0-9+/]+={0,2}", re.ASCII)
_LINK: Final = re.compile(r"https?://[^\s\"'<>\\`{|}^\x00-\x1f\x7f]+")
#: What an object may have beside ``url`` and ``content_type``.
_NAMES: Final = ("name", "title", "alt", "size")


@dataclass(frozen=True, slots=True)
class Media:
    """One image or link."""

    kind: Literal["image", "link"]
    address: str
    words: str
    content_type: str


def media(value: Any) -> list[Media]:
    """The images and links that a value is; none if it is something else."""
    values = value if isinstance(value, list) else [value]
    if not 0 < len(values) <= MOST:
        return []
    found = [_one(each) for each in values]
    return [each for each in found if each] if all(found) else []


def link(text: str) -> str:
    """The text, if it is an address on the web that a page may lead to; else nothing."""
    if len(text) > LONGEST or not _LINK.fullmatch(text):
        return ""
    try:
        return text if urlsplit(text).hostname else ""
    except ValueError:
        return ""


def image_type(value: Any) -> str:
    """The content type of a text that is an image, however large; else nothing."""
    found = _IMAGE.fullmatch(value) if isinstance(value, str) and value.startswith("data:image/") else None
    return found[1] if found else ""


def _one(value: Any) -> Media | None:
    if isinstance(value, Mapping):
        address, kind = value.get("url"), value.get("content_type")
        if not (isinstance(address, str) and isinstance(kind, str)) or value.keys() - {"url", "content_type", *_NAMES}:
            return None
        return _of(address, _words(value), kind)
    return _of(value, "", "") if isinstance(value, str) else None


def _of(address: str, words: str, content_type: str) -> Media | None:
    if kind := image_type(address):
        return Media("image", address, words or "Image", kind) if len(address) <= LARGEST else None
    return Media("link", address, words or address, content_type) if link(address) else None


def _words(value: Mapping[str, Any]) -> str:
    said: Sequence[Any] = [value.get(name) for name in ("alt", "title", "name")]
    return next((each for each in said if isinstance(each, str) and each), "")
