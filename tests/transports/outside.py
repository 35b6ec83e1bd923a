"""What every transport's test needs: a context without a world, and mails to send."""

from datetime import UTC, datetime
from pathlib import Path

from trendbot.context import Budget, Context
from trendbot.fetch import Fetcher
from trendbot.model import Mail

NOW = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)


def context(home: Path) -> Context:
    return Context(
        home=home,
        now=lambda: NOW,
        fetcher=Fetcher("test@trendbot.example"),
        budget=Budget(lambda wanted, limit: 0, lambda unused: None, lambda reason: None),
        worth_a_look=lambda limit: [],
    )


def mail(number: int, recipient: str = "", body: bytes = b"Graphs, briefly.") -> Mail:
    message_id = f"<digest.{number}@trendbot.example>"
    head = f"From: bot@trendbot.example\r\nSubject: Papers\r\nMessage-ID: {message_id}\r\n\r\n"
    return Mail(
        id=number,
        sender="bot@trendbot.example",
        recipient=recipient or f"reader{number}@example.org",
        message_id=message_id,
        message=head.encode() + body + b"\r\n",
    )


def mails(count: int) -> list[Mail]:
    return [mail(number) for number in range(1, count + 1)]
