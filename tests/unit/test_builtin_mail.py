"""``send_email`` without a server: what is taken at the door, the email's text, the outbox."""

from __future__ import annotations

import email
import stat
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from async_tasks import settings
from async_tasks.builtin import send_email
from async_tasks.builtin.mail import deliver
from async_tasks.builtin.message import compose, key
from async_tasks.builtin.smtp import TemporaryEmailError
from async_tasks.errors import ConfigurationError, InvalidArguments
from async_tasks.settings import Settings

GOOD = {"recipient": "ada@example.com", "subject": "Hello", "body": "How are you?"}


@pytest.fixture
def outbox(tmp_path: Path) -> Settings:
    return settings.load(smtp_url=None, data_dir=tmp_path, email_outbox=None, email_from="Reports <r@example.org>")


def read(path: Path | str) -> EmailMessage:
    message = email.message_from_bytes(Path(path).read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recipient", "nobody"),
        ("recipient", "a@example.com, b@example.com"),
        ("recipient", "a@example.com\r\nBcc: b@example.com"),
        ("recipient", "a@example.com\nBcc: b@example.com"),
        ("recipient", "Ada <ada@example.com>\n"),
        ("subject", ""),
        ("subject", "x" * 201),
        ("subject", "Hi\r\nBcc: b@example.com"),
        ("subject", "Hi\n"),
        ("subject", "Hi\rthere"),
        ("subject", "Hi\u2028there"),
        ("subject", "Hi\x00"),
        ("subject", "=?utf-8?q?Hi=0D=0ABcc:_b@example.com?="),
        ("subject", "a =?utf-8?b?SGk=?= b"),
        ("body", ""),
        ("body", "x" * 200_001),
    ],
)
def test_given_unfit_arguments_when_validated_then_the_field_is_named(field: str, value: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        send_email.spec.validate({**GOOD, field: value})
    assert [p["field"] for p in caught.value.problems] == [field]


def test_given_a_subject_of_two_lines_when_validated_then_the_words_are_for_people() -> None:
    with pytest.raises(InvalidArguments, match="subject: must be one line, without control characters"):
        send_email.spec.validate({**GOOD, "subject": "a\nb"})


def test_given_the_task_when_declared_then_it_retries_what_may_pass() -> None:
    options = send_email.spec.options
    assert options.retry_for == (TemporaryEmailError,)
    assert options.max_retries
    assert options.jitter
    # Greylisting takes a quarter of an hour; half of the longest delays is what jitter leaves on average.
    delays = [min(options.backoff * 2**n, options.backoff_max) for n in range(options.max_retries)]
    assert sum(delays) / 2 > 900
    properties = send_email.spec.arguments_schema()["properties"]
    assert list(properties) == ["recipient", "subject", "body"]
    assert properties["recipient"]["format"] == "email"
    assert properties["body"]["x-multiline"] is True


def test_given_no_server_when_delivered_then_there_is_a_file_for_its_owner_alone(outbox: Settings) -> None:
    sent = deliver(outbox, "task-1", "ada@example.com", "Grüße", "Zeile 1\nZeile 2: äöü\n\n.\nFrom here\n")
    path = outbox.data_dir.absolute() / "outbox" / "task-1.eml"
    assert sent.model_dump() == {
        "delivered_to": "ada@example.com",
        "via": "outbox",
        "message_id": "<task-1@example.org>",
        "path": str(path),
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    message = read(path)
    assert message["From"] == "Reports <r@example.org>"
    assert message["To"] == "ada@example.com"
    assert message["Subject"] == "Grüße"
    assert message["Message-ID"] == "<task-1@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"]
    assert message.get_content().replace("\r\n", "\n") == "Zeile 1\nZeile 2: äöü\n\n.\nFrom here\n"
    assert max(map(len, path.read_bytes().splitlines())) < 100
    assert path.read_bytes().isascii()


def test_given_a_second_run_when_delivered_then_it_replaces_the_first(outbox: Settings) -> None:
    first = deliver(outbox, "task-1", "ada@example.com", "one", "x")
    second = deliver(outbox, "task-1", "ada@example.com", "two", "x")
    assert (first.path, first.message_id) == (second.path, second.message_id)
    assert [entry.name for entry in outbox.outbox.iterdir()] == ["task-1.eml"]
    assert read(str(second.path))["Subject"] == "two"


def test_given_a_folder_that_cannot_be_written_when_delivered_then_no_half_file_is_left(outbox: Settings) -> None:
    outbox.outbox.mkdir(parents=True)
    (outbox.outbox / "task-1.eml").mkdir()
    with pytest.raises(OSError, match=r"task-1\.eml"):
        deliver(outbox, "task-1", "ada@example.com", "one", "x")
    assert [entry.name for entry in outbox.outbox.iterdir()] == ["task-1.eml"]


@pytest.mark.parametrize("task_id", ["../../etc/passwd", "a/b", "ä", "a b", "x" * 65, "", "<>", "a\nb", "\ud800"])
def test_given_a_foreign_id_when_delivered_then_the_file_stays_in_the_outbox(outbox: Settings, task_id: str) -> None:
    sent = deliver(outbox, task_id, "ada@example.com", "one", "x")
    assert Path(str(sent.path)).parent == outbox.outbox.absolute()
    assert key(task_id) == key(task_id)
    assert sent.message_id == f"<{key(task_id)}@example.org>"
    assert len(key(task_id)) == 32


def test_given_ids_when_made_keys_then_the_usual_ones_stay_readable() -> None:
    usual = "0193a0c4-7b7e-7a3f-8d55-0c5c7f3a9b11"
    assert key(usual) == usual
    assert key("a/b") != key("a.b")


def test_given_a_domain_beyond_ascii_when_composed_then_it_is_encoded() -> None:
    message = compose("r@bücher.example", "ada@bücher.example", "s", "b", key="k")
    assert message["To"] == "ada@xn--bcher-kva.example"
    assert message["From"] == "r@xn--bcher-kva.example"
    assert message["Message-ID"] == "<k@xn--bcher-kva.example>"
    assert message.as_bytes().isascii()


def test_given_a_local_part_beyond_ascii_when_composed_then_it_is_kept_as_utf8() -> None:
    message = compose("r@example.org", "büro@example.com", "s", "b", key="k")
    assert "To: büro@example.com".encode() in message.as_bytes()


@pytest.mark.parametrize("body", ["x" * 5000, "tab\there", "ends without a break", "a\x00b", "\n\n\n", "🦊" * 300])
def test_given_any_body_when_composed_then_it_can_be_read_again(body: str) -> None:
    message = compose("r@example.org", "ada@example.com", "s", body, key="k")
    parsed: Any = email.message_from_bytes(message.as_bytes(), policy=policy.default)
    assert parsed.get_content().replace("\r\n", "\n").removesuffix("\n") == body.removesuffix("\n")
    assert max(map(len, message.as_bytes().splitlines())) < 100


@pytest.mark.parametrize("subject", ["x" * 200, "word " * 39, "🦊" * 200, "a =? b", "a  b "])
def test_given_any_subject_when_composed_then_it_can_be_read_again(subject: str) -> None:
    message = compose("r@example.org", "ada@example.com", subject, "b", key="k")
    parsed = email.message_from_bytes(message.as_bytes(), policy=policy.default)
    assert str(message["Subject"]) == subject
    assert parsed["Message-ID"] == "<k@example.org>"
    assert len(parsed.keys()) == len(message.keys())


@pytest.mark.parametrize("subject", ["a\nb", "a\r\nBcc: b@example.com", "=?utf-8?q?a=0ABcc:_b@example.com?="])
def test_given_header_injection_when_composed_by_hand_then_it_is_refused(subject: str) -> None:
    with pytest.raises(ValueError, match=r"linefeed|newline|Header values|one line"):
        compose("r@example.org", "ada@example.com", subject, "b", key="k")
    with pytest.raises(ValueError, match="is no address"):
        compose("r@example.org", f"{subject}@example.com", "s", "b", key="k")


@pytest.mark.parametrize("sender", ["nobody", "", "@", "a@", "a@exa mple", "a@" + "x" * 80])
def test_given_a_sender_that_is_no_address_when_composed_then_the_setting_is_named(sender: str) -> None:
    with pytest.raises(ConfigurationError, match="ASYNC_TASKS_EMAIL_FROM"):
        compose(sender, "ada@example.com", "s", "b", key="k")
