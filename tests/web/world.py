"""A site with something on every page: papers, posts about them, how they were counted, digests."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from trendbot.honesty import impossible_total
from trendbot.model import Cadence, Paper, Post, RankedPaper, Reading, Tally
from trendbot.store import digests, papers, posts

FRIDAY = date(2026, 11, 20)
MADE = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
# Daily ones with one before and one after, and of each cadence, of two years.
DIGESTS = (
    *((Cadence.DAILY, FRIDAY - timedelta(days=days)) for days in range(3)),
    (Cadence.WEEKLY, FRIDAY),
    (Cadence.MONTHLY, date(2026, 10, 31)),
    (Cadence.MONTHLY, date(2025, 10, 31)),
)
SIGNALS = ("x", "huggingface")
READINGS = 4
_CATEGORIES = (("cs.LG", "stat.ML"), ("cs.CL",), ("math.CO", "cs.DM", "math.PR"), ("quant-ph",))
_TITLES = (
    "Owls That Learn: $\\mathcal{O}(n \\log n)$ Hooting at Scale",
    "Counting Moths & Lamps in Linear Time",
    'Étale Nests and the \\emph{Gr\\"obner} Basis of Burrows',
    "Are Two Heads Enough? An Answer in $\\mathbb{R}^{d}$ for all $d \\ge 2$",
)


def a_paper(number: int) -> Paper:
    """The `number`-th invented paper."""
    authors = tuple(
        f"{first} Moreno-{number}" for first in ("Ada", "Béla", "Chloé", "Dmitri", "Eun")
    )
    return Paper(
        "arxiv",
        f"2611.{number:05}",
        _TITLES[number % len(_TITLES)] + f" ({number})",
        authors[: 1 + number % len(authors)],
        _CATEGORIES[number % len(_CATEGORIES)],
        FRIDAY,
        " ".join(f"We show that owl {one} hoots $2^{{{one}}}$ times." for one in range(40)),
        "12 pages, 3 figures; see https://owls.example/code",
        {
            "abs": f"https://arxiv.org/abs/2611.{number:05}",
            "pdf": f"https://arxiv.org/pdf/2611.{number:05}",
        },
    )


def posts_about(paper: Paper, text: str, author: str, url: str) -> list[Post]:
    """A post of each signal about a paper, counted several times."""
    return [
        Post(
            signal,
            f"{paper.id}-{signal}",
            (paper.key,),
            author,
            url,
            MADE - timedelta(days=1),
            text,
            Reading(MADE - timedelta(hours=6 * ago), 400 // (ago + 1), 90 // (ago + 1), ago),
        )
        for signal in SIGNALS
        for ago in range(READINGS)
    ]


def fill(engine: Engine, shown: Sequence[Paper], about: Sequence[Post]) -> None:
    """Store papers and posts, and digests of all the papers."""
    signals = {signal: Tally(1, 400, 90) for signal in SIGNALS}
    with engine.begin() as conn:
        papers.upsert(conn, shown, MADE)
        posts.upsert(conn, about)
        ids = papers.ids_of(conn, [paper.key for paper in shown])
        ranked = [
            (ids[paper.key], RankedPaper(rank, paper, 980, 800, 180, signals))
            for rank, paper in enumerate(shown, 1)
        ]
        for cadence, day in DIGESTS:
            window = (day - timedelta(days=6), day)
            assert digests.freeze(conn, cadence, day, *window, MADE, MADE, ranked)


DOUBTED = replace(
    a_paper(99),
    title="Lanterns, Counted Twice",
    authors=("Ines Vela",),
    abstract="Of lanterns that were counted twice.",
    categories=("cs.IR",),
    announced=FRIDAY - timedelta(days=1),
)


def a_doubted_paper(engine: Engine) -> None:
    """Store a paper no digest had, and posts of all kinds that one has to be careful with.

    On X a bot, a post about other papers too, one not seen lately, one whose counts jumped
    and one with retweets and no favorites; a total of an archive that cannot be true.
    """

    def post(name: str, *counts: int, ago: timedelta = timedelta(), **more: Any) -> Post:
        at = MADE - ago
        said = {"text": f"On lanterns, says {name}.", "url": f"https://x.com/{name}/status/1"}
        fields = {"papers": (DOUBTED.key,), "posted_at": MADE - timedelta(days=3), **said, **more}
        return Post("x", name, author=name, reading=Reading(at, *counts), **fields)

    both = (DOUBTED.key, a_paper(21).key, a_paper(22).key)
    long_ago = timedelta(days=2)
    total = Post("hotpapers", "99", (DOUBTED.key,), "daily-arxiv", "", MADE, listed_on=FRIDAY)
    found = [
        post("lantern_bot", 30, 60, automated=True),
        post("both_sides", 10, 40, papers=both),
        post("unseen", 1, 5, ago=long_ago),
        post("jumper", 2, 9, ago=long_ago),
        post("jumper", 40_000, 90_000),
        post("echo", 900, 0),
        replace(total, reading=Reading(MADE, 930, 20), flag=impossible_total(930, 20)),
    ]
    with engine.begin() as conn:
        papers.upsert(conn, [DOUBTED], MADE)
        posts.upsert(conn, found)


def fill_with_owls(engine: Engine, number: int = 22) -> None:
    """Store so many papers, with posts, in digests, and one of which much is doubtful."""
    shown = [a_paper(one) for one in range(1, number + 1)]
    about = [
        post
        for paper in shown
        for post in posts_about(
            paper,
            f"Look at this: {paper.links['abs']} — what an owl!\n\nThread below.",
            "@ada_quill",
            f"https://x.com/ada_quill/status/{paper.id[-5:]}",
        )
    ]
    fill(engine, shown, about)
    a_doubted_paper(engine)
