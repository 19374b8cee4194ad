"""An email, and then work that goes on: what ``send_email`` would be if it took longer to end."""

from __future__ import annotations

from typing import Any

from async_tasks import task
from async_tasks.builtin.mail import deliver
from tests.support.process_tasks import hold


@task(bind=True)
def mail_and_hold(self: Any, recipient: str, path: str) -> str:
    """Send an email as ``send_email`` does, and hold on (see ``hold``)."""
    sent = deliver(self.app.settings, self.request.id, recipient, "Hello", "Hello")
    hold(path)
    return sent.message_id
