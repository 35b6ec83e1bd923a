"""Which stored posts are worth another look."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, ScalarSelect, func, select

from trendbot.looks import MEASURED_FOR
from trendbot.store.schema import papers, post_papers, posts, tallies

# A post that no look found for so long is not asked for again: it may be gone.
GIVEN_UP = timedelta(days=14)
HALF = 0.5


def worth_a_look(
    conn: Connection,
    signal: str,
    now: datetime,
    limit: int,
    contenders: bool = False,
    size: int = 20,
) -> list[str]:
    """The ids of up to `limit` posts of `signal` that are due for another look, by `looks`.

    Those of the papers with the most retweets and favorites come first, and among them the
    posts with the most. With `contenders` only posts of papers that can still change the
    first `size` places: still measured, and with at least half of
    what the last of those places has among them. Posts that no look found for two weeks are
    given up.
    """
    score = _score()
    due = (
        select(posts.c.external_id)
        .join(post_papers, post_papers.c.post_id == posts.c.id)
        .where(posts.c.signal == signal, posts.c.look_at <= now, posts.c.seen_at > now - GIVEN_UP)
    )
    if contenders:
        due = due.join(papers, papers.c.id == post_papers.c.paper_id).where(
            _is_recent(now), score >= _bar(conn, now, size)
        )
    found = conn.scalars(
        due.group_by(posts.c.id, posts.c.external_id, posts.c.retweets, posts.c.favorites)
        .order_by(
            func.max(score).desc(),
            (posts.c.retweets + posts.c.favorites).desc(),
            posts.c.external_id,
        )
        .limit(limit)
    )
    return list(found)


def _bar(conn: Connection, now: datetime, size: int) -> float:
    """The score from which a recent paper contends for one of the first `size` places."""
    scores = (
        select(func.sum(tallies.c.retweets + tallies.c.favorites))
        .join(papers, papers.c.id == tallies.c.paper_id)
        .where(_is_recent(now), tallies.c.flag == "")
        .group_by(tallies.c.paper_id)
        .order_by(func.sum(tallies.c.retweets + tallies.c.favorites).desc())
        .offset(size - 1)
        .limit(1)
    )
    return HALF * int(conn.scalar(scores) or 0)


def _is_recent(now: datetime) -> ColumnElement[bool]:
    return papers.c.announced >= now.date() - MEASURED_FOR


def _score() -> ScalarSelect[int]:
    """Retweets + favorites of the paper that a post links to, on all signals."""
    mine = (tallies.c.paper_id == post_papers.c.paper_id) & (tallies.c.flag == "")
    total = func.coalesce(func.sum(tallies.c.retweets + tallies.c.favorites), 0)
    return select(total).where(mine).correlate(post_papers).scalar_subquery()
