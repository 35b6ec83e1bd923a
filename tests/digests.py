"""Digests of invented papers, for tests of what is made of them."""

from datetime import UTC, date, datetime

from sqlalchemy import Engine

from trendbot import deliver
from trendbot.model import Cadence, Digest, Paper, RankedPaper, Status, Tally
from trendbot.store import digests, papers, subscribers

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


def planned(engine: Engine, day: date, audience: int) -> Digest:
    """The daily digest of a day in the database, to be mailed to so many subscribers."""
    paper = Paper("arxiv", f"{day:%y%m.%d}001", "On Looping", ("Ada Moreno",), ("cs.LG",), day)
    entry = RankedPaper(1, paper, 30, 20, 10, {"x": Tally(2, 20, 10)})
    with engine.begin() as conn:
        for number in range(audience):
            email = f"reader{number}@example.org"
            subscribers.add(conn, email, email, Status.ACTIVE, Cadence.DAILY, (), MADE)
        papers.upsert(conn, [paper], MADE)
        paper_id = papers.ids_of(conn, [paper.key])[paper.key]
        digest_id = digests.freeze(
            conn, Cadence.DAILY, day, day, day, MADE, MADE, [(paper_id, entry)]
        )
        assert digest_id is not None
        made = digests.by_id(conn, digest_id)
    deliver.plan(engine, made, MADE)
    return made
