"""Posts and their readings: who posted about which paper, and how it was counted when.

What is known of a post after a look is put together in `known`, whether it is there still in
`presence`; the sums over a paper's posts that rankings read are kept in `tallies`, in the same
transaction.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection, RowMapping, Select, exists, select

from trendbot import honesty
from trendbot.model import Post, Reading
from trendbot.settings import Counting
from trendbot.store import accounts, known, tallies
from trendbot.store.engine import insert_into
from trendbot.store.known import Known
from trendbot.store.papers import ids_of, parts
from trendbot.store.presence import confirm, forget, lapse, lapsed, stored, take_turns
from trendbot.store.schema import accounts as labels
from trendbot.store.schema import papers, post_papers, posts, readings
from trendbot.store.tallies import (
    AS_USUAL,
    announced,
    candidates,
    newest_reading,
    scores_as_of,
    signals,
)
from trendbot.store.watch import worth_a_look

__all__ = [
    "announced",
    "candidates",
    "confirm",
    "forget",
    "lapse",
    "lapsed",
    "newest_reading",
    "of_paper",
    "scores_as_of",
    "signals",
    "stored",
    "upsert",
    "worth_a_look",
]

PostKey = tuple[str, str]  # signal, id


def upsert(conn: Connection, found: Sequence[Post], counting: Counting = AS_USUAL) -> int:
    """Store the posts that link to a known paper, with their readings; returns how many.

    Author, address and text are those of the latest look. A link, once stored, stays, and
    of two readings of one moment the lower does: the order in which looks come in and their
    repetition change nothing. Each reading is kept; the counts of a post are those of the
    latest that is believed. Accounts and tallies follow.
    """
    ids = ids_of(conn, {key for post in found for key in post.papers})
    linking = [post for post in found if any(key in ids for key in post.papers)]
    if not linking:
        return 0
    take_turns(conn)
    before = _stored(conn, linking)
    about = {*ids.values(), *(paper for one in before.values() for paper in one.papers)}
    titles = _titles(conn, about)
    after = {
        key: known.put_together(before.get(key), list(looks), ids, titles)
        for key, looks in groupby(sorted(linking, key=_key), _key)
    }
    changed = {key: one for key, one in after.items() if one != before.get(key)}
    if changed:
        post_ids = _store(conn, changed)
        _link(conn, changed, post_ids)
        _read(conn, changed, post_ids)
        _follow(conn, changed, before, counting)
    return len(after)


def of_paper(
    conn: Connection, paper_id: int, as_of: datetime | None, counting: Counting = AS_USUAL
) -> list[Post]:
    """All posts about a paper, each with its latest believed reading not later than `as_of`.

    `flag` is that of the newest reading not later than `as_of`; a post without a believed
    one has no reading. `label` is what is known now, of its own posts or from the settings.
    """
    bots = honesty.known_accounts(counting.known_bots)
    mine = select(post_papers.c.post_id).where(post_papers.c.paper_id == paper_id)
    keys = _keys(conn, mine)
    flags = {row.post_id: row.flag for row in conn.execute(_newest_flags(mine, as_of))}
    rows = conn.execute(
        select(posts, labels.c.label, readings.c.taken_at)
        .add_columns(*(readings.c[name].label(f"read_{name}") for name in _COUNTS))
        .outerjoin_from(posts, readings, tallies.counts(as_of))
        .outerjoin(labels, labels.c.account == posts.c.account)
        .where(posts.c.id.in_(mine))
        .order_by(posts.c.signal, posts.c.posted_at, posts.c.external_id)
    )
    return [
        Post(
            signal=row.signal,
            id=row.external_id,
            papers=tuple(keys[row.id]),
            author=row.author,
            url=row.url,
            posted_at=row.posted_at,
            text=row.text,
            reading=row.taken_at
            and Reading(row.taken_at, row.read_retweets, row.read_favorites, row.read_replies),
            listed_on=row.listed_on,
            automated=row.automated,
            shared=row.shared,
            flag=row.flag if row.listed_on else flags.get(row.id, ""),
            seen_at=row.seen_at,
            label=row.label or (honesty.KNOWN if row.account in bots else ""),
            lapsed=row.state == known.LAPSED,
        )
        for row in rows
    ]


def _key(post: Post) -> PostKey:
    return post.signal, post.id


def _stored(conn: Connection, found: Iterable[Post]) -> dict[PostKey, Known]:
    """What is known already of posts that were found."""
    rows = _rows(conn, {_key(post) for post in found})
    ids = [row["id"] for row in rows]
    links, read = _links(conn, ids), _readings(conn, ids)
    return {
        (row["signal"], row["external_id"]): known.stored(
            row, links.get(row["id"], []), read.get(row["id"], [])
        )
        for row in rows
    }


def _rows(conn: Connection, keys: Collection[PostKey]) -> list[RowMapping]:
    found: list[RowMapping] = []
    for signal, of_signal in groupby(sorted(keys), key=lambda key: key[0]):
        for part in parts([one for _, one in of_signal]):
            mine = (posts.c.signal == signal) & posts.c.external_id.in_(part)
            found += conn.execute(select(posts).where(mine)).mappings()
    return found


def _links(conn: Connection, ids: Sequence[int]) -> dict[int, list[int]]:
    links: dict[int, list[int]] = {}
    for part in parts(ids):
        for row in conn.execute(select(post_papers).where(post_papers.c.post_id.in_(part))):
            links.setdefault(row.post_id, []).append(row.paper_id)
    return links


def _readings(conn: Connection, ids: Sequence[int]) -> dict[int, list[tuple[Reading, str]]]:
    found: dict[int, list[tuple[Reading, str]]] = {}
    for part in parts(ids):
        for row in conn.execute(select(readings).where(readings.c.post_id.in_(part))):
            reading = Reading(row.taken_at, row.retweets, row.favorites, row.replies)
            found.setdefault(row.post_id, []).append((reading, row.flag))
    return found


def _titles(conn: Connection, paper_ids: Collection[int]) -> dict[int, str]:
    titles: dict[int, str] = {}
    for part in parts(sorted(paper_ids)):
        rows = conn.execute(select(papers.c.id, papers.c.title).where(papers.c.id.in_(part)))
        titles |= {row.id: row.title for row in rows}
    return titles


def _store(conn: Connection, changed: Mapping[PostKey, Known]) -> dict[PostKey, int]:
    statement = insert_into(conn, posts)
    rows = [one.row() for one in changed.values()]
    new = {name: statement.excluded[name] for name in rows[0] if name not in _KEY}
    stored = conn.execute(
        statement.on_conflict_do_update(index_elements=_KEY, set_=new).returning(
            posts.c.signal, posts.c.external_id, posts.c.id
        ),
        rows,
    )
    return {(row.signal, row.external_id): row.id for row in stored.all()}


def _link(conn: Connection, changed: Mapping[PostKey, Known], ids: Mapping[PostKey, int]) -> None:
    links = {(paper_id, ids[key]) for key, one in changed.items() for paper_id in one.papers}
    conn.execute(
        insert_into(conn, post_papers).on_conflict_do_nothing(),
        [{"paper_id": paper_id, "post_id": post_id} for paper_id, post_id in sorted(links)],
    )


def _read(conn: Connection, changed: Mapping[PostKey, Known], ids: Mapping[PostKey, int]) -> None:
    """Store the readings that are new, or whose flag is."""
    rows = [
        {
            "post_id": ids[key],
            "taken_at": reading.taken_at,
            "retweets": reading.retweets,
            "favorites": reading.favorites,
            "replies": reading.replies,
            "flag": flag,
        }
        for key, one in changed.items()
        for reading, flag in one.unwritten()
    ]
    if rows:
        statement = insert_into(conn, readings)
        new = {name: statement.excluded[name] for name in (*_COUNTS, "flag")}
        conn.execute(
            statement.on_conflict_do_update(index_elements=["post_id", "taken_at"], set_=new), rows
        )


def _follow(
    conn: Connection,
    changed: Mapping[PostKey, Known],
    before: Mapping[PostKey, Known],
    counting: Counting,
) -> None:
    """Bring accounts and tallies up to what is known now."""
    touched = {
        version.voice.account
        for key, one in changed.items()
        if (old := before.get(key)) is None
        or (old.voice, old.look.automated) != (one.voice, one.look.automated)
        for version in (old, one)
        if version is not None
    }
    about = {paper for one in changed.values() for paper in one.papers}
    tallies.refresh(conn, about | accounts.refresh(conn, touched), counting)


def _keys(conn: Connection, mine: Select[int]) -> dict[int, list[str]]:
    """The keys of all papers that posts link to, by the posts' ids."""
    keys: dict[int, list[str]] = {}
    for row in conn.execute(
        select(post_papers.c.post_id, papers.c.source, papers.c.external_id)
        .join(papers, papers.c.id == post_papers.c.paper_id)
        .where(post_papers.c.post_id.in_(mine))
        .order_by(papers.c.id)
    ):
        keys.setdefault(row.post_id, []).append(f"{row.source}:{row.external_id}")
    return keys


def _newest_flags(mine: Select[int], as_of: datetime | None) -> Select[int, str]:
    """The flag of each post's newest reading not later than `as_of`, where it has one."""
    later = readings.alias()
    newer = (later.c.post_id == readings.c.post_id) & (later.c.taken_at > readings.c.taken_at)
    flagged = readings.c.post_id.in_(mine) & (readings.c.flag != "")
    if as_of is not None:
        newer &= later.c.taken_at <= as_of
        flagged &= readings.c.taken_at <= as_of
    return select(readings.c.post_id, readings.c.flag).where(flagged, ~exists().where(newer))


_KEY = ("signal", "external_id")
_COUNTS = ("retweets", "favorites", "replies")
