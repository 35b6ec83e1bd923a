"""What signals add to papers: sums over posts, kept up with them, that rankings read.

Of a post the latest believed reading counts, see `honesty.doubt`, unless it lapsed, see
`presence`. Of several posts of one account about one paper on one signal only the best counts
if the account is labelled, or if they say the same. Totals that archives printed are in no
tally: which of them counts depends on the days that are asked for.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Float,
    Select,
    String,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    or_,
    select,
)

from trendbot import honesty
from trendbot.garbage import uncollected
from trendbot.model import Tally
from trendbot.ranking import Candidate, candidate
from trendbot.settings import Counting
from trendbot.store.engine import insert_into
from trendbot.store.known import LAPSED
from trendbot.store.papers import parts
from trendbot.store.schema import (
    accounts,
    paper_categories,
    papers,
    post_papers,
    posts,
    readings,
    tallies,
)

AS_USUAL = Counting()
UNWEIGHTED: Mapping[str, float] = {}


def refresh(conn: Connection, paper_ids: Collection[int], counting: Counting) -> None:
    """Add up anew what counts for these papers, after their posts changed."""
    statement = insert_into(conn, tallies)
    keys = ("paper_id", "signal")
    new = {one.name: statement.excluded[one.name] for one in tallies.c if one.name not in keys}
    statement = statement.on_conflict_do_update(index_elements=keys, set_=new)
    for part in parts(sorted(paper_ids)):
        sums = conn.execute(_sums(_NOW, post_papers.c.paper_id.in_(part), counting))
        if rows := [_row(one) for one in sums.mappings().all()]:
            conn.execute(statement, rows)


def remove(conn: Connection, paper_ids: Collection[int]) -> None:
    """Forget what counts for these papers."""
    for part in parts(sorted(paper_ids)):
        conn.execute(tallies.delete().where(tallies.c.paper_id.in_(part)))


def candidates(
    conn: Connection,
    since: date,
    until: date,
    weights: Mapping[str, float] = UNWEIGHTED,
    checked: bool = False,
) -> list[Candidate]:
    """The papers of the window from `since` to `until`, both included, with what counts for them.

    Those are the papers announced or listed by an archive in it, as `signals` tells of them.
    In the order of their ids.
    """
    is_announced = papers.c.announced.between(since, until)
    printed = set(conn.scalars(_listed(since, until)))
    if not printed:
        return announced(conn, since, until, weights)
    found = _added_up(conn, is_announced | papers.c.id.in_(_listed(since, until)), weights)
    with_totals = signals(conn, printed, since, until, checked)
    return [
        candidate(*one[:3], with_totals[one.paper_id], weights)
        if one.paper_id in with_totals
        else one
        for one in found
    ]


def announced(
    conn: Connection, since: date, until: date, weights: Mapping[str, float] = UNWEIGHTED
) -> list[Candidate]:
    """The papers announced in the window, with what counts for them beside archives' totals."""
    return _added_up(conn, papers.c.announced.between(since, until), weights)


def _added_up(
    conn: Connection, condition: ColumnElement[bool], weights: Mapping[str, float]
) -> list[Candidate]:
    """The candidates that papers are by their tallies: what `ranking.candidate` makes of them.

    Only sums leave the database, which of 100,000 papers takes half the time.
    """
    counts = tallies.c.flag == ""
    weight: ColumnElement[Any] = literal(1.0)
    if weights:
        whens = [(tallies.c.signal == name, literal(float(of))) for name, of in weights.items()]
        weight = case(*whens, else_=literal(1.0))
    weight = cast(weight, Float)

    def added(column: ColumnElement[Any], kind: type[Any]) -> ColumnElement[Any]:
        return cast(func.coalesce(func.sum(case((counts, column))), 0), kind)

    primary = and_(paper_categories.c.paper_id == papers.c.id, paper_categories.c.position == 0)
    query = (
        select(papers.c.id, papers.c.source + ":" + papers.c.external_id)
        .add_columns(func.coalesce(func.max(paper_categories.c.category), ""))
        .add_columns(func.count(tallies.c.paper_id), func.count(case((counts, 1))))
        .add_columns(
            added(weight * (tallies.c.retweets + tallies.c.favorites), Float),
            added(weight * tallies.c.growth, Float),
            added(tallies.c.retweets, BigInteger),
            added(tallies.c.favorites, BigInteger),
        )
        .outerjoin(tallies, tallies.c.paper_id == papers.c.id)
        .outerjoin(paper_categories, primary)
        .where(condition)
        .group_by(papers.c.id)
        .order_by(papers.c.id)
    )
    with uncollected():
        return list(map(Candidate._make, _plain(conn, query)))


def signals(
    conn: Connection, paper_ids: Collection[int], since: date, until: date, checked: bool = False
) -> dict[int, dict[str, Tally]]:
    """What each signal counted for these papers: their tallies, and totals of archives.

    Of the totals printed for a paper only the last one in the window counts; where they are
    `checked`, one that cannot be true comes with its flag. Papers nobody was measured to
    post about are left out.
    """
    found: dict[int, dict[str, Tally]] = {}
    for part in parts(sorted(paper_ids)):
        own = select(tallies).where(tallies.c.paper_id.in_(part))
        for row in map(dict, conn.execute(own).mappings()):
            paper_id, signal = row.pop("paper_id"), row.pop("signal")
            found.setdefault(paper_id, {})[signal] = Tally(**row)
        for printed in conn.execute(_totals(since, until, part)):
            sums = (printed.retweets, printed.favorites, 0.0, printed.measured_at)
            total = Tally(1, *sums, 0, printed.flag if checked else "")
            of_paper = found.setdefault(printed.paper_id, {})
            of_paper[printed.signal] = together(of_paper.get(printed.signal), total)
    return found


def _plain(conn: Connection, query: Select[Any]) -> Sequence[tuple[Any, ...]]:
    """The rows of a query as the driver gives them."""
    cursor = conn.execute(query).cursor
    return cursor.fetchall() if cursor else []


def scores_as_of(
    conn: Connection,
    paper_ids: Sequence[int],
    as_of: datetime,
    counting: Counting = AS_USUAL,
) -> dict[int, dict[str, Tally]]:
    """What each signal had counted for these papers at `as_of`, for a few papers.

    Each post counts with its latest believed reading not later than that, and with one vote
    by the accounts and words that are known now. There is no growth in it, and no total of
    an archive. Papers that were not counted by then are left out.
    """
    then = _Counted(
        readings.c.retweets, readings.c.favorites, literal(0.0), readings.c.taken_at, as_of
    )
    found: dict[int, dict[str, Tally]] = {}
    for part in parts(list(paper_ids)):
        rows = conn.execute(_sums(then, post_papers.c.paper_id.in_(part), counting))
        for row in map(_row, rows.mappings()):
            paper_id, signal = row.pop("paper_id"), row.pop("signal")
            found.setdefault(paper_id, {})[signal] = Tally(**row)
    return found


def newest_reading(conn: Connection, paper_ids: Sequence[int], as_of: datetime) -> datetime:
    """When the newest reading that counts for these papers was taken, or `as_of` if earlier.

    `as_of` itself where there is none.
    """
    listed = (
        select(func.max(posts.c.measured_at))
        .join(post_papers, post_papers.c.post_id == posts.c.id)
        .where(post_papers.c.paper_id.in_(paper_ids), posts.c.listed_on.is_not(None))
    )
    measured = select(func.max(tallies.c.measured_at)).where(tallies.c.paper_id.in_(paper_ids))
    found = [conn.scalar(listed), conn.scalar(measured)]
    return min(max(filter(None, found), default=as_of), as_of)


def counts(as_of: datetime | None) -> ColumnElement[bool]:
    """That a reading is its post's latest believed one, not later than `as_of`."""
    # Said as "there is no later one": PostgreSQL makes one join of it, where a comparison
    # with max() is worked out for every reading.
    later = readings.alias()
    newer = (later.c.post_id == readings.c.post_id) & (later.c.taken_at > readings.c.taken_at)
    newer &= later.c.flag == ""
    counted = (readings.c.post_id == posts.c.id) & (readings.c.flag == "")
    if as_of is not None:
        newer &= later.c.taken_at <= as_of
        counted &= readings.c.taken_at <= as_of
    return counted & ~exists().where(newer)


class _Counted(NamedTuple):
    """Where the counts of a post are: in its row, or in its reading as of a moment."""

    retweets: ColumnElement[int]
    favorites: ColumnElement[int]
    growth: ColumnElement[float]
    measured_at: ColumnElement[Any]
    as_of: datetime | None = None


_NOW = _Counted(posts.c.retweets, posts.c.favorites, posts.c.growth, posts.c.measured_at)


def _sums(counted: _Counted, about: ColumnElement[bool], counting: Counting) -> Select[Any]:
    """Per paper and signal: the posts that count, their sums, and how many are left out."""
    votes = _votes(counted, about, counting).subquery()
    counts = (votes.c.place == 1) & votes.c.measured_at.is_not(None) & ~votes.c.unwanted

    def of_counting(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.coalesce(func.sum(case((counts, column), else_=0)), 0)

    newest = func.max(case((counts, votes.c.measured_at)))
    sums = select(
        votes.c.paper_id,
        votes.c.signal,
        of_counting(literal(1)).label("posts"),
        of_counting(votes.c.retweets).label("retweets"),
        of_counting(votes.c.favorites).label("favorites"),
        of_counting(votes.c.growth).label("growth"),
        func.coalesce(newest, func.max(votes.c.seen_at)).label("measured_at"),
        func.count().label("posts_in_all"),
    )
    # Said out here: SQLite would begin with the index of all that is not listed.
    found = sums.where(votes.c.listed_on.is_(None))
    return found.group_by(votes.c.paper_id, votes.c.signal)


def _votes(counted: _Counted, about: ColumnElement[bool], counting: Counting) -> Select[Any]:
    """The posts that were read, each with its place among those that share its vote.

    Its shape matters from some 10,000 posts: only sums leave the database.
    """
    known = sorted(honesty.known_accounts(counting.known_bots))
    is_bot = (func.coalesce(accounts.c.label, "") != "") | posts.c.account.in_(known)
    voter = _voter(is_bot, counting)
    # The last two decide nothing but how much the growth is, where all counts are equal.
    best: list[ColumnElement[Any]] = [
        counted.measured_at.is_(None),
        (counted.retweets + counted.favorites).desc(),
        counted.favorites.desc(),
        counted.growth.desc(),
        counted.measured_at.desc(),
    ]
    partition = [post_papers.c.paper_id, posts.c.signal, voter]
    rows = (
        select(post_papers.c.paper_id, posts.c.signal, posts.c.seen_at, posts.c.listed_on)
        .add_columns(
            counted.retweets.label("retweets"),
            counted.favorites.label("favorites"),
            counted.growth.label("growth"),
            counted.measured_at.label("measured_at"),
            (is_bot if counting.bots == "leave out" else false()).label("unwanted"),
            func.row_number().over(partition_by=partition, order_by=best).label("place"),
        )
        .join(posts, posts.c.id == post_papers.c.post_id)
        .outerjoin(accounts, accounts.c.account == posts.c.account)
        .where(about)
    )
    if counted.as_of is not None:
        return rows.join(readings, counts(counted.as_of))
    was_read = or_(posts.c.measured_at.is_not(None), posts.c.flag != "")
    return rows.where(posts.c.state != LAPSED, was_read)


def _voter(is_bot: ColumnElement[bool], counting: Counting) -> ColumnElement[str]:
    """Whose one vote a post is: a bot's, that of who says the same again, or its own."""
    single = cast(posts.c.id, String)
    says_something = (posts.c.account != "") & (posts.c.fingerprint != "")
    same = case((says_something, posts.c.account + ":" + posts.c.fingerprint), else_=single)
    return case((is_bot, posts.c.account if counting.bots == "once" else single), else_=same)


def _row(sums: Mapping[Any, Any]) -> dict[str, Any]:
    """The columns of a tally; sums are numbers of the same kind on every database."""
    row = dict(sums)
    row["left_out"] = row.pop("posts_in_all") - row["posts"]
    row |= {name: int(row[name]) for name in ("posts", "retweets", "favorites")}
    # Each growth is so many thousandths: rounded, the order of adding them does not matter.
    row["growth"] = round(float(row["growth"]), 3)
    row["flag"] = honesty.impossible(row["posts"], row["retweets"], row["favorites"])
    return row


def together(own: Tally | None, total: Tally) -> Tally:
    """A signal's tally, and with it the total an archive printed of the same signal."""
    if own is None:
        return total
    if total.flag:
        return own._replace(left_out=own.left_out + 1)
    moments = [one.measured_at for one in (own, total) if one.measured_at]
    return own._replace(
        posts=own.posts + 1,
        retweets=own.retweets + total.retweets,
        favorites=own.favorites + total.favorites,
        measured_at=max(moments),
    )


def _listed(since: date, until: date) -> Select[int]:
    """The ids of the papers listed by an archive in the window."""
    return (
        select(post_papers.c.paper_id)
        .join(posts, posts.c.id == post_papers.c.post_id)
        .where(posts.c.listed_on.between(since, until))
    )


def _totals(since: date, until: date, paper_ids: Sequence[int]) -> Select[Any]:
    """Of the totals printed for these papers in the window the last of each paper and signal."""
    last_first = func.row_number().over(
        partition_by=[post_papers.c.paper_id, posts.c.signal],
        order_by=[posts.c.listed_on.desc(), posts.c.external_id.desc()],
    )
    printed = (
        select(post_papers.c.paper_id, posts, last_first.label("place"))
        .join(posts, posts.c.id == post_papers.c.post_id)
        .where(post_papers.c.paper_id.in_(paper_ids))
        .where(posts.c.listed_on.between(since, until), posts.c.measured_at.is_not(None))
        .subquery()
    )
    return select(printed).where(printed.c.place == 1)
