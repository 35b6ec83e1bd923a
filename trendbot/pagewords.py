"""What pages say of papers and posts: clean, within bounds, and safe where it is HTML; pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from html import escape
from urllib.parse import quote

import nh3
from markupsafe import Markup

from trendbot import categories, chart, honesty, search_words, text, wording
from trendbot.chart import Chart
from trendbot.links import papers_in
from trendbot.model import Cadence, Digest, Paper, Point, Post, RankedPaper, Tally
from trendbot.search_words import Words
from trendbot.wording import Entry

MOST_LINES = 12
LONGEST_QUOTE = 1_000
LONGEST_COMMENT = 500
LONGEST_SNIPPET = 320
SEEN_WITHIN = timedelta(days=1)

_ADDRESS = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_CLOSING = ".,;:!?)]}'*_~’”»"  # after an address, more likely of the sentence than of it
_ARXIV_CLASS = re.compile(r"\.[A-Z]{2}(?=/)")


@dataclass(frozen=True, slots=True)
class Room:
    """How much of a list is shown: so many in full, the others as one line each.

    `abstract` and `title` are the most characters of either.
    """

    in_full: int
    abstract: int
    title: int


# What the service is, as the front page says it: at a glance, and in one sentence.
PURPOSE = (
    "The papers people talk about, in your inbox.",
    "New papers are counted by what is posted about them; those with the most retweets and "
    "favorites come by mail, each day, week or month.",
)

# Tried in turn until the page is small enough; the last one is, whatever the papers are.
ROOMS = (
    Room(100, 600, wording.LONGEST_TITLE),
    Room(100, 350, wording.LONGEST_TITLE),
    Room(40, 350, wording.LONGEST_TITLE),
    Room(20, 350, wording.LONGEST_TITLE),
    Room(20, 220, 200),
    Room(10, 120, 120),
    Room(0, 0, 60),
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A category of a paper; one that arXiv does not have leads nowhere."""

    id: str
    name: str
    is_known: bool


@dataclass(frozen=True, slots=True)
class Teaser:
    """A paper in a list: its words, the path of its page, its categories, how it moved."""

    entry: Entry
    path: str
    topics: tuple[Topic, ...]
    moved: str


Pieces = list[tuple[str, bool]]  # of a text, each with whether it was searched for


@dataclass(frozen=True, slots=True)
class Result:
    """A paper that a search found, with what was searched for."""

    path: str
    title: Pieces
    authors: Pieces
    snippet: Pieces
    topics: tuple[Topic, ...]
    announced: date


@dataclass(frozen=True, slots=True)
class Course:
    """What one signal counts, and how that grew; `rows` are some of its moments, newest first.

    `untrue` says why none of it counts, `left_out` which posts do not; "" if there are none.
    """

    name: str
    chart: Chart | None
    posts: str
    counts: str
    counted_at: datetime | None
    untrue: str
    left_out: str
    rows: tuple[Point, ...]
    moments: int


@dataclass(frozen=True, slots=True)
class Quotation:
    """A post as it is quoted; `said` is safe HTML, "" where only its counts are known.

    `marks` are a few words each on its account and on what else it is about. `untrue` says
    why its newest counts are not believed.
    """

    said: Markup
    author: str
    signal: str
    url: str
    posted_at: datetime
    marks: tuple[str, ...]
    counts: str
    counted_at: datetime | None
    untrue: str


@dataclass(frozen=True, slots=True)
class Quoted:
    """The posts about a paper: those that lead, and what there is besides, each in words."""

    quotations: tuple[Quotation, ...]
    others: tuple[str, ...]


def teaser(ranked: RankedPaper, room: Room, moved: str, is_brief: bool = False) -> Teaser:
    """A paper of a list, with its title and the opening of its abstract as there is room."""
    paper = ranked.paper
    entry = wording.entry(ranked, room.title, 0 if is_brief else room.abstract)
    return Teaser(entry, paper_path(paper.key), topics(paper.categories), moved)


def paper_path(key: str) -> str:
    """The path of our page about a paper, by its key; arXiv's go without "arxiv:"."""
    return f"/papers/{quote(key.removeprefix('arxiv:'), safe='/:', errors='replace')}"


def paper_named(asked: str) -> str:
    """The one name under which a page of a paper is found: without version, or arXiv's old class.

    "2106.06561v2" is 2106.06561, "math.GT/0309136" math/0309136; others stay what they are.
    """
    bare = asked.removeprefix("arxiv:")
    key = papers_in(f"https://arxiv.org/abs/{bare}")
    return _ARXIV_CLASS.sub("", key.removeprefix("arxiv:")) if key else asked


def topics(given: Sequence[str]) -> tuple[Topic, ...]:
    """The categories of a paper, at most five, with their names."""
    return tuple(
        Topic(shown, categories.name_of(one), categories.is_topic(one))
        for one in given[: wording.MOST_CATEGORIES]
        if (shown := wording.outside(one)[:20])
    )


def result(paper: Paper, words: Words) -> Result:
    """A paper as search shows it: of its abstract the part that has the words."""
    title = text.cut(wording.outside(paper.title), wording.LONGEST_TITLE) or paper.key
    snippet = search_words.snippet(wording.outside(paper.abstract), words, LONGEST_SNIPPET)
    return Result(
        path=paper_path(paper.key),
        title=search_words.highlights(title, words),
        authors=search_words.highlights(wording.byline(paper.authors), words),
        snippet=search_words.highlights(snippet, words),
        topics=topics(paper.categories),
        announced=paper.announced,
    )


def summary(paper: Paper) -> str:
    """What a preview says of a paper: the opening of its abstract, else who wrote it."""
    opening = text.opening(wording.outside(paper.abstract), 200)
    return opening or wording.byline(paper.authors)


def leading(standing: Mapping[str, Tally]) -> dict[str, Tally]:
    """What each signal counts, the leading one first, and last what cannot be true."""
    return dict(sorted(standing.items(), key=lambda item: (*wording.weight(item[1]), item[0])))


def course(signal: str, tally: Tally, points: Sequence[Point], untrue: int = 0) -> Course:
    """What a page shows of a paper's counts on a signal; `untrue` posts cannot be believed."""
    return Course(
        name=wording.signal_name(signal),
        chart=chart.draw(signal, points),
        posts=wording.posts(signal, tally.posts),
        counts=wording.counts(tally.retweets, tally.favorites),
        counted_at=tally.measured_at,
        untrue=tally.flag and wording.why(tally.flag),
        left_out=_left_out(tally.left_out, untrue),
        rows=tuple(reversed(chart.thinned(points, chart.MOST_ROWS))),
        moments=len(points),
    )


def _left_out(posts: int, untrue: int) -> str:
    """For example "1 post with counts that cannot be true, 2 posts by bots or …"."""
    untrue = min(posts, untrue)
    reasons = (
        (untrue, "with counts that cannot be true"),
        (posts - untrue, "by bots or accounts that repeat themselves"),
    )
    return ", ".join(
        f"{wording.many(number, 'post')} {reason}" for number, reason in reasons if number
    )


def dated(cadence: Cadence, day: date) -> str:
    """A digest by its date alone: "20 November 2026", "Week to 20 November 2026", a month."""
    if cadence is Cadence.MONTHLY:
        return f"{day:%B %Y}"
    return f"{'Week to ' if cadence is Cadence.WEEKLY else ''}{wording.spelled(day)}"


def led(digest: Digest) -> str:
    """What a preview says of a digest: the papers that lead."""
    titles = (text.cut(wording.outside(one.paper.title), 90) for one in digest.papers[:3])
    return text.cut(" · ".join(titles), 280) or "No paper was ranked."


def seen_lately(post: Post, now: datetime) -> bool:
    """Whether a look found the post within the last day: only then is it shown who says what."""
    return post.seen_at is not None and now - post.seen_at <= SEEN_WITHIN


def quoted(posts: Sequence[Post], now: datetime, most: int) -> Quoted:
    """The posts seen lately that lead, best and then newest first; the others in numbers.

    Totals that archives printed are no posts; those whose counts are not known come last.
    """
    real = [post for post in posts if post.listed_on is None]
    seen = sorted((post for post in real if seen_lately(post, now)), key=_precedence)
    unseen = [post for post in real if not seen_lately(post, now)]
    unread = sum(1 for post in unseen if not post.reading)
    lapsed = sum(1 for post in unseen if post.reading and post.lapsed)
    others = (
        (len(seen[most:]), "more {}"),
        (len(unseen) - unread - lapsed, "{} not looked at any more, counted as last measured"),
        (lapsed, "{} not seen there for a day, left out of the sums"),
        (unread, "{} not looked at lately, whose counts are not known"),
    )
    return Quoted(
        tuple(map(_quoted, seen[:most])),
        tuple(
            f"{number:,} {said.format('post' if number == 1 else 'posts')}"
            for number, said in others
            if number
        ),
    )


def _precedence(post: Post) -> tuple[bool, int, float, str]:
    total = post.reading.total if post.reading else 0
    return post.reading is None, -total, -post.posted_at.timestamp(), post.id


def _quoted(post: Post) -> Quotation:
    reading = post.reading
    named = "" if post.author.isdigit() else post.author  # X's numbers name nobody to a reader
    return Quotation(
        said=quotation(post.text),
        author=text.cut(text.clean(named), wording.LONGEST_NAME),
        signal=wording.signal_name(post.signal),
        url=post.url if wording.is_link(post.url) else "",
        posted_at=post.posted_at,
        marks=_marks(post),
        counts=wording.counts(reading.retweets, reading.favorites) if reading else "",
        counted_at=reading.taken_at if reading else None,
        untrue=post.flag and wording.why(post.flag),
    )


def _marks(post: Post) -> tuple[str, ...]:
    others = len(set(post.papers)) - 1
    also = f"also about {wording.many(others, 'other paper') if others else 'other papers'}"
    return (*filter(None, (_ACCOUNTS.get(post.label),)), *((also,) if post.shared else ()))


_ACCOUNTS = {
    honesty.AUTOMATED: "automated account",
    honesty.TITLES: "repeats titles",
    honesty.KNOWN: "known bot",
}


def quotation(written: str) -> Markup:
    """A post's text as HTML that can do nothing but be read and lead elsewhere.

    Everything is escaped, lines stay lines, whole http(s) addresses become links that vouch
    for nothing; nh3 has the last word. At most twelve lines and 1,000 characters.
    """
    lines = [text.clean(line) for line in text.cut(written.strip(), LONGEST_QUOTE).splitlines()]
    kept = [line for line in lines if line][:MOST_LINES]
    return Markup(  # noqa: S704  # nh3 cleaned it
        nh3.clean(
            "<br>".join(map(_linked, kept)),
            tags={"a", "bdi", "br"},
            attributes={"a": {"href"}},
            url_schemes={"http", "https"},
            link_rel="nofollow noopener ugc",
        )
    )


def _linked(line: str) -> str:
    """The line escaped, its addresses as links."""
    pieces, done = [], 0
    for found in _ADDRESS.finditer(line):
        url = found[0].rstrip(_CLOSING)
        if wording.is_link(url):
            shown = escape(url)
            pieces += [
                escape(line[done : found.start()]),
                f'<a href="{shown}"><bdi>{shown}</bdi></a>',
            ]
            done = found.start() + len(url)
    return "".join([*pieces, escape(line[done:])])
