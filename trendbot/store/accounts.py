"""Accounts: what their posts tell about them. Authors are told apart by a hash alone."""

from collections.abc import Collection

from sqlalchemy import Connection, case, delete, func, select

from trendbot.honesty import label
from trendbot.store.engine import insert_into
from trendbot.store.papers import parts
from trendbot.store.schema import accounts, post_papers, posts


def refresh(conn: Connection, touched: Collection[str]) -> set[int]:
    """Count the posts of accounts anew, after some of them changed, and label the accounts.

    Returns the ids of all papers that those posted about whose label changed: which of
    their posts count is another matter now.
    """
    found = sorted(set(touched) - {""})
    labels = _labels(conn, found)
    flipped = []
    for part in parts(found):
        counted = conn.execute(_COUNTED.where(posts.c.account.in_(part))).mappings().all()
        rows = [
            {**row, "label": label(row["posts"], row["titled"], row.pop("automated") > 0)}
            for row in map(dict, counted)
        ]
        now = {row["account"]: row["label"] for row in rows}
        flipped += [one for one in part if now.get(one, "") != labels.get(one, "")]
        conn.execute(delete(accounts).where(accounts.c.account.in_(set(part) - set(now))))
        if rows:
            statement = insert_into(conn, accounts)
            new = {name: statement.excluded[name] for name in ("posts", "titled", "label")}
            conn.execute(
                statement.on_conflict_do_update(index_elements=["account"], set_=new), rows
            )
    return _papers(conn, flipped)


_COUNTED = select(
    posts.c.account,
    func.count().label("posts"),
    func.sum(case((posts.c.titled, 1), else_=0)).label("titled"),
    func.sum(case((posts.c.automated, 1), else_=0)).label("automated"),
).group_by(posts.c.account)


def _labels(conn: Connection, found: Collection[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for part in parts(list(found)):
        rows = select(accounts.c.account, accounts.c.label).where(accounts.c.account.in_(part))
        labels |= {row.account: row.label for row in conn.execute(rows)}
    return labels


def _papers(conn: Connection, flipped: Collection[str]) -> set[int]:
    about = select(post_papers.c.paper_id).join(posts, posts.c.id == post_papers.c.post_id)
    return {
        paper_id
        for part in parts(list(flipped))
        for paper_id in conn.scalars(about.where(posts.c.account.in_(part)).distinct())
    }
