"""The outbox's pages: what ``send_email`` files, and files that mean harm."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from async_tasks import outbox
from async_tasks.builtin.mail import deliver
from async_tasks.settings import Settings
from tests.support.profiles import Profile
from tests.support.system import System

TOKEN = "a-token-of-sixteen-characters"


@pytest.fixture
def settings(store_profile: Profile) -> Settings:
    """Without an SMTP server."""
    return store_profile.settings()


@pytest.fixture
def client(make: Callable[..., Flask]) -> FlaskClient:
    """A visitor's browser."""
    return make().test_client()


def write(settings: Settings, key: str, raw: bytes) -> Path:
    """Put a file into the outbox, whatever is in it."""
    settings.outbox.mkdir(parents=True, exist_ok=True)
    path = settings.outbox / f"{key}.eml"
    path.write_bytes(raw)
    return path


def seen(client: FlaskClient, path: str) -> str:
    """A page's HTML, if it is one."""
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype) == (200, "text/html"), answer.text
    return answer.text


def text_of(html: str) -> str:
    """What stands on a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


class TestWhatIsFiled:
    """Emails of the task itself."""

    def test_an_email_is_listed_shown_and_downloaded(self, client: FlaskClient, settings: Settings) -> None:
        deliver(settings, "task-1", "ada@example.com", "Grüße & <b>more</b>", "Hello Ada,\n\näöü <3\n")

        listed = seen(client, "/outbox")
        assert 'href="/outbox/task-1"' in listed
        assert "Grüße &amp; &lt;b&gt;more&lt;/b&gt;" in listed
        assert "ada@example.com" in text_of(listed)
        assert "<time datetime=" in listed
        page = seen(client, "/outbox/task-1")
        assert "Hello Ada,\n\näöü &lt;3\n" in page
        assert "auto-generated" in page  # one of all headers
        file = client.get("/outbox/task-1/download", buffered=True)
        assert (file.status_code, file.mimetype) == (200, "message/rfc822")
        assert file.headers["Content-Disposition"] == "attachment; filename=task-1.eml"
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        assert file.data == (settings.outbox / "task-1.eml").read_bytes()
        assert file.content_length == len(file.data)
        parsed: Any = message_from_bytes(file.data, policy=policy.default)
        assert parsed.get_content().startswith("Hello Ada,")

    def test_the_newest_comes_first_and_the_list_has_an_end(
        self, client: FlaskClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for n in range(outbox.LISTED + 5):
            path = write(settings, f"task-{n}", b"Subject: email %d\r\n\r\nx" % n)
            os.utime(path, ns=(n * 10**9, n * 10**9))

        listed = seen(client, "/outbox")
        assert re.findall(r'href="/outbox/task-(\d+)"', listed) == [str(n) for n in range(104, 4, -1)]
        assert "the newest 100 of 105" in text_of(listed)

    def test_without_emails_it_says_how_they_get_there(self, client: FlaskClient, settings: Settings) -> None:
        page = seen(client, "/outbox")
        assert 'href="/forms/send_email"' in page
        assert "ASYNC_TASKS_SMTP_URL" in page
        assert str(settings.outbox.absolute()) in page

    def test_with_a_server_it_says_that_emails_go_out(self, make: Callable[..., Flask], settings: Settings) -> None:
        deliver(settings, "task-1", "ada@example.com", "Filed before", "x")
        page = seen(make(smtp_url="smtp://user:secret@mail.example").test_client(), "/outbox")
        assert "Emails go out" in page
        assert "secret" not in page
        assert "Filed before" not in page

    def test_a_folder_that_cannot_be_read_is_said(self, client: FlaskClient, settings: Settings) -> None:
        settings.outbox.parent.mkdir(parents=True, exist_ok=True)
        settings.outbox.write_text("no folder")
        answer = client.get("/outbox")
        assert answer.status_code == 503
        assert "cannot be read" in answer.text

    def test_with_a_token_it_is_for_those_who_know_it(self, make: Callable[..., Flask], settings: Settings) -> None:
        deliver(settings, "task-1", "ada@example.com", "Private", "x")
        stranger = make(admin_token=TOKEN).test_client()
        for path in ("/outbox", "/outbox/task-1", "/outbox/task-1/download"):
            answer = stranger.get(path)
            assert (answer.status_code, answer.headers["Location"]) == (303, f"/login?next={path}")
            assert "Private" not in answer.text
        assert "Private" in stranger.get("/outbox", headers={"Authorization": f"Bearer {TOKEN}"}).text

    def test_the_email_of_a_task_links_to_it(self, running_system: Callable[..., System]) -> None:
        system = running_system()
        system.start()
        email = {"recipient": "ada@example.com", "subject": "Hello", "body": "Hello Ada"}
        record = httpx.post(f"{system.url}/api/v1/tasks/send_email?wait=20", json=email, timeout=40).json()
        assert record["result"]["via"] == "outbox"
        page = httpx.get(f"{system.url}/outbox/{record['id']}").text
        assert f'href="{record["links"]["page"]}"' in page
        assert "Hello Ada" in page

    @pytest.fixture
    def profile(self, store_profile: Profile) -> Profile:
        return store_profile


def with_parts(*parts: tuple[str, str, str | None]) -> bytes:
    """An email with parts: content, subtype of text, name of the file if it is attached."""
    email = EmailMessage()
    email["Subject"] = "parts"
    for content, subtype, name in parts:
        if name:
            email.add_attachment(content, subtype=subtype, filename=name)
        elif email.get_content_type() == "text/plain" and email.get_payload() is None:
            email.set_content(content, subtype=subtype)
        else:
            email.add_alternative(content, subtype=subtype)
    return email.as_bytes()


SCRIPT = "<script>alert(1)</script><img src=https://elsewhere.example/x>"


class TestWhatMeansHarm:
    """Files that no task of ours writes."""

    def test_html_is_never_rendered(self, client: FlaskClient, settings: Settings) -> None:
        write(settings, "both", with_parts(("plain words", "plain", None), (SCRIPT, "html", None)))
        write(settings, "html", with_parts((SCRIPT, "html", None)))
        both, html = seen(client, "/outbox/both"), seen(client, "/outbox/html")
        assert "plain words" in both
        assert "alert(1)" not in both
        assert "text/html" in both
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "source of its HTML" in html
        for page in (both, html):
            assert "<script>" not in page
            assert "<img" not in page

    def test_attachments_are_named_and_not_shown(self, client: FlaskClient, settings: Settings) -> None:
        write(settings, "it", with_parts(("see there", "plain", None), ("inner words", "plain", "../<b>etc/passwd")))
        page = seen(client, "/outbox/it")
        assert "&lt;b&gt;etc/passwd" in page
        assert "inner words" not in page

    @pytest.mark.parametrize("place", ["Subject", "To", "X-Other", "body"])
    def test_markup_and_controls_are_harmless_wherever_they_are(
        self, client: FlaskClient, settings: Settings, place: str
    ) -> None:
        words = f"{SCRIPT} \x1b[31m \x00 \u202egpj.exe \u2066x \ud800".encode("utf-8", "surrogatepass")
        headers = {"Subject": b"s", "To": b"t", "X-Other": b"o", "body": b"b", place: words}
        body = headers.pop("body")
        raw = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers.items())
        write(settings, "it", raw + b"\r\n" + body)
        for path in ("/outbox", "/outbox/it"):
            page = seen(client, path)
            assert "<script>" not in page
            assert not set("\x1b\x00\u202e\u2066") & set(page)

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"\x00" * 100_000,
            bytes(range(256)) * 1000,
            b"no header at all",
            b"To: " + b"(" * 5000 + b"\r\nSubject: " + b"=?utf-8?q?=41?= " * 5000 + b"\r\n\r\nx",
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
            b"Content-Type: multipart/mixed\r\n\r\nno boundary",
            b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xe4",
            b"Content-Type: text/plain; charset=idna\r\n\r\n\xe4",
            b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!",
            b"Content-Type: message/rfc822\r\n\r\n" * 3000,
            b"Date: 99999999999999999999\r\nMessage-ID: <<<>>\r\nMIME-Version: (((\r\n\r\nx",
            b"Content-Disposition: attachment; filename*=utf-8''%ff%zz\r\n\r\nx",
            b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(5000)),
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 50_000,
            b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\nx",
        ],
        ids=range(16),
    )
    def test_what_is_no_email_is_shown_as_far_as_it_goes(
        self, client: FlaskClient, settings: Settings, raw: bytes
    ) -> None:
        write(settings, "it", raw)
        assert 'href="/outbox/it"' in seen(client, "/outbox")
        began = time.process_time()
        assert len(seen(client, "/outbox/it")) < 2_000_000
        assert time.process_time() - began < 5
        assert client.get("/outbox/it/download", buffered=True).data == raw

    def test_ten_megabytes_are_cut_on_the_page_and_whole_in_the_file(
        self, client: FlaskClient, settings: Settings
    ) -> None:
        raw = b"Subject: large\r\n\r\n" + b"0123456789\n" * 1_000_000
        write(settings, "it", raw)
        page = seen(client, "/outbox/it")
        assert "too large" in page
        assert len(page) < 400_000
        assert client.get("/outbox/it/download", buffered=True).data == raw

    @pytest.mark.parametrize("kind", ["link", "pipe", "folder", "dangling"])
    def test_what_is_no_file_is_not_there(
        self, client: FlaskClient, settings: Settings, tmp_path: Path, kind: str
    ) -> None:
        secret = tmp_path / "secret"
        secret.write_text("Subject: secret\n\nsecret")
        settings.outbox.mkdir(parents=True)
        path = settings.outbox / "it.eml"
        makers: Mapping[str, Callable[[], object]] = {
            "link": lambda: path.symlink_to(secret),
            "pipe": lambda: os.mkfifo(path),
            "folder": path.mkdir,
            "dangling": lambda: path.symlink_to(tmp_path / "nothing"),
        }
        makers[kind]()
        assert "No emails yet" in seen(client, "/outbox")
        for end in ("", "/download"):
            answer = client.get(f"/outbox/it{end}")
            assert answer.status_code == 404
            assert "secret" not in answer.text

    @pytest.mark.parametrize(
        "key",
        [
            "../secret",
            "..%2Fsecret",
            "%2e%2e%2fsecret",
            "..",
            ".",
            "a/b",
            "a%00b",
            "a.b",
            "it.eml",
            "%0a",
            "x" * 65,
            "ä",
        ],
    )
    def test_a_key_is_no_path(self, client: FlaskClient, settings: Settings, key: str) -> None:
        settings.outbox.mkdir(parents=True)
        (settings.outbox.parent / "secret.eml").write_text("Subject: secret\n\nsecret")
        write(settings, "it", b"Subject: here\r\n\r\nx")
        for end in ("", "/download"):
            answer = client.get(f"/outbox/{key}{end}")
            assert answer.status_code == 404, answer.text
            assert "Subject: secret" not in answer.text
        assert outbox.read(settings.outbox, key) is None

    def test_other_files_are_not_listed(self, client: FlaskClient, settings: Settings) -> None:
        settings.outbox.mkdir(parents=True)
        for name in (".half.tmp", "no email.eml", "<b>.eml", "notes.txt", "it.eml.bak"):
            (settings.outbox / name).write_text("Subject: other\n\nx")
        assert "No emails yet" in seen(client, "/outbox")
