"""The tasks that come with async-tasks, written with the public face alone: examples as well as tools."""

from __future__ import annotations

from async_tasks.builtin.mail import send_email
from async_tasks.builtin.sentiment import analyze_sentiment
from async_tasks.builtin.text import reverse_text

__all__ = ["analyze_sentiment", "reverse_text", "send_email"]
