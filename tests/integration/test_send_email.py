"""``send_email`` through a real SMTP server: answers, encryption, logins, broken connections."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from celery import Celery, _state

from async_tasks import settings
from async_tasks.builtin import send_email
from async_tasks.builtin.mail import Delivery, deliver
from async_tasks.builtin.smtp import PermanentEmailError, TemporaryEmailError
from async_tasks.settings import Settings
from tests.support.smtp import LOGIN, USER, Handler, smtp_server


@contextmanager
def raw_server(conversation: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve one connection with what no sound server does; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                conversation(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


def using(url: str, **overrides: Any) -> Settings:
    return settings.load(smtp_url=url, email_from="Reports <r@example.org>", **{"smtp_timeout": 10, **overrides})


def send(url: str, recipient: str = "ada@example.com", **overrides: Any) -> Delivery:
    return deliver(using(url, **overrides), "task-1", recipient, "Grüße, Ada", "Hallo\n.\n..dots\nö\n")


def test_given_a_server_when_sent_then_it_has_the_email() -> None:
    handler = Handler()
    with smtp_server(handler) as port:
        sent = send(f"smtp://127.0.0.1:{port}")
    assert sent.model_dump() == {
        "delivered_to": "ada@example.com",
        "via": "smtp",
        "message_id": "<task-1@example.org>",
        "path": None,
    }
    (mail,) = handler.mails
    assert (mail.sender, mail.recipients, mail.encrypted, mail.user) == (
        "r@example.org",
        ["ada@example.com"],
        False,
        None,
    )
    assert mail.message["From"] == "Reports <r@example.org>"
    assert mail.message["To"] == "ada@example.com"
    assert mail.message["Subject"] == "Grüße, Ada"
    assert mail.message["Message-ID"] == "<task-1@example.org>"
    assert mail.message.get_content() == "Hallo\r\n.\r\n..dots\r\nö\r\n"
    assert mail.content.isascii()


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("451 4.7.1 Greylisted, come back", TemporaryEmailError),
        ("550 5.1.1 No such user here", PermanentEmailError),
        ("421 4.3.2 Closing down", TemporaryEmailError),
        ("554 5.7.1 Spam", PermanentEmailError),
    ],
)
def test_given_a_refusal_when_sent_then_its_code_says_whether_to_try_again(
    command: str, answer: str, kind: type[Exception]
) -> None:
    handler = Handler(answers={command: answer})
    with smtp_server(handler) as port, pytest.raises(kind) as caught:
        send(f"smtp://127.0.0.1:{port}")
    assert str(caught.value) == f"The mail server 127.0.0.1:{port} answered {answer}"
    assert handler.mails == []


@pytest.mark.parametrize("goodbye", ["421 4.0.0 Too late", "500 What?", "250 Odd", ""])
def test_given_an_odd_goodbye_when_sent_then_the_email_is_sent_all_the_same(goodbye: str) -> None:
    handler = Handler(answers={"QUIT": goodbye}) if goodbye else Handler(hang_up="QUIT")
    with smtp_server(handler) as port:
        assert send(f"smtp://127.0.0.1:{port}").via == "smtp"
    assert len(handler.mails) == 1


@pytest.mark.usefixtures("trusted")
def test_given_starttls_is_offered_when_sent_then_it_is_used(tls: ssl.SSLContext) -> None:
    handler = Handler()
    with smtp_server(handler, tls_context=tls, require_starttls=True) as port:
        send(f"smtp://127.0.0.1:{port}")
    assert handler.mails[0].encrypted


@pytest.mark.usefixtures("trusted")
def test_given_smtps_when_sent_then_it_is_encrypted_from_the_start(tls: ssl.SSLContext) -> None:
    handler = Handler()
    with smtp_server(handler, tls=tls) as port:
        send(f"smtps://localhost:{port}")
    assert handler.mails[0].encrypted


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_given_a_certificate_of_nobody_known_when_sent_then_it_is_refused(tls: ssl.SSLContext, scheme: str) -> None:
    handler = Handler()
    options: dict[str, Any] = {"tls": tls} if scheme == "smtps" else {"tls_context": tls}
    with smtp_server(handler, **options) as port, pytest.raises(PermanentEmailError, match="SSL_CERT_FILE"):
        send(f"{scheme}://127.0.0.1:{port}")
    assert handler.mails == []


@pytest.mark.usefixtures("trusted")
def test_given_a_certificate_of_another_host_when_sent_then_it_is_refused(authority: trustme.CA) -> None:
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("mail.example.net").configure_cert(other)
    with smtp_server(Handler(), tls=other) as port, pytest.raises(PermanentEmailError, match="is not trusted"):
        send(f"smtps://127.0.0.1:{port}")


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_given_a_login_when_sent_then_the_server_knows_who_it_is(tls: ssl.SSLContext, scheme: str) -> None:
    handler = Handler()
    options: dict[str, Any] = {"tls": tls} if scheme == "smtps" else {"tls_context": tls, "require_starttls": True}
    with smtp_server(handler, **options, auth_require_tls=scheme == "smtp", auth_required=scheme == "smtp") as port:
        send(f"{scheme}://{LOGIN}127.0.0.1:{port}")
    assert (handler.mails[0].encrypted, handler.mails[0].user) == (True, USER)


@pytest.mark.usefixtures("trusted")
def test_given_a_wrong_password_when_sent_then_it_fails_at_once_and_the_password_is_not_told(
    tls: ssl.SSLContext,
) -> None:
    handler = Handler()
    with (
        smtp_server(handler, tls_context=tls) as port,
        pytest.raises(PermanentEmailError, match="answered 535") as caught,
    ):
        send(f"smtp://ada:wr0ng@127.0.0.1:{port}")
    assert "wr0ng" not in str(caught.value)
    assert handler.mails == []


def test_given_no_encryption_on_this_machine_when_sent_then_the_login_is_used() -> None:
    handler = Handler()
    with smtp_server(handler, auth_require_tls=False) as port:
        send(f"smtp://{LOGIN}127.0.0.1:{port}")
    assert handler.mails[0].user == USER


def test_given_no_encryption_elsewhere_when_sent_then_the_password_stays_here() -> None:
    handler = Handler()
    # Another spelling of 127.0.0.1, which only the resolver knows to be this machine.
    with smtp_server(handler, auth_require_tls=False) as port, pytest.raises(PermanentEmailError) as caught:
        send(f"smtp://{LOGIN}127.1:{port}")
    assert "offers no encryption, so the password of ASYNC_TASKS_SMTP_URL was not sent" in str(caught.value)
    assert handler.mails == []


def test_given_a_server_without_logins_when_one_is_set_then_it_fails_at_once() -> None:
    with smtp_server(Handler()) as port, pytest.raises(PermanentEmailError, match="cannot do what the email needs"):
        send(f"smtp://{LOGIN}127.0.0.1:{port}")


def test_given_a_login_beyond_ascii_when_sent_then_it_fails_at_once() -> None:
    with (
        smtp_server(Handler(), auth_require_tls=False) as port,
        pytest.raises(PermanentEmailError, match="must be ASCII"),
    ):
        send(f"smtp://ada:gehe%C3%ADm@127.0.0.1:{port}")


def test_given_the_connection_breaks_after_the_text_when_sent_then_it_is_tried_again_with_the_same_id() -> None:
    handler = Handler(hang_up="DATA")
    with smtp_server(handler) as port:
        with pytest.raises(TemporaryEmailError, match="could not be reached, or hung up"):
            send(f"smtp://127.0.0.1:{port}")
        handler.hang_up = ""
        sent = send(f"smtp://127.0.0.1:{port}")
    assert handler.mails[0].message["Message-ID"] == sent.message_id == "<task-1@example.org>"


def test_given_the_connection_breaks_at_once_when_sent_then_it_is_tried_again() -> None:
    with raw_server(lambda _: None) as port, pytest.raises(TemporaryEmailError):
        send(f"smtp://127.0.0.1:{port}")


def test_given_a_server_that_says_nothing_when_sent_then_it_is_given_up_in_time() -> None:
    def silence(connection: socket.socket) -> None:
        connection.recv(1)  # ends when the other side hangs up

    with raw_server(silence) as port, pytest.raises(TemporaryEmailError, match="timed out"):
        send(f"smtp://127.0.0.1:{port}", smtp_timeout=0.2)


def test_given_a_server_that_turns_everybody_away_when_sent_then_its_words_are_told() -> None:
    with (
        raw_server(lambda connection: connection.sendall(b"554 5.3.2 No service\r\n")) as port,
        pytest.raises(PermanentEmailError, match=r"answered 554 5\.3\.2 No service"),
    ):
        send(f"smtp://127.0.0.1:{port}")


def test_given_plain_words_where_encryption_is_meant_when_sent_then_it_is_an_error_of_ours() -> None:
    with smtp_server(Handler()) as port, pytest.raises(TemporaryEmailError):
        send(f"smtps://127.0.0.1:{port}")


def test_given_nobody_listens_when_sent_then_it_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TemporaryEmailError, match=f"127.0.0.1:{port} could not be reached"):
        send(f"smtp://127.0.0.1:{port}")


def test_given_a_domain_beyond_ascii_when_sent_then_the_envelope_is_ascii() -> None:
    handler = Handler()
    with smtp_server(handler) as port:
        sent = send(f"smtp://127.0.0.1:{port}", "ada@bücher.example")
    assert sent.delivered_to == "ada@bücher.example"
    assert handler.mails[0].recipients == ["ada@xn--bcher-kva.example"]


def test_given_a_name_beyond_ascii_when_sent_then_the_server_must_speak_it() -> None:
    handler = Handler()
    with smtp_server(handler, enable_SMTPUTF8=True) as port:
        send(f"smtp://127.0.0.1:{port}", "büro@example.com")
    assert handler.mails[0].recipients == ["büro@example.com"]
    assert handler.mails[0].message["To"] == "büro@example.com"
    with smtp_server(handler) as port, pytest.raises(PermanentEmailError, match="cannot do what the email needs"):
        send(f"smtp://127.0.0.1:{port}", "büro@example.com")


def test_given_the_task_when_run_then_its_id_and_its_applications_settings_are_used() -> None:
    handler = Handler()
    default, current = _state.default_app, _state._tls.current_app
    try:
        with smtp_server(handler) as port, Celery("mine", broker="memory://", backend="cache+memory://") as app:
            app.settings = using(f"smtp://127.0.0.1:{port}")
            app.conf.task_always_eager = True
            app.conf.result_serializer = "json"
            send_email.apply_async(("ada@example.com", "Hi", "Text"), task_id="0193a0c4-7b7e")
            sent = send_email("bob@example.com", "Hi", "Text")
    finally:
        _state.set_default_app(default)
        _state._set_current_app(current)
    assert [mail.recipients for mail in handler.mails] == [["ada@example.com"], ["bob@example.com"]]
    assert handler.mails[0].message["Message-ID"] == "<0193a0c4-7b7e@example.org>"
    assert handler.mails[1].message["Message-ID"] == sent.message_id != "<None@example.org>"


def test_given_our_errors_when_compared_with_smtplibs_then_none_of_those_is_left() -> None:
    # Everything that smtplib raises is an OSError, and so explained.
    assert issubclass(smtplib.SMTPException, OSError)
