"""Digests of invented papers, for tests of what is made of them."""

from datetime import UTC, date, datetime

from trendbot.model import Cadence, Digest, Paper, RankedPaper, Tally

DAY = date(2026, 11, 20)
COUNTED = datetime(2026, 11, 21, 5, 50, tzinfo=UTC)
MADE = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)


def ranked(rank: int, title: str = "A plain title", **more: object) -> RankedPaper:
    fields = {
        "source": "arxiv",
        "id": f"2611.{rank:05}",
        "title": title,
        "authors": ("Ann Lee", "Bo Ray"),
        "categories": ("cs.LG", "stat.ML"),
        "announced": DAY,
        "abstract": "We count posts. They are many.",
        "links": {"abs": f"https://arxiv.org/abs/2611.{rank:05}"},
    } | more
    paper = Paper(**fields)  # type: ignore[arg-type]
    return RankedPaper(rank, paper, 12, 10, 2, {"x": Tally(3, 10, 2)})


def digest(*papers: RankedPaper) -> Digest:
    return Digest(1, Cadence.DAILY, DAY, DAY, DAY, COUNTED, MADE, papers)
