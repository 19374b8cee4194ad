"""Results that are images and links: shown as such, and nothing that could run or be loaded."""

from __future__ import annotations

from typing import Any

import pytest

from async_tasks.web.media import LARGEST, Media, link, media
from async_tasks.web.results import preview, shown

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PAGE = "https://example.com/report?a=1&b=ä#end"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (PIXEL, [Media("image", PIXEL, "Image", "image/png")]),
        (PAGE, [Media("link", PAGE, PAGE, "")]),
        ({"url": PIXEL, "content_type": "image/png", "alt": "A dot"}, [Media("image", PIXEL, "A dot", "image/png")]),
        # An image of another server is not loaded.
        ({"url": PAGE, "content_type": "image/png"}, [Media("link", PAGE, PAGE, "image/png")]),
        (
            [{"url": PAGE, "content_type": "text/csv", "name": "sales.csv", "size": 5}, PIXEL],
            [Media("link", PAGE, "sales.csv", "text/csv"), Media("image", PIXEL, "Image", "image/png")],
        ),
    ],
)
def test_images_and_links(value: Any, found: list[Media]) -> None:
    assert media(value) == found
    assert shown(value).kind == "media"


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " https://example.com/",
        "https://example.com/ and more",
        "https://exa\nmple.com/",
        "https://",
        "https://[::1",
        "//example.com/",
        "file:///etc/passwd",
        "data:text/html;base64,PHNjcmlwdD4=",
        'data:image/png;base64,x" onerror=alert(1)',
        "data:image/png,plain",
        f"data:image/png;base64,{'A' * LARGEST}",
        {"url": "javascript:alert(1)", "content_type": "image/png"},
        {"url": "data:text/html;base64,PHNjcmlwdD4=", "content_type": "image/png"},
        {"url": PAGE},
        {"url": PAGE, "content_type": "image/png", "rows": []},
        {"url": 5, "content_type": "image/png"},
        [PAGE, "text"],
        [PAGE] * 13,
        [],
        {},
        5,
        None,
    ],
)  # fmt: skip
def test_what_is_none(value: Any) -> None:
    assert media(value) == []
    assert shown(value).kind != "media"


def test_addresses_within_other_values_are_links() -> None:
    root = shown({"page": PAGE, "bad": "javascript:alert(1)"}).root
    assert root
    assert [member.link for member in root.members] == [PAGE, ""]
    assert link("https://example.com/" + "a" * 2_000) == ""


def test_the_list_says_that_it_is_an_image() -> None:
    assert preview(PIXEL) == "An image"
    assert preview([PIXEL, PIXEL]) == "2 images"
    assert preview(PAGE) == PAGE
