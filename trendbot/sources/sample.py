"""Papers of two weeks of September 2020, to show trendbot without a network."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from trendbot.context import Context
from trendbot.model import Paper
from trendbot.settings import Section

FILE = Path(__file__).parent.parent / "sample.json"


class SampleSourceSettings(Section):
    """Whether the sample papers are wanted."""

    enabled: bool = False


class SampleSource:
    """The papers in sample.json, whose head says where they come from."""

    Settings = SampleSourceSettings

    def __init__(self, settings: SampleSourceSettings, context: Context) -> None:
        pass

    def fetch(self, since: date, until: date) -> Iterator[Paper]:
        """Yield the sample papers announced from `since` to `until`, both included."""
        return (paper for paper in _papers() if since <= paper.announced <= until)

    def check(self) -> str:
        """Say how many papers there are, and of which days."""
        days = [paper.announced for paper in _papers()]
        return f"{len(days)} sample papers announced from {min(days)} to {max(days)}"


def last_day() -> date:
    """The last day on which sample papers were announced."""
    return max(paper.announced for paper in _papers())


def first_day() -> date:
    """The first day on which sample papers were announced."""
    return min(paper.announced for paper in _papers())


def _papers() -> list[Paper]:
    return [
        Paper(
            source="arxiv",
            id=entry["id"],
            title=entry["title"],
            authors=tuple(entry["authors"]),
            categories=tuple(entry["categories"]),
            announced=date.fromisoformat(entry["announced"]),
            abstract=entry["abstract"],
            links={kind: f"https://arxiv.org/{kind}/{entry['id']}" for kind in ("abs", "pdf")},
        )
        for entry in json.loads(FILE.read_text(encoding="utf-8"))["papers"]
    ]
