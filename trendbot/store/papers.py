"""Papers: what the sources announced, refreshed as more becomes known, never blanked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import groupby
from typing import TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Text,
    case,
    cast,
    delete,
    func,
    insert,
    select,
)

from trendbot.model import Paper
from trendbot.store import search_index
from trendbot.store.engine import insert_into
from trendbot.store.schema import paper_categories, papers

# Well under the variables one statement may have, on SQLite 32,766.
AT_ONCE = 1000

Item = TypeVar("Item")


def upsert(conn: Connection, found: Sequence[Paper], now: datetime) -> int:
    """Store the papers; returns how many were new.

    Of a known paper, whatever the new one says replaces what was known, and what it leaves
    empty stays. `announced` stays the earliest date.
    """
    merged = _merged(found)
    if not merged:
        return 0
    known = ids_of(conn, merged)
    before = _locked(conn, known)
    statement = insert_into(conn, papers)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["source", "external_id"],
        set_={
            **{
                name: _unless(new[name], papers.c[name], "")
                for name in ("title", "abstract", "comments")
            },
            "authors": _unless(new.authors, papers.c.authors, "[]"),
            "links": _unless(new.links, papers.c.links, "{}"),
            "announced": case(
                (new.announced < papers.c.announced, new.announced), else_=papers.c.announced
            ),
        },
    )
    # In the order of their keys, so that two processes that store the same papers lock
    # the rows in the same order.
    conn.execute(statement, [_row(merged[key], now) for key in sorted(merged)])
    _set_categories(conn, merged)
    after = by_id(conn, ids_of(conn, merged).values())
    changed = {one: paper for one, paper in after.items() if before.get(one) != paper}
    search_index.index(conn, changed)
    return len(merged) - len(known)


def announced(conn: Connection, since: date, until: date) -> list[Paper]:
    """The papers announced from `since` to `until`, both included, the earliest first."""
    return list(_load(conn, papers.c.announced.between(since, until)).values())


def days(conn: Connection, source: str, since: date, until: date) -> set[date]:
    """The days from `since` to `until`, both included, on which `source` announced a paper."""
    announced = select(papers.c.announced).where(
        papers.c.source == source, papers.c.announced.between(since, until)
    )
    return set(conn.scalars(announced.distinct()))


def by_id(conn: Connection, ids: Iterable[int]) -> dict[int, Paper]:
    """The papers with these ids; unknown ids are left out."""
    found: dict[int, Paper] = {}
    for part in parts(list(ids)):
        found |= _load(conn, papers.c.id.in_(part))
    return found


def newest(conn: Connection, source: str) -> date | None:
    """The last day on which the source announced a paper, as far as known."""
    found: date | None = conn.scalar(
        select(func.max(papers.c.announced)).where(papers.c.source == source)
    )
    return found


def ids_of(conn: Connection, keys: Iterable[str]) -> dict[str, int]:
    """The ids of the papers with these keys (`source:id`); unknown keys are left out."""
    split = sorted({tuple(key.split(":", 1)) for key in keys if ":" in key})
    found: dict[str, int] = {}
    for source, of_source in groupby(split, key=lambda pair: pair[0]):
        for part in parts([pair[1] for pair in of_source]):
            rows = conn.execute(
                select(papers.c.external_id, papers.c.id).where(
                    papers.c.source == source, papers.c.external_id.in_(part)
                )
            )
            found |= {f"{source}:{row.external_id}": row.id for row in rows}
    return found


def parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Cut `items` into as many as one statement can name."""
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]


def _merged(found: Sequence[Paper]) -> dict[str, Paper]:
    """By key; of a paper that comes twice, what `upsert` would make of one after the other."""
    merged: dict[str, Paper] = {}
    for paper in found:
        before = merged.get(paper.key, paper)
        merged[paper.key] = replace(
            paper,
            title=paper.title or before.title,
            authors=paper.authors or before.authors,
            categories=paper.categories or before.categories,
            announced=min(paper.announced, before.announced),
            abstract=paper.abstract or before.abstract,
            comments=paper.comments or before.comments,
            links=paper.links or before.links,
        )
    return merged


def _locked(conn: Connection, known: Mapping[str, int]) -> dict[int, Paper]:
    """The known papers as they are until this transaction changes them."""
    for part in parts(sorted(known.values())):
        rows = select(papers.c.id).where(papers.c.id.in_(part)).order_by(papers.c.id)
        conn.execute(rows.with_for_update())
    return by_id(conn, known.values())


def _unless(new: ColumnElement[str], old: Column[str], empty: str) -> ColumnElement[str]:
    # PostgreSQL compares no JSON, but the text of it.
    return case((cast(new, Text) != empty, new), else_=old)


def _row(paper: Paper, now: datetime) -> dict[str, object]:
    return {
        "source": paper.source,
        "external_id": paper.id,
        "title": paper.title,
        "authors": list(paper.authors),
        "abstract": paper.abstract,
        "comments": paper.comments,
        "links": dict(paper.links),
        "announced": paper.announced,
        "added_at": now,
    }


def _set_categories(conn: Connection, merged: dict[str, Paper]) -> None:
    ids = ids_of(conn, [key for key, paper in merged.items() if paper.categories])
    for part in parts(list(ids.values())):
        conn.execute(delete(paper_categories).where(paper_categories.c.paper_id.in_(part)))
    rows = [
        {"paper_id": paper_id, "position": position, "category": category}
        for key, paper_id in ids.items()
        for position, category in enumerate(merged[key].categories)
    ]
    if rows:
        conn.execute(insert(paper_categories), rows)


def _load(conn: Connection, condition: ColumnElement[bool]) -> dict[int, Paper]:
    categories: dict[int, list[str]] = {}
    for paper_id, category in conn.execute(
        select(paper_categories.c.paper_id, paper_categories.c.category)
        .join(papers, papers.c.id == paper_categories.c.paper_id)
        .where(condition)
        .order_by(paper_categories.c.paper_id, paper_categories.c.position)
    ):
        categories.setdefault(paper_id, []).append(category)
    rows = conn.execute(select(papers).where(condition).order_by(papers.c.announced, papers.c.id))
    return {row.id: _paper(row, categories.get(row.id, [])) for row in rows}


def _paper(row: Row[*tuple[object, ...]], categories: Sequence[str]) -> Paper:
    return Paper(
        source=row.source,
        id=row.external_id,
        title=row.title,
        authors=tuple(row.authors),
        categories=tuple(categories),
        announced=row.announced,
        abstract=row.abstract,
        comments=row.comments,
        links=row.links,
    )
