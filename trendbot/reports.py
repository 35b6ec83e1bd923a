"""What the command line shows: the same facts as JSON documents and as tables.

Text from outside is cleaned of control characters before it reaches a terminal.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from trendbot import pagewords, spending, status
from trendbot.archive_check import CheckedDay
from trendbot.collect import Imported
from trendbot.contest import Ranked
from trendbot.model import By, Cadence, DeliveryState, Digest, Post, RankedPaper, Subscriber, Tally
from trendbot.settings import Counting
from trendbot.store import books, papers, posts, runs
from trendbot.store.books import Books
from trendbot.store.health import Standing
from trendbot.tex import readable
from trendbot.text import clean
from trendbot.wording import counts, many

STATES = ("sent", "pending", "deferred", "failed", "uncertain", "suppressed", "expired")


def number(value: float) -> float:
    """Whole scores without a decimal point."""
    return int(value) if value == int(value) else value


def paper_document(entry: RankedPaper, since: date) -> dict[str, Any]:
    """One ranked paper as JSON; announced before `since`, it is a late riser."""
    return {
        "rank": entry.rank,
        "id": entry.paper.id,
        "title": entry.paper.title,
        "authors": list(entry.paper.authors),
        "categories": list(entry.paper.categories),
        "score": number(entry.score),
        "merit": number(entry.merit),
        "movement": entry.movement,
        "late_riser": entry.paper.announced < since,
        "retweets": entry.retweets,
        "favorites": entry.favorites,
        "signals": {name: tally_document(tally) for name, tally in sorted(entry.signals.items())},
        "links": dict(entry.paper.links),
    }


def tally_document(tally: Tally) -> dict[str, Any]:
    """What one signal counted as JSON, and when; with a flag none of it is in any sum."""
    return {
        "posts": tally.posts,
        "retweets": tally.retweets,
        "favorites": tally.favorites,
        "growth": number(tally.growth),
        "measured_at": tally.measured_at and tally.measured_at.isoformat(),
        "left_out": tally.left_out,
        "flag": tally.flag,
    }


def ranking_document(ranked: Ranked, entries: Sequence[RankedPaper]) -> dict[str, Any]:
    """A computed ranking as JSON."""
    return {
        "date": ranked.date.isoformat(),
        "cadence": ranked.cadence,
        "window": {"since": ranked.since.isoformat(), "until": ranked.until.isoformat()},
        "by": ranked.by,
        "papers": [paper_document(entry, ranked.since) for entry in entries],
    }


def digest_document(
    conn: Connection, digest: Digest, now: datetime, counting: Counting
) -> dict[str, Any]:
    """A frozen digest as JSON, each paper with the posts and readings its numbers come from."""
    ids = papers.ids_of(conn, [entry.paper.key for entry in digest.papers])
    return {
        "date": digest.date.isoformat(),
        "cadence": digest.cadence,
        "window": {"since": digest.since.isoformat(), "until": digest.until.isoformat()},
        "by": digest.by,
        "counted_at": digest.counted_at.isoformat(),
        "heard": digest.heard and dict(digest.heard),
        "papers": [
            paper_document(entry, digest.since)
            | {
                "posts": [
                    post_document(post, now)
                    for post in posts.of_paper(
                        conn, ids[entry.paper.key], digest.counted_at, counting
                    )
                ]
            }
            for entry in digest.papers
        ],
    }


def post_document(post: Post, now: datetime) -> dict[str, Any]:
    """A post as JSON, with the reading that counted, or null where there is none to believe.

    Author and address are told only while it was seen within the last day.
    """
    is_told = post.listed_on is not None or pagewords.seen_lately(post, now)
    return {
        "signal": post.signal,
        "id": post.id,
        "author": post.author if is_told else "",
        "url": post.url if is_told else "",
        "posted_at": post.posted_at.isoformat(),
        "seen_at": post.seen_at and post.seen_at.isoformat(),
        "label": post.label,
        "papers": list(post.papers),
        "shared": post.shared,
        "flag": post.flag,
        "lapsed": post.lapsed,
        "reading": post.reading
        and {
            "taken_at": post.reading.taken_at.isoformat(),
            "retweets": post.reading.retweets,
            "favorites": post.reading.favorites,
            "replies": post.reading.replies,
        },
    }


def subscriber_document(subscriber: Subscriber) -> dict[str, Any]:
    """A subscriber as JSON."""
    return {
        "email": subscriber.email,
        "status": subscriber.status,
        "cadence": subscriber.cadence,
        "topics": list(subscriber.topics),
        "fewer": list(subscriber.fewer),
        "hour": subscriber.hour,
        "timezone": subscriber.timezone,
        "paused_until": subscriber.paused_until and subscriber.paused_until.isoformat(),
        "created_at": subscriber.created_at.isoformat(),
        "confirmed_at": subscriber.confirmed_at and subscriber.confirmed_at.isoformat(),
    }


def subscriber_line(subscriber: Subscriber) -> str:
    """A subscriber on one line."""
    fields = [
        subscriber.email,
        subscriber.status,
        subscriber.cadence,
        ",".join(subscriber.topics) or "all topics",
    ]
    if subscriber.fewer:
        fields.append(f"fewer of {','.join(subscriber.fewer)}")
    if subscriber.hour is not None:
        fields.append(f"from {subscriber.hour}:00 {subscriber.timezone}".rstrip())
    if subscriber.paused_until is not None:
        fields.append(f"paused until {subscriber.paused_until}")
    return "  ".join(fields)


def books_document(of: Books) -> dict[str, Any]:
    """One digest's books as JSON; what is being sent right now counts as pending."""
    counts = {state: of.counts.get(DeliveryState(state), 0) for state in STATES}
    counts["pending"] += of.counts.get(DeliveryState.SENDING, 0)
    return {
        "cadence": of.cadence,
        "date": of.date.isoformat(),
        "audience": of.audience,
        **counts,
        "balanced": of.balanced,
        "stopped": of.stopped,
        "resume_at": of.resume_at and of.resume_at.isoformat(),
    }


def status_document(conn: Connection, standing: Standing) -> dict[str, Any]:
    """How everything stands as JSON."""
    return {
        "digests": [books_document(of) for of in books.of_digests(conn)],
        "sources": status.asked_documents(conn, "source", standing),
        "signals": status.asked_documents(conn, "signal", standing),
        "last_digest_runs": [status.run_document(run) for run in runs.last_of_each(conn, "digest")],
    }


def archive_document(brought: Imported, days: Sequence[CheckedDay]) -> dict[str, Any]:
    """An import as JSON, with the days on which totals cannot be true."""
    return {
        "days": len(brought.days),
        "entries": brought.entries,
        "new_papers": brought.new_papers,
        "posts": brought.posts,
        "totals": sum(one.totals for one in days),
        "flagged": dict(Counter(post.flag for one in days for post in one.flagged)),
        "changed": [_changed_day(one) for one in days if one.flagged],
    }


def _changed_day(one: CheckedDay) -> dict[str, Any]:
    """`leaving` are the papers that do not rank as checked, `first_ten` how those move."""
    return {
        "date": one.day.isoformat(),
        "totals": one.totals,
        "flagged": len(one.flagged),
        "leaving": [
            {
                "id": place.paper.id,
                "title": place.paper.title,
                "rank": place.printed,
                "retweets": place.total.reading and place.total.reading.retweets,
                "favorites": place.total.reading and place.total.reading.favorites,
                "flag": place.total.flag,
            }
            for place in one.leaving
        ],
        "first_ten": [
            {"id": place.paper.id, "rank": place.printed, "checked": place.checked}
            for place in one.first
        ],
    }


def show_archive(console: Console, days: Sequence[CheckedDay]) -> None:
    """Print the days on which totals cannot be true, and which papers leave the ranking."""
    console.print("Of each day, where its first ten stand as checked (– nowhere), and who leaves:")
    for one in days:
        if not one.flagged:
            continue
        places = " ".join(str(place.checked or "–") for place in one.first)
        flagged = f"{len(one.flagged)} of {many(one.totals, 'total')} flagged"
        console.print(Text(f"{one.day}  {flagged}; {places}"))
        for place in one.leaving:
            read = place.total.reading
            counted = counts(read.retweets, read.favorites) if read else ""
            title = clean(readable(place.paper.title))
            said = f"{place.printed:>5}. {place.paper.id}  {counted}  {title}"
            console.print(Text(said), no_wrap=True, overflow="ellipsis")


# What an order is by, where that is not the score: the column's name, and how it is said.
_MERITS: Mapping[By, tuple[str, Callable[[float], str]]] = {
    By.RISING: ("growth a day", lambda merit: f"{merit:+,.0f}"),
    By.FIELD: ("of its field", lambda merit: f"top {1 - merit:.1%}"),
}


def show_ranking(
    console: Console,
    ranked: Ranked,
    entries: Sequence[RankedPaper],
    size: int,
    lapsed: int = 0,
) -> None:
    """Print a ranking; a line marks where the digest ends. `lapsed` posts do not count in it."""
    table = Table(
        title=_heading(ranked.cadence, ranked.since.isoformat(), ranked.until.isoformat())
    )
    merits = [_MERITS[ranked.by]] if ranked.by in _MERITS else []
    for name in ("#", *(name for name, _ in merits), "score", "retweets", "favorites"):
        table.add_column(name, justify="right", no_wrap=True)
    moved = len({entry.movement for entry in entries}) > 1  # else it would tell nothing
    if moved:
        table.add_column("moved", no_wrap=True)
    table.add_column("paper")
    table.add_column("id", no_wrap=True)
    for entry in entries:
        table.add_row(
            str(entry.rank),
            *(said(entry.merit) for _, said in merits),
            f"{entry.score:g}" if entry.score % 1 else f"{entry.score:,.0f}",
            f"{entry.retweets:,}",
            f"{entry.favorites:,}",
            *([entry.movement] if moved else []),
            Text(clean(readable(entry.paper.title))),
            entry.paper.id,
            end_section=entry.rank == size,
        )
    console.print(table)
    console.print(
        f"{ranked.announced} papers announced, {ranked.measured} posted about, "
        f"{len(entries)} reach the score."
    )
    if lapsed:
        console.print(
            f"Not seen for a day, and therefore not counted: {many(lapsed, 'post')}. "
            "`trendbot collect` looks for them."
        )


def show_status(console: Console, document: Mapping[str, Any]) -> None:
    """Print the status document as tables."""
    console.print(_books_table(document["digests"]))
    for kind in ("sources", "signals"):
        console.print(status.table(kind, document[kind]))
        for line in spending.lines(document[kind]):
            console.print(Text(line))
    for line in status.closed_lines([*document["sources"], *document["signals"]]):
        console.print(Text(line))
    console.print(_runs_table("last digest runs", document["last_digest_runs"]))
    for row in document["digests"]:
        if row["stopped"]:
            reason = f"{row['cadence']} {row['date']}: sending stopped: {row['stopped']}"
            console.print(Text(clean(reason)))
            again = datetime.fromisoformat(row["resume_at"])
            console.print(f"    Tried again at {again:%H:%M} UTC; `trendbot deliver` tries now.")


def _books_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="digests")
    told = [state for state in STATES if any(row[state] for row in rows)]
    columns = ("cadence", "date", "audience", *told, "balanced")
    for name in columns:
        table.add_column(
            name, justify="left" if name in ("cadence", "date", "balanced") else "right"
        )
    for row in rows:
        table.add_row(*(_yes_no(row[name]) for name in columns))
    return table


def _yes_no(value: object) -> str:
    return ("yes" if value else "NO") if isinstance(value, bool) else str(value)


def _runs_table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=title)
    for name in ("name", "outcome", "items", "days", "at", "message"):
        table.add_column(name, justify="right" if name == "items" else "left")
    for row in rows:
        at = datetime.fromisoformat(row["started_at"])
        table.add_row(
            row["name"],
            row["outcome"],
            str(row["items"]),
            row["since"] if row["since"] == row["until"] else f"{row['since']} … {row['until']}",
            f"{at:%Y-%m-%d %H:%M} UTC",
            Text(clean(row["message"])),
        )
    return table


def _heading(cadence: Cadence, since: str, until: str) -> str:
    return (
        f"{cadence} ranking, papers announced {since if since == until else f'{since} … {until}'}"
    )
