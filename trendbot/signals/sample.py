"""Counts for the sample papers, to show trendbot without a network."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from trendbot.context import Context
from trendbot.model import Paper, Post, Reading
from trendbot.settings import Section

FILE = Path(__file__).parent.parent / "sample.json"


class SampleSignalSettings(Section):
    """Whether the sample counts are wanted."""

    enabled: bool = False


class SampleSignal:
    """One post for each paper in sample.json: the total the Hot Papers archive printed."""

    Settings = SampleSignalSettings
    every = timedelta(days=1)  # they never change

    def __init__(self, settings: SampleSignalSettings, context: Context) -> None:
        pass

    def measure(self, papers: Sequence[Paper], since: datetime) -> Iterator[Post]:
        """Yield the totals of `papers` printed for days that begin at `since` or later."""
        wanted = {paper.key for paper in papers}
        return (post for post in _posts() if post.papers[0] in wanted and post.posted_at >= since)

    def check(self) -> str:
        """Say how many counts there are."""
        return f"{len(_posts())} sample papers have counts"


def _posts() -> list[Post]:
    return [
        Post(
            signal="sample",
            id=f"{entry['announced']}/{entry['id']}",
            papers=(f"arxiv:{entry['id']}",),
            author=entry["total"]["author"],
            url=f"https://arxiv.org/abs/{entry['id']}",
            posted_at=datetime.combine(date.fromisoformat(entry["announced"]), time(), UTC),
            reading=Reading(
                datetime.fromisoformat(entry["total"]["taken_at"]),
                entry["total"]["retweets"],
                entry["total"]["favorites"],
            ),
            listed_on=date.fromisoformat(entry["announced"]),
        )
        for entry in json.loads(FILE.read_text(encoding="utf-8"))["papers"]
    ]
