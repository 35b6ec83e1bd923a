"""Digests: frozen once under (cadence, date), and given back exactly as they were."""

from collections.abc import Mapping, Sequence
from datetime import date as Date  # noqa: N812  # a digest's own date is called date
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, select

from trendbot.model import By, Cadence, Digest, Paper, RankedPaper, Tally
from trendbot.store.engine import insert_into
from trendbot.store.schema import digest_papers, digests


def freeze(
    conn: Connection,
    cadence: Cadence,
    date: Date,
    since: Date,
    until: Date,
    counted_at: datetime,
    made_at: datetime,
    papers: Sequence[tuple[int, RankedPaper]],
    by: By = By.TOTAL,
    heard: Mapping[str, bool] | None = None,
) -> int | None:
    """Store a digest, each paper beside its id in the store; returns the digest's id.

    None if there is a digest of (cadence, date), which stays as it is.
    """
    statement = insert_into(conn, digests).values(
        cadence=cadence,
        date=date,
        since=since,
        until=until,
        counted_at=counted_at,
        made_at=made_at,
        by=by,
        heard=heard,
    )
    digest_id: int | None = conn.scalar(statement.on_conflict_do_nothing().returning(digests.c.id))
    if digest_id is not None and papers:
        rows = [_row(digest_id, paper_id, entry) for paper_id, entry in papers]
        conn.execute(insert(digest_papers), rows)
    return digest_id


def find(conn: Connection, cadence: Cadence, date: Date) -> Digest | None:
    """The digest of (cadence, date)."""
    return _first(conn, (digests.c.cadence == cadence) & (digests.c.date == date))


def by_id(conn: Connection, digest_id: int) -> Digest:
    """The digest with this id; it must be there."""
    found = _first(conn, digests.c.id == digest_id)
    if found is None:
        raise LookupError(f"no digest has the id {digest_id}")
    return found


def shown(conn: Connection, cadence: Cadence, before: Date) -> dict[int, float]:
    """The papers digests of dates before `before` showed: id and score in the last of them."""
    rows = conn.execute(
        select(digest_papers.c.paper_id, digest_papers.c.score)
        .join(digests, digests.c.id == digest_papers.c.digest_id)
        .where(digests.c.cadence == cadence, digests.c.date < before)
        .order_by(digests.c.date)
    )
    return {row.paper_id: row.score for row in rows}


def newest_before(conn: Connection, cadence: Cadence, before: Date) -> Digest | None:
    """The last digest of the cadence dated before `before`."""
    return _first(conn, (digests.c.cadence == cadence) & (digests.c.date < before))


def places(conn: Connection, cadence: Cadence, until: Date) -> dict[int, int]:
    """The ids of the papers of the last digest dated until `until`, it included: their ranks."""
    last = (
        select(digests.c.id)
        .where(digests.c.cadence == cadence, digests.c.date <= until)
        .order_by(digests.c.date.desc())
        .limit(1)
    )
    entries = select(digest_papers.c.paper_id, digest_papers.c.rank).where(
        digest_papers.c.digest_id == last.scalar_subquery()
    )
    return {row.paper_id: row.rank for row in conn.execute(entries)}


def newest(conn: Connection, condition: ColumnElement[bool], limit: int) -> list[Digest]:
    """Up to `limit` digests for which `condition` holds, the newest first; in two queries."""
    query = select(digests).where(condition).order_by(digests.c.date.desc(), digests.c.id.desc())
    rows = conn.execute(query.limit(limit)).all()
    entries: dict[int, list[RankedPaper]] = {row.id: [] for row in rows}
    for entry in conn.execute(
        select(digest_papers)
        .where(digest_papers.c.digest_id.in_(entries))
        .order_by(digest_papers.c.digest_id, digest_papers.c.rank)
    ):
        entries[entry.digest_id].append(ranked(entry))
    return [
        Digest(
            id=row.id,
            cadence=Cadence(row.cadence),
            date=row.date,
            since=row.since,
            until=row.until,
            counted_at=row.counted_at,
            made_at=row.made_at,
            papers=tuple(entries[row.id]),
            by=By(row.by),
            heard=row.heard,
        )
        for row in rows
    ]


def ranked(row: Row[*tuple[Any, ...]]) -> RankedPaper:
    """The paper and its place, from a row of digest_papers."""
    return RankedPaper(
        rank=row.rank,
        paper=_from_json(row.paper),
        score=row.score,
        retweets=row.retweets,
        favorites=row.favorites,
        signals={name: _tally(*counts) for name, counts in row.signals.items()},
        merit=row.merit,
        movement=row.movement,
    )


def _first(conn: Connection, condition: ColumnElement[bool]) -> Digest | None:
    return next(iter(newest(conn, condition, 1)), None)


def _row(digest_id: int, paper_id: int, entry: RankedPaper) -> dict[str, object]:
    return {
        "digest_id": digest_id,
        "rank": entry.rank,
        "paper_id": paper_id,
        "score": entry.score,
        "retweets": entry.retweets,
        "favorites": entry.favorites,
        "signals": {name: _counts(tally) for name, tally in entry.signals.items()},
        "merit": entry.merit,
        "movement": entry.movement,
        "paper": _to_json(entry.paper),
    }


def _counts(tally: Tally) -> list[object]:
    measured_at = tally.measured_at and tally.measured_at.isoformat()
    counted = [tally.posts, tally.retweets, tally.favorites, tally.growth]
    return [*counted, measured_at, tally.left_out, tally.flag]


def _tally(
    posts: int,
    retweets: int,
    favorites: int,
    growth: float = 0.0,  # digests of older versions end here
    measured_at: str | None = None,
    left_out: int = 0,
    flag: str = "",
) -> Tally:
    moment = datetime.fromisoformat(measured_at) if measured_at else None
    return Tally(posts, retweets, favorites, growth, moment, left_out, flag)


def _to_json(paper: Paper) -> dict[str, object]:
    return {
        "source": paper.source,
        "id": paper.id,
        "title": paper.title,
        "authors": list(paper.authors),
        "categories": list(paper.categories),
        "announced": paper.announced.isoformat(),
        "abstract": paper.abstract,
        "comments": paper.comments,
        "links": dict(paper.links),
    }


def _from_json(document: Mapping[str, Any]) -> Paper:
    return Paper(
        **{
            **document,
            "authors": tuple(document["authors"]),
            "categories": tuple(document["categories"]),
            "announced": Date.fromisoformat(document["announced"]),
        }
    )
