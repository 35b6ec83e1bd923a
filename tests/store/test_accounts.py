"""What posts tell about their accounts."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, Engine, select

from trendbot import honesty
from trendbot.model import Gone, Paper, Post, Reading
from trendbot.store import papers, posts
from trendbot.store.schema import accounts

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OWLS = Paper("arxiv", "1", "Owls", (), ("cs.LG",), date(2026, 11, 20))


def post(name: int, author: str, text: str, signal: str = "x", automated: bool = False) -> Post:
    reading = Reading(NOON, 0, 1)
    return Post(
        signal, str(name), (OWLS.key,), author, "", NOON, text, reading, automated=automated
    )


def known(conn: Connection) -> dict[str, tuple[int, int, str]]:
    rows = conn.execute(select(accounts))
    return {row.account: (row.posts, row.titled, row.label) for row in rows}


def test_accounts_are_counted_and_labelled_by_all_their_posts(engine: Engine) -> None:
    ada, bo, hers = (honesty.account(*one) for one in (("x", "ada"), ("x", "bo"), ("hn", "ada")))
    with engine.begin() as conn:
        papers.upsert(conn, [OWLS], NOON)
        posts.upsert(conn, [post(n, "ada", "Owls") for n in range(9)])
        posts.upsert(conn, [post(20, "bo", "Hm", automated=True), post(21, "", "Owls")])
        posts.upsert(conn, [post(22, "ada", "Owls", signal="hn")])
        assert known(conn) == {ada: (9, 9, ""), bo: (1, 0, "automated"), hers: (1, 1, "")}
        posts.upsert(conn, [post(9, "ada", "I made this")])
        assert known(conn)[ada] == (10, 9, "titles")
        posts.forget(conn, [Gone("x", "0"), Gone("x", "20")])
        assert known(conn) == {ada: (9, 8, ""), hers: (1, 1, "")}


def test_nobodys_name_is_kept(engine: Engine) -> None:
    with engine.begin() as conn:
        papers.upsert(conn, [OWLS], NOON)
        posts.upsert(conn, [post(1, "ada", "Owls")])
        before = known(conn)
        posts.lapse(conn, NOON + timedelta(days=2))
        assert known(conn) == before
        posts.upsert(conn, [post(2, "ada", "Owls at last")])
        assert known(conn) == {honesty.account("x", "ada"): (2, 1, "")}
