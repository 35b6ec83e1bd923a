"""Posts and their readings: who posted about which paper, and how it was counted when."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Select,
    case,
    exists,
    func,
    or_,
    select,
    union,
)

from trendbot.model import Post, Reading, Tally
from trendbot.ranking import Candidate
from trendbot.store.engine import insert_into
from trendbot.store.papers import ids_of
from trendbot.store.schema import papers, post_papers, posts, readings

PostKey = tuple[str, str]  # signal, id
LATELY = timedelta(days=7)


def upsert(conn: Connection, found: Sequence[Post]) -> int:
    """Store the posts that link to a known paper, with their readings; returns how many.

    A link, once stored, stays. Author, address and text are refreshed unless empty. A
    second reading of a post at the same moment is ignored: storing twice is harmless.
    """
    known = ids_of(conn, {key for post in found for key in post.papers})
    linking = [post for post in found if any(key in known for key in post.papers)]
    if not linking:
        return 0
    ids = _store(conn, _merged(linking))
    _link(
        conn,
        {
            (known[k], ids[post.signal, post.id])
            for post in linking
            for k in post.papers
            if k in known
        },
    )
    _read(conn, ids, linking)
    return len(ids)


def candidates(
    conn: Connection, since: date, until: date, as_of: datetime | None = None
) -> list[Candidate]:
    """The papers of the window from `since` to `until`, both included, with their counts.

    Those are the papers announced or listed by an archive in it. A signal's tally adds up
    the latest reading, not later than `as_of`, of each post that has one; of the totals
    archives printed for a paper only the last one in the window counts. Papers nobody was
    measured to post about come with no signals. In the order of their ids.
    """
    window = _window(since, until)
    tallies: dict[int, dict[str, Tally]] = {}
    for row in conn.execute(_tallies(window, since, until, as_of)):
        tally = Tally(row.posts, int(row.retweets), int(row.favorites))
        tallies.setdefault(row.paper_id, {})[row.signal] = tally
    found = conn.execute(
        select(papers.c.id, papers.c.source, papers.c.external_id)
        .join(window, window.c.id == papers.c.id)
        .order_by(papers.c.id)
    )
    return [
        Candidate(row.id, f"{row.source}:{row.external_id}", tallies.get(row.id, {}))
        for row in found
    ]


def of_paper(conn: Connection, paper_id: int, as_of: datetime | None) -> list[Post]:
    """All posts about a paper, each with its latest reading not later than `as_of`, if any."""
    mine = select(post_papers.c.post_id).where(post_papers.c.paper_id == paper_id)
    links: dict[int, list[str]] = {}
    for row in conn.execute(
        select(post_papers.c.post_id, papers.c.source, papers.c.external_id)
        .join(papers, papers.c.id == post_papers.c.paper_id)
        .where(post_papers.c.post_id.in_(mine))
        .order_by(papers.c.id)
    ):
        links.setdefault(row.post_id, []).append(f"{row.source}:{row.external_id}")
    return [
        Post(
            signal=row.signal,
            id=row.external_id,
            papers=tuple(links[row.id]),
            author=row.author,
            url=row.url,
            posted_at=row.posted_at,
            text=row.text,
            reading=row.taken_at
            and Reading(row.taken_at, row.retweets, row.favorites, row.replies),
            listed_on=row.listed_on,
        )
        for row in conn.execute(
            select(posts, readings)
            .outerjoin_from(posts, readings, _counts(as_of))
            .where(posts.c.id.in_(mine))
            .order_by(posts.c.signal, posts.c.posted_at, posts.c.external_id)
        )
    ]


def newest_reading(conn: Connection, paper_ids: Sequence[int], as_of: datetime) -> datetime:
    """When the newest reading of any post about these papers was taken, not after `as_of`.

    `as_of` itself where there is none.
    """
    newest: datetime | None = conn.scalar(
        select(func.max(readings.c.taken_at))
        .join(post_papers, post_papers.c.post_id == readings.c.post_id)
        .where(post_papers.c.paper_id.in_(paper_ids), readings.c.taken_at <= as_of)
    )
    return newest or as_of


def worth_a_look(conn: Connection, signal: str, now: datetime, limit: int) -> list[str]:
    """The ids of up to `limit` posts of `signal` that lead, by retweets + favorites, best first.

    Only posts about papers announced within the last week that were measured; totals of
    archives are no posts one could ask for again.
    """
    rows = conn.execute(
        select(posts.c.external_id)
        .join(post_papers, post_papers.c.post_id == posts.c.id)
        .join(papers, papers.c.id == post_papers.c.paper_id)
        .join(readings, _counts(None))
        .where(
            posts.c.signal == signal,
            posts.c.listed_on.is_(None),
            papers.c.announced >= now.date() - LATELY,
        )
        .group_by(posts.c.external_id)
        .order_by(func.max(readings.c.retweets + readings.c.favorites).desc(), posts.c.external_id)
        .limit(limit)
    )
    return list(rows.scalars())


def _merged(found: Sequence[Post]) -> dict[PostKey, Post]:
    """By key; of a post that comes twice, what `upsert` would make of one after the other."""
    merged: dict[PostKey, Post] = {}
    for post in found:
        before = merged.get((post.signal, post.id), post)
        merged[post.signal, post.id] = replace(
            before,
            author=post.author or before.author,
            url=post.url or before.url,
            text=post.text or before.text,
        )
    return merged


def _store(conn: Connection, merged: Mapping[PostKey, Post]) -> dict[PostKey, int]:
    statement = insert_into(conn, posts)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["signal", "external_id"],
        set_={
            name: case((new[name] != "", new[name]), else_=posts.c[name])
            for name in ("author", "url", "text")
        },
    )
    rows = conn.execute(
        statement.returning(posts.c.signal, posts.c.external_id, posts.c.id),
        # In the order of their keys: processes that store the same posts lock the rows in
        # the same order.
        [
            {
                "signal": post.signal,
                "external_id": post.id,
                "author": post.author,
                "url": post.url,
                "text": post.text,
                "posted_at": post.posted_at,
                "listed_on": post.listed_on,
            }
            for _, post in sorted(merged.items())
        ],
    )
    return {(row.signal, row.external_id): row.id for row in rows}


def _link(conn: Connection, links: set[tuple[int, int]]) -> None:
    conn.execute(
        insert_into(conn, post_papers).on_conflict_do_nothing(),
        [{"paper_id": paper_id, "post_id": post_id} for paper_id, post_id in sorted(links)],
    )


def _read(conn: Connection, ids: Mapping[PostKey, int], found: Sequence[Post]) -> None:
    rows = [
        {
            "post_id": ids[post.signal, post.id],
            "taken_at": post.reading.taken_at,
            "retweets": post.reading.retweets,
            "favorites": post.reading.favorites,
            "replies": post.reading.replies,
        }
        for post in found
        if post.reading is not None
    ]
    if rows:
        conn.execute(insert_into(conn, readings).on_conflict_do_nothing(), rows)


def _window(since: date, until: date) -> CTE:
    """The ids of the papers announced, or listed by an archive, in the window."""
    announced = select(papers.c.id).where(papers.c.announced.between(since, until))
    listed = (
        select(post_papers.c.paper_id)
        .join(posts, posts.c.id == post_papers.c.post_id)
        .where(posts.c.listed_on.between(since, until))
    )
    return union(announced, listed).cte("window_papers")


def _tallies(
    window: CTE, since: date, until: date, as_of: datetime | None
) -> Select[int, str, int, int, int]:
    """Per paper and signal: measured posts and the sums of their counts.

    Its shape matters from some 10,000 posts in the window: readings are found by their
    primary key, and only sums leave the database.
    """
    archived = posts.c.listed_on.is_not(None)
    last_first = func.row_number().over(
        partition_by=[post_papers.c.paper_id, posts.c.signal, archived],
        order_by=[posts.c.listed_on.desc(), posts.c.external_id.desc()],
    )
    measured = (
        select(
            post_papers.c.paper_id,
            posts.c.signal,
            readings.c.retweets,
            readings.c.favorites,
            case((archived, last_first), else_=1).label("place"),
        )
        .select_from(window)
        .join(post_papers, post_papers.c.paper_id == window.c.id)
        .join(posts, posts.c.id == post_papers.c.post_id)
        .join(readings, _counts(as_of))
        .where(or_(posts.c.listed_on.is_(None), posts.c.listed_on.between(since, until)))
        .subquery()
    )
    return (
        select(
            measured.c.paper_id,
            measured.c.signal,
            func.count().label("posts"),
            func.sum(measured.c.retweets).label("retweets"),
            func.sum(measured.c.favorites).label("favorites"),
        )
        .where(measured.c.place == 1)
        .group_by(measured.c.paper_id, measured.c.signal)
    )


def _counts(as_of: datetime | None) -> ColumnElement[bool]:
    """That a reading is its post's latest, not later than `as_of`."""
    # Said as "there is no later one": PostgreSQL makes one join of it, where a comparison
    # with max() is worked out for every reading, 20 times as long at 30,000 posts while
    # the tables are new and their statistics missing.
    later = readings.alias()
    newer = (later.c.post_id == readings.c.post_id) & (later.c.taken_at > readings.c.taken_at)
    counts = readings.c.post_id == posts.c.id
    if as_of is not None:
        newer &= later.c.taken_at <= as_of
        counts &= readings.c.taken_at <= as_of
    return counts & ~exists().where(newer)
