"""Whether posts are there still: what is gone is deleted, what nobody finds does not count.

Each post is open, lapsed or closed.

    open ── no look found it for a day ──┬── a paper of it is measured still: lapsed
      ▲                                  └── none is any more: closed
      └── a look finds it

Author, text and address go in either case, as the post may be gone. A lapsed one counts no
more; a closed one counts as it was last measured, which is history and says when that was.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from itertools import groupby

from sqlalchemy import Connection, Row, Select, delete, func, or_, select, update

from trendbot.looks import MEASURED_FOR, SEEN_FOR
from trendbot.model import Gone, There
from trendbot.settings import Counting
from trendbot.store import accounts, tallies
from trendbot.store.known import CLOSED, LAPSED, OPEN
from trendbot.store.papers import AT_ONCE, parts
from trendbot.store.schema import papers, post_papers, posts
from trendbot.store.tallies import AS_USUAL

# Any number will do that is not the one of migrations.
_WRITERS_LOCK = 7_236_174


def take_turns(conn: Connection) -> None:
    """Until the transaction ends nobody else stores posts, since sums are made of what is there.

    On SQLite there is one writer anyway.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(_WRITERS_LOCK)))


def forget(conn: Connection, gone: Sequence[Gone], counting: Counting = AS_USUAL) -> int:
    """Delete posts that are gone, with their readings; returns how many there were.

    Accounts and tallies follow. What archives printed does not go. Digests that counted
    them stay as they are.
    """
    take_turns(conn)
    found = select(posts.c.id, posts.c.account).where(posts.c.listed_on.is_(None))
    there = _named(conn, gone, found)
    ids = [row.id for row in there]
    about = _about(conn, ids)
    for part in parts(ids):
        conn.execute(delete(posts).where(posts.c.id.in_(part)))
    about |= accounts.refresh(conn, {row.account for row in there})
    _recount(conn, about, counting)
    return len(ids)


def confirm(conn: Connection, there: Sequence[There], counting: Counting = AS_USUAL) -> int:
    """Note of known posts that they were there; returns how many lapsed ones count again.

    What was closed stays closed.
    """
    take_turns(conn)
    lapsed = []
    for seen_at, together in groupby(sorted(there, key=_moment), _moment):
        older = or_(posts.c.seen_at.is_(None), posts.c.seen_at < seen_at)
        found = select(posts.c.id, posts.c.state).where(posts.c.state != CLOSED, older)
        rows = _named(conn, list(together), found)
        lapsed += [row.id for row in rows if row.state == LAPSED]
        for part in parts([row.id for row in rows]):
            seen = update(posts).where(posts.c.id.in_(part))
            conn.execute(seen.values(seen_at=seen_at, state=OPEN))
    _recount(conn, _about(conn, lapsed), counting)
    return len(lapsed)


def lapse(conn: Connection, now: datetime, counting: Counting = AS_USUAL) -> int:
    """Let posts lapse, or close them, that no look found for a day; returns how many lapsed."""
    take_turns(conn)
    unseen = or_(posts.c.seen_at.is_(None), posts.c.seen_at < now - SEEN_FOR)
    batch = select(posts.c.id).where(posts.c.state == OPEN, unseen).limit(AT_ONCE)
    measured = papers.c.announced >= now.date() - MEASURED_FOR
    lapsed = 0
    while ids := conn.scalars(batch).all():
        about_measured = (
            select(post_papers.c.post_id)
            .join(papers, papers.c.id == post_papers.c.paper_id)
            .where(post_papers.c.post_id.in_(ids), measured)
        )
        lapsing = set(conn.scalars(about_measured))
        for state, some in ((LAPSED, lapsing), (CLOSED, set(ids) - lapsing)):
            forgotten = {"state": state, "text": "", "author": "", "url": ""}
            conn.execute(update(posts).where(posts.c.id.in_(some)).values(forgotten))
        _recount(conn, _about(conn, sorted(lapsing)), counting)
        lapsed += len(lapsing)
    return lapsed


def lapsed(conn: Connection, since: date, until: date) -> int:
    """How many posts about papers announced in the window do not count, as nobody saw them."""
    found = (
        select(func.count(posts.c.id.distinct()))
        .join(post_papers, post_papers.c.post_id == posts.c.id)
        .join(papers, papers.c.id == post_papers.c.paper_id)
        .where(posts.c.state == LAPSED, posts.c.measured_at.is_not(None))
        .where(papers.c.announced.between(since, until))
    )
    return int(conn.scalar(found) or 0)


def stored(conn: Connection, signal: str) -> list[str]:
    """The ids of all posts of a signal but for archives' totals, newest first."""
    mine = select(posts.c.external_id).where(posts.c.signal == signal, posts.c.listed_on.is_(None))
    return list(conn.scalars(mine.order_by(posts.c.posted_at.desc(), posts.c.external_id)))


def _moment(one: There) -> datetime:
    return one.seen_at


def _named(
    conn: Connection, named: Collection[Gone | There], found: Select[int, str]
) -> list[Row[int, str]]:
    """What `found` selects of the posts that are named."""
    rows: list[Row[int, str]] = []
    for signal, together in groupby(sorted({(one.signal, one.id) for one in named}), _signal):
        for part in parts([id for _, id in together]):
            mine = (posts.c.signal == signal) & posts.c.external_id.in_(part)
            rows += conn.execute(found.where(mine))
    return rows


def _signal(key: tuple[str, str]) -> str:
    return key[0]


def _about(conn: Connection, ids: Sequence[int]) -> set[int]:
    """The ids of the papers that posts link to."""
    return {
        paper
        for part in parts(ids)
        for paper in conn.scalars(
            select(post_papers.c.paper_id).where(post_papers.c.post_id.in_(part))
        )
    }


def _recount(conn: Connection, about: Collection[int], counting: Counting) -> None:
    tallies.remove(conn, about)
    tallies.refresh(conn, about, counting)
