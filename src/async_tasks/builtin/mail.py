"""``send_email``: through an SMTP server, or into a folder where none is set."""

from __future__ import annotations

import re
import uuid
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, EmailStr, Field

from async_tasks import effect_once, outbox, task
from async_tasks.builtin import message, smtp
from async_tasks.settings import Settings, get_settings

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ENCODED_WORD: Final = re.compile(r"=\?\S*\?\S*\?\S*\?=")


def _one_line(value: str) -> str:
    # A line break would end the header, and what follows it would be another.
    if _CONTROL.search(value):
        raise ValueError("must be one line, without control characters")
    # Decoded by every reader, and it may hold a line break too.
    if _ENCODED_WORD.search(value):
        raise ValueError("must be plain text: '=?…?…?…?=' is how emails encode other text")
    return value


Recipient = Annotated[EmailStr, Field(examples=["ada@example.com"])]
Subject = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        examples=["Your report is ready"],
        # What `_one_line` takes, for those who read the schema.
        json_schema_extra={"pattern": r"^(?!.*=\?\S*\?\S*\?\S*\?=)[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"},
    ),
    AfterValidator(_one_line),
]
Body = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200_000,
        examples=["Hello Ada,\n\nhere it is.\n"],
        json_schema_extra={"x-multiline": True},
    ),
]


class Delivery(BaseModel):
    """Where an email went."""

    delivered_to: str
    via: Literal["smtp", "outbox"]
    message_id: str
    path: Annotated[str | None, Field(description="The .eml file, where no SMTP server is set")] = None


# An hour of attempts: servers that put strangers off (greylisting) take them after a quarter of one.
@task(bind=True, max_retries=12, retry_for=(smtp.TemporaryEmailError,), backoff=2, backoff_max=900)
def send_email(self: Any, recipient: Recipient, subject: Subject, body: Body) -> Delivery:  # noqa: D417 - self
    """Send an email.

    It goes through the SMTP server of ASYNC_TASKS_SMTP_URL; where none is set, it becomes an .eml file in the
    outbox folder. When the server is away, or says that it cannot take the email now, sending is tried again;
    when it refuses, the task fails with the server's words.
    What a server has taken is noted at once, so that a run after a crash does not send it again.

    Args:
        recipient: The address that it is sent to.
        subject: One line.
        body: Plain text.
    """
    # The settings of the application that runs the task; called as a plain function, those of the process.
    settings = getattr(self.app, "settings", None)
    if not isinstance(settings, Settings):
        settings = get_settings()
    return deliver(settings, self.request.id or str(uuid.uuid4()), recipient, subject, body)


def deliver(settings: Settings, task_id: str, recipient: str, subject: str, body: str) -> Delivery:
    """Send one email, or file it in the outbox.

    Args:
        settings: where it goes and who sends it.
        task_id: makes the Message-ID and the file's name, so that a second run repeats both.
        recipient: an address.
        subject: one line.
        body: plain text.

    Raises:
        TemporaryEmailError: if trying again may help.
        PermanentEmailError: if it cannot.
    """
    key = message.key(task_id)
    email = message.compose(settings.email_from, recipient, subject, body, key=key)
    sent = Delivery(delivered_to=recipient, via="smtp", message_id=str(email["Message-ID"]))
    if settings.smtp_url is None:
        path = outbox.file(email, settings.outbox, key)
        return sent.model_copy(update={"via": "outbox", "path": str(path)})
    with effect_once("sent") as delivery:
        if not delivery.done:
            smtp.send(email, settings.smtp_url.get_secret_value(), timeout=settings.smtp_timeout)
    return sent
