"""What digests there are and what was in them: for all who read, follow and look back."""

from dataclasses import dataclass
from datetime import date as Date  # noqa: N812  # a digest's own date is called date
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, case, extract, func, or_, select, true

from trendbot.model import Cadence, Digest, Filed, Paper, RankedPaper
from trendbot.store import digests as frozen
from trendbot.store import papers
from trendbot.store.schema import digest_papers, digests, paper_categories
from trendbot.store.schema import papers as papers_table


@dataclass(frozen=True, slots=True)
class Appearance:
    """Where a paper stood in a digest, and by which counts of which moment."""

    cadence: Cadence
    date: Date
    counted_at: datetime
    rank: int
    score: float
    retweets: int
    favorites: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A digest's entry of a paper with all it says."""

    cadence: Cadence
    date: Date
    since: Date
    counted_at: datetime
    ranked: RankedPaper


def latest(
    conn: Connection, cadence: Cadence | None = None, limit: int = 1, before: Date | None = None
) -> list[Digest]:
    """The newest digests with their papers, newest first, of dates before `before` if given."""
    return frozen.newest(conn, _of(cadence) & (digests.c.date < (before or Date.max)), limit)


def neighbours(conn: Connection, cadence: Cadence, date: Date) -> tuple[Date | None, Date | None]:
    """The dates of the digests of `cadence` just before and just after `date`, if any."""
    before = select(func.max(digests.c.date)).where(_of(cadence), digests.c.date < date)
    after = select(func.min(digests.c.date)).where(_of(cadence), digests.c.date > date)
    row = conn.execute(select(before.scalar_subquery(), after.scalar_subquery())).one()
    return row[0], row[1]


def filed(
    conn: Connection,
    cadence: Cadence | None,
    limit: int,
    offset: int = 0,
    since: Date | None = None,
    until: Date | None = None,
) -> list[Filed]:
    """The digests dated from `since` to `until`, both included, newest first."""
    counted = select(func.count()).where(digest_papers.c.digest_id == digests.c.id)
    rows = conn.execute(
        select(digests, counted.scalar_subquery().label("papers"))
        .where(_of(cadence), digests.c.date.between(since or Date.min, until or Date.max))
        .order_by(digests.c.date.desc(), digests.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [
        Filed(Cadence(row.cadence), row.date, row.since, row.until, row.made_at, row.papers)
        for row in rows
    ]


def total(
    conn: Connection,
    cadence: Cadence | None = None,
    since: Date | None = None,
    until: Date | None = None,
) -> int:
    """How many digests `filed` finds in all."""
    dated = digests.c.date.between(since or Date.min, until or Date.max)
    return conn.scalar(select(func.count()).where(_of(cadence), dated)) or 0


def shown(conn: Connection, limit: int) -> dict[str, datetime]:
    """The keys of papers digests had, and when the last such digest was made; newest first."""
    made_at = func.max(digests.c.made_at).label("made_at")
    rows = conn.execute(
        select(papers_table.c.source, papers_table.c.external_id, made_at)
        .join(digest_papers, digest_papers.c.paper_id == papers_table.c.id)
        .join(digests, digests.c.id == digest_papers.c.digest_id)
        .group_by(papers_table.c.id)
        .order_by(made_at.desc(), papers_table.c.id.desc())
        .limit(limit)
    )
    return {f"{row.source}:{row.external_id}": row.made_at for row in rows}


def years(conn: Connection) -> list[int]:
    """The years that have a digest, newest first."""
    year = extract("year", digests.c.date).label("year")
    return [int(found) for found in conn.scalars(select(year).distinct().order_by(year.desc()))]


def appearances(conn: Connection, paper_id: int) -> list[Appearance]:
    """The digests a paper was in, newest first."""
    entry = digest_papers.c
    rows = conn.execute(
        select(digests.c.cadence, digests.c.date, digests.c.counted_at)
        .add_columns(entry.rank, entry.score, entry.retweets, entry.favorites)
        .join(digest_papers, entry.digest_id == digests.c.id)
        .where(entry.paper_id == paper_id)
        .order_by(digests.c.date.desc(), digests.c.id.desc())
    )
    return [Appearance(Cadence(row.cadence), *row[1:]) for row in rows]


def of_category(conn: Connection, category: str, limit: int, offset: int = 0) -> list[Listed]:
    """The papers digests had in a category or a whole archive ("cs"), newest first.

    Each paper once, as it stood in the first digest it was in, of several that day in the
    daily one; primary or not.
    """
    mine = select(paper_categories.c.paper_id).where(_within(category))
    entry = digest_papers.c
    oldest_first = (digests.c.date, _DAILY_FIRST)
    place = func.row_number().over(partition_by=entry.paper_id, order_by=oldest_first)
    placed = (
        select(entry.digest_id, entry.rank, place.label("place"))
        .join(digests, digests.c.id == entry.digest_id)
        .where(entry.paper_id.in_(mine))
        .subquery()
    )
    # Only the entries of the page are read whole: their papers are the bulk of the table.
    same = (placed.c.digest_id == entry.digest_id) & (placed.c.rank == entry.rank)
    rows = conn.execute(
        select(digest_papers, digests.c.cadence, digests.c.date)
        .add_columns(digests.c.since, digests.c.counted_at)
        .join(placed, same)
        .join(digests, digests.c.id == entry.digest_id)
        .where(placed.c.place == 1)
        .order_by(digests.c.date.desc(), _DAILY_FIRST, entry.rank)
        .limit(limit)
        .offset(offset)
    )
    return [
        Listed(Cadence(row.cadence), row.date, row.since, row.counted_at, frozen.ranked(row))
        for row in rows
    ]


def categories(conn: Connection) -> dict[str, int]:
    """How many papers of each category, primary or not, any digest had."""
    shown = select(digest_papers.c.paper_id)
    rows = conn.execute(
        select(paper_categories.c.category, func.count())
        .where(paper_categories.c.paper_id.in_(shown))
        .group_by(paper_categories.c.category)
    )
    return dict(tuple(row) for row in rows)


def find_paper(conn: Connection, id: str) -> tuple[int, Paper] | None:
    """A paper and its id in the store, by its arXiv id ("2106.06561") or its key ("source:id")."""
    if not id.isprintable():  # PostgreSQL takes no NUL, not even to look for
        return None
    key = id if ":" in id else f"arxiv:{id}"
    for paper_id, paper in papers.by_id(conn, papers.ids_of(conn, [key]).values()).items():
        return paper_id, paper
    return None


_DAILY_FIRST = case({Cadence.DAILY: 0, Cadence.WEEKLY: 1}, value=digests.c.cadence, else_=2)


def _of(cadence: Cadence | None) -> ColumnElement[bool]:
    return true() if cadence is None else digests.c.cadence == cadence


def _within(category: str) -> ColumnElement[bool]:
    named = paper_categories.c.category
    return or_(named == category, named.startswith(f"{category}.", autoescape=True))
