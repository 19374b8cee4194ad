"""What the web package is made of: hosts, paths, places in the stream, words, and the table of problems."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from async_tasks import errors
from async_tasks.errors import InvalidOption
from async_tasks.settings import load
from async_tasks.web import problems, sse, words
from async_tasks.web.auth import _is_local
from async_tasks.web.routing import AnyText, KeepEncodedSlashes
from async_tasks.web.security import CONTENT_POLICY, is_known_host, known_hosts


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:5000",
        "127.0.0.1:5000",
        "127.1.2.3",
        "[::1]:5000",
        "Tasks.Example.org:5000",
        "a.internal",
    ],
)
def test_known_hosts(host: str) -> None:
    known = known_hosts(load(host="0.0.0.0", allowed_hosts="tasks.example.org,.internal"))
    assert is_known_host(host, known)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "tasks.example.org.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "0.0.0.0",
        "[::1",
        "2130706433",
    ],
)
def test_unknown_hosts(host: str) -> None:
    known = known_hosts(load(host="0.0.0.0", allowed_hosts="tasks.example.org,.internal"))
    assert not is_known_host(host, known)


@pytest.mark.parametrize("host", ["10.0.0.1", "fd00::1", "tasks.lan"])
def test_the_address_that_is_listened_on_is_known(host: str) -> None:
    given = f"[{host}]:5000" if ":" in host else f"{host}:5000"
    assert is_known_host(given, known_hosts(load(host=host)))


def test_the_content_policy_allows_nothing_inline() -> None:
    assert "unsafe" not in CONTENT_POLICY
    assert CONTENT_POLICY.startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/tasks/abc", "/tasks/abc"),
        ("/tasks/a%2Fb?x=%2F", "/tasks/a%2Fb"),
        ("/tasks/a%2fb", "/tasks/a%2fb"),
        ("/tasks/100%25", "/tasks/100%25"),
        ("/tasks/a%252Fb", "/tasks/a%252Fb"),
        ("/tasks/%C3%A9", "/tasks/\xc3\xa9"),
        ("/tasks/a%20b", "/tasks/a b"),
    ],
)
def test_encoded_slashes_stay_apart_from_others(raw: str, path: str) -> None:
    assert routed({"RAW_URI": raw, "PATH_INFO": decoded(raw)}) == path


def test_without_the_raw_path_percent_signs_are_what_they_are() -> None:
    assert routed({"PATH_INFO": "/tasks/a%b"}) == "/tasks/a%25b"
    # Something in front changed the path: it is not the raw one any more.
    assert routed({"RAW_URI": "/x/a%2Fb", "PATH_INFO": "/a/b"}) == "/a/b"


@pytest.mark.parametrize("name", ["abc", "a/b", "a%2Fb", "100%", "é ü", "..", "a?b#c", "👩‍👩‍👧"])
def test_every_name_survives_the_way_through_a_link(name: str) -> None:
    converter = AnyText(None)  # type: ignore[arg-type]
    link = f"/tasks/{converter.to_url(name)}"
    path = routed({"RAW_URI": link, "PATH_INFO": decoded(link)})
    arrived = path.removeprefix("/tasks/").encode("latin-1").decode()
    assert "/" not in arrived
    assert converter.to_python(arrived) == name


def routed(environ: dict[str, Any]) -> str:
    """The path that the application sees."""
    seen = {}

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.update(environ)
        return []

    KeepEncodedSlashes(application)(environ, lambda *_: None)  # type: ignore[arg-type]
    return str(seen["PATH_INFO"])


def decoded(raw: str) -> str:
    """The path as WSGI servers hand it over."""
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(raw.partition("?")[0]).decode("latin-1")


def test_places_in_the_stream_are_ordered_as_numbers() -> None:
    assert sse.position("9-10") > sse.position("9-9")
    assert sse.position("10-0") > sse.position("9-99")


@pytest.mark.parametrize("cursor", ["", "x", "1", "1-", "-1", "1-2-3", "1-x", "$", "\u0661-\u0662", "1" * 50 + "-0"])
def test_what_is_no_place_in_the_stream(cursor: str) -> None:
    with pytest.raises(InvalidOption, match="Last-Event-ID"):
        sse.position(cursor)


def test_an_event_is_one_block_whatever_its_text() -> None:
    assert sse.event({"text": "a\nb\r\n\nc"}, cursor="1-0") == (
        b'id: 1-0\nevent: change\ndata: {"text":"a\\nb\\r\\n\\nc"}\n\n'
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [("text", "text"), (None, "null"), ({"a": "é"}, '{\n  "a": "é"\n}'), ("half \ud83d", "half ?")],
)
def test_values_are_readable(value: Any, shown: str) -> None:
    assert words.readable(value) == shown


def test_words() -> None:
    assert words.in_one_line({"text": "x", "n": 1}) == "text: x · n: 1"
    assert words.in_one_line({"args": [1], "kwargs": {}}) == "args: [1] · kwargs: {}"
    assert words.paragraphs("One\ntwo.\n\n  Three.\n") == ["One two.", "Three."]
    assert words.sentences(["How wide.", "at least 1", "", "why?"]) == "How wide. At least 1. Why?"
    at = datetime(2026, 11, 22, 12, 0, 1, tzinfo=UTC)
    assert words.utc(int(at.timestamp() * 1000)) == "22 Nov 2026, 12:00:01 UTC"


def test_every_error_of_a_caller_has_its_problem() -> None:
    by_caller = [*errors.SubmissionError.__subclasses__(), *errors.RecordError.__subclasses__()]
    for kind in [*by_caller, *errors.Unavailable.__subclasses__()]:
        if kind.__module__ != errors.__name__:
            continue  # the command's own
        assert any(issubclass(kind, known) for known, _ in problems.BY_ERROR), kind


def test_the_table_of_problems_is_whole() -> None:
    slugs = {slug for _, slug in problems.BY_ERROR} | set(problems.BY_STATUS.values())
    assert slugs <= set(problems.KINDS)
    assert all(kind.title and kind.advice and 400 <= kind.status < 600 for kind in problems.KINDS.values())


@pytest.mark.parametrize(
    ("target", "local"),
    [
        ("/", True),
        ("/tasks/a?b=c", True),
        ("", False),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("/\t/evil.example", False),
        ("https://evil.example/", False),
        ("tasks", False),
    ],
)
def test_a_login_leads_only_to_our_own_pages(target: str, local: bool) -> None:
    assert _is_local(target) is local


def test_the_server_loads_nothing_that_gevent_would_have_to_patch_afterwards() -> None:
    code = (
        "import sys, async_tasks.web.server as server\n"
        "print([name for name in ('celery', 'kombu', 'redis', 'flask') if name in sys.modules])\n"
        "from gevent import monkey; monkey.patch_all()\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
