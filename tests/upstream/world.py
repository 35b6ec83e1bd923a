"""The world the upstream speaks about: papers, posts and Hugging Face entries, all mutable.

Over 400 lines, most of them the papers of the small world and what is odd about them.

A test changes the world between two runs (`world.post("...").retweets = 40`,
`world.papers.append(...)`, `world.today = ...`) and the next request sees it. Nothing here
reads the wall clock: `world.today` is the date on arXiv's newest page, `world.now` is the
moment that decides which posts exist, which are too old for a search, and the Date header.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
ANNOUNCED_AT = 20  # o'clock there, the evening before the day arXiv prints
Growth = Callable[[timedelta], float]

EPOCH_MS = 1288834974657  # where X's ids begin to count: (milliseconds since then) << 22


class Kind(StrEnum):
    """How a listing page announces a paper; the order is that of the page's sections."""

    NEW = "new"
    CROSS = "cross"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Announcement:
    """One line on one category's page of one day."""

    day: date
    category: str
    kind: Kind
    version: int


@dataclass(slots=True)
class WorldPaper:
    """A paper as arXiv knows it; `categories` begins with the primary one.

    It is announced on `announced`: as `kind` NEW in its primary category and as a cross-list
    in the others, or as REPLACE in all of them (a paper older than this world). Later days
    are added with `cross_listed()` and `replaced()`.
    """

    id: str
    title: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    announced: date
    abstract: str = "We show what the title says."
    comments: str = ""
    journal_ref: str = ""
    kind: Kind = Kind.NEW
    version: int = 1
    has_html: bool = True
    announcements: list[Announcement] = field(default_factory=list)

    def __post_init__(self) -> None:
        for category in self.categories:
            cross = self.kind is Kind.NEW and category != self.categories[0]
            kind = Kind.CROSS if cross else self.kind
            self.announcements.append(Announcement(self.announced, category, kind, self.version))

    @property
    def submitted(self) -> datetime:
        """When version 1 came in: the weekday before it was announced, in time for it."""
        if self.kind is Kind.REPLACE:
            return _in_time_for(self.announced - timedelta(days=120))
        return _in_time_for(self.announced)

    @property
    def updated(self) -> datetime:
        """When the present version came in."""
        replaced = [line.day for line in self.announcements if line.kind is Kind.REPLACE]
        return _in_time_for(max(replaced)) if replaced else self.submitted

    def replaced(self, day: date) -> None:
        """Announce the next version in every category on `day`."""
        self.version += 1
        for category in self.categories:
            self.announcements.append(Announcement(day, category, Kind.REPLACE, self.version))

    def cross_listed(self, day: date, category: str) -> None:
        """Announce the paper in one more category on `day`."""
        self.categories += (category,)
        self.announcements.append(Announcement(day, category, Kind.CROSS, self.version))


@dataclass(slots=True)
class WorldPost:
    """A post on a network. `urls` are the links as they resolve, not as t.co shortens them.

    `network` names it: x, bluesky, hackernews, or one of Mastodon's servers. Retweets are
    reposts and boosts, favorites are likes and points, replies are comments; where there is
    `growth` they are what the counts come to, and at the age t the network tells growth(t)
    of each. `deleted` and `deleted_at` take it away. `repost_of` and `quote_of` hold ids. A
    repost needs no counts: X gives it the retweets of its original and no likes. `bot` is
    what the network itself says of its author.
    """

    id: str
    text: str
    urls: tuple[str, ...]
    created_at: datetime
    author: str = "reader"
    retweets: int = 0
    favorites: int = 0
    replies: int = 0
    quotes: int = 0
    repost_of: str = ""
    quote_of: str = ""
    lang: str = "en"
    deleted: bool = False
    network: str = "x"
    growth: Growth | None = None
    deleted_at: datetime | None = None
    bot: bool = False

    def exists(self, moment: datetime) -> bool:
        """Whether it is written by then and not deleted."""
        is_deleted = self.deleted or (self.deleted_at is not None and self.deleted_at <= moment)
        return self.created_at <= moment and not is_deleted

    def at(self, moment: datetime) -> "WorldPost":
        """The post with the counts it has at that moment."""
        if self.growth is None:
            return self
        share = self.growth(moment - self.created_at)
        counts = ("retweets", "favorites", "replies", "quotes")
        grown = {name: int(share * getattr(self, name)) for name in counts}
        return replace(self, growth=None, **grown)  # type: ignore[arg-type]


@dataclass(slots=True)
class WorldEntry:
    """A paper on Hugging Face's page of the day `day`; it grows as posts do, from 00:00 UTC."""

    paper_id: str
    day: date
    upvotes: int = 0
    comments: int = 0
    github_stars: int | None = None
    growth: Growth | None = None

    def at(self, moment: datetime) -> "WorldEntry":
        """The entry with the counts it has at that moment."""
        if self.growth is None:
            return self
        share = self.growth(moment - datetime.combine(self.day, time(), UTC))
        counts = {"upvotes": int(share * self.upvotes), "comments": int(share * self.comments)}
        return replace(self, growth=None, **counts)  # type: ignore[arg-type]


@dataclass(slots=True)
class XJob:
    """A compliance job: the ids that were uploaded, and after how many looks it is complete."""

    id: str
    polls: int
    ids: list[str] | None = None


@dataclass(slots=True)
class XRules:
    """How X behaves at the moment; the defaults are the documented behaviour.

    `token`: the only bearer token taken; empty takes any. `renamed`: answers carry
    repost_count, edit_history_post_ids and referenced_posts. `only_post_fields`:
    `tweet.fields` is refused with a 400 that names it, `post.fields` is taken.
    `search_has_reposts`: keyword search returns reposts too, as before 2026-05-04. `hidden`:
    accounts that are suspended or protected, whose posts nobody may see. `has_compliance`: it
    takes compliance jobs, else it refuses them with 403; `jobs` are those it was given, and a
    new one is in progress for `polls` looks at it.
    """

    token: str = ""
    renamed: bool = False
    only_post_fields: bool = False
    search_has_reposts: bool = False
    hidden: set[str] = field(default_factory=set)
    has_compliance: bool = True
    polls: int = 1
    jobs: list[XJob] = field(default_factory=list)


@dataclass(slots=True)
class BlueskyRules:
    """Which login Bluesky takes, and whether it answers 429 at the moment."""

    handle: str = "trendbot.test"
    app_password: str = "abcd-efgh-ijkl-mnop"
    limited: bool = False


@dataclass(slots=True)
class World:
    """Everything the services know."""

    today: date
    now: datetime
    papers: list[WorldPaper] = field(default_factory=list)
    posts: list[WorldPost] = field(default_factory=list)
    entries: list[WorldEntry] = field(default_factory=list)
    holidays: set[date] = field(default_factory=set)
    page_size: int = 2000
    x: XRules = field(default_factory=XRules)
    bluesky: BlueskyRules = field(default_factory=BlueskyRules)

    def move_to(self, today: date) -> None:
        """Set the newest listing day, and the clock to 18:00 UTC of that day."""
        self.today = today
        self.now = evening(today)

    def tick(self, now: datetime) -> None:
        """Set the clock; the newest listing is tomorrow's from 20:00 in New York on."""
        self.now = now
        there = now.astimezone(NEW_YORK)
        self.today = there.date() + timedelta(days=there.hour >= ANNOUNCED_AT)

    def visible(self, network: str) -> list[WorldPost]:
        """The posts of a network that exist now, with their counts of now."""
        return [
            post.at(self.now)
            for post in self.posts
            if post.network == network and post.exists(self.now)
        ]

    def paper(self, paper_id: str) -> WorldPaper | None:
        """The paper with this unversioned id."""
        return next((paper for paper in self.papers if paper.id == paper_id), None)

    def post(self, post_id: str) -> WorldPost:
        """The post with this id, deleted or not; KeyError if there never was one."""
        for post in self.posts:
            if post.id == post_id:
                return post
        raise KeyError(post_id)

    def posts_about(self, paper_id: str) -> list[WorldPost]:
        """The posts with a link that holds this id, reposts and deleted ones too."""
        return [post for post in self.posts if any(paper_id in url for url in post.urls)]

    def entry(self, paper_id: str) -> WorldEntry:
        """The Hugging Face entry of this paper; KeyError if there is none."""
        for entry in self.entries:
            if entry.paper_id == paper_id:
                return entry
        raise KeyError(paper_id)

    def announces_on(self, day: date) -> bool:
        """Whether arXiv has a page of its own for `day`: a weekday and no holiday."""
        return day.weekday() < 5 and day not in self.holidays

    def last_announcement(self, day: date | None = None) -> date:
        """The last day up to `day` (today) that arXiv announced on."""
        found = day or self.today
        while not self.announces_on(found):
            found -= timedelta(days=1)
        return found

    def listed(self, category: str, day: date) -> list[tuple[WorldPaper, Announcement]]:
        """The lines of one page in page order: new, cross-lists, replacements, each by id."""
        lines = [
            (paper, line)
            for paper in self.papers
            for line in paper.announcements
            if line.category == category and line.day == day
        ]
        order = list(Kind)
        return sorted(lines, key=lambda pair: (order.index(pair[1].kind), pair[0].id))


def _in_time_for(day: date) -> datetime:
    before = day - timedelta(days=1)
    while before.weekday() > 4:
        before -= timedelta(days=1)
    return datetime.combine(before, time(15, 30), UTC)


def evening(day: date) -> datetime:
    """18:00 UTC of `day`, seventeen hours after arXiv announced it."""
    return datetime.combine(day, time(18), UTC)


def snowflake(moment: datetime, number: int = 0) -> str:
    """The id X would give a post of this moment."""
    return str(((int(moment.timestamp() * 1000) - EPOCH_MS) << 22) + number)


def small_world(today: date) -> World:
    """Four announcement days up to `today`, the third of them quiet, and all kinds of trouble.

    With YYMM of `today`: .10001 is the favourite (cs.LG, cs.AI, stat.ML), .10002 has TeX,
    .10003 HTML, .10004 a CRLF and .10005 bidi controls in its title and authors; 2607.04412
    and hep-th/9901002 are replacements. The day before: .09001 (replaced today), .09002
    (cross-listed to cs.CL today), .09003. Three days before: .08001, .08002, 0706.1234.
    """
    world = World(today, evening(today))
    days = [world.last_announcement()]
    while len(days) < 4:
        days.append(world.last_announcement(days[-1] - timedelta(days=1)))
    world.papers = [*_new_papers(days[0]), *_hostile_papers(days[0])]
    world.papers += [*_replacements(days[0]), *_earlier_papers(days)]
    world.posts = _posts(f"{today:%y%m}", days)
    world.entries = _entries(f"{today:%y%m}", days)
    return world


def _new_papers(day: date) -> list[WorldPaper]:
    new = f"{day:%y%m}.1000"
    return [
        WorldPaper(
            f"{new}1",
            "Sparse Gradients Are Enough for Small Agents",
            ("Ada Quintero", "Min-jun Seo", "Lena B. Vogt"),
            ("cs.LG", "cs.AI", "stat.ML"),
            day,
            "Agents learn from few gradients.\n  Code is at https://github.com/example/sparse.",
            "24 pages. Code: https://github.com/example/sparse",
        ),
        WorldPaper(
            f"{new}2",
            r"Retrieval in $O(\log n)$ Steps \& a {\em Proof} for $a<b$",
            ("Émile Dupuis", "José Muñoz", "Тамара Ильина"),
            ("cs.CL", "cs.LG"),
            day,
            r"We retrieve in $O(\log n)$ for $a < b$ & prove it.",
            "Accepted at TMLR",
        ),
    ]


def _hostile_papers(day: date) -> list[WorldPaper]:
    new = f"{day:%y%m}.1000"
    return [
        WorldPaper(
            f"{new}3",
            "<script>alert('title')</script> & <b>Bold</b> Claims",
            ("Eve <eve@example.org>", '"><img src=x onerror=alert(1)>'),
            ("cs.CV",),
            day,
            "</p></div><script>alert('abstract')</script> javascript:alert(1)",
            "<a href='https://example.org/phish'>click</a>",
        ),
        WorldPaper(
            f"{new}4",
            "Bayes at Night\r\nBcc: everyone@example.org",
            ("Mallory\r\nX-Injected: yes", "Bob Stone"),
            ("stat.ML", "cs.LG"),
            day,
        ),
        WorldPaper(
            f"{new}5",
            "\u202etxt.exe\u202c Right-to-Left \u2066Isolates\u2069",
            ("\u202eevE\u202c", "Ben\u200b Zero"),
            ("cs.LG",),
            day,
            has_html=False,
        ),
    ]


def _replacements(day: date) -> list[WorldPaper]:
    return [
        WorldPaper(
            "2607.04412",
            "Scaling Laws, Once More",
            ("Bo Lindqvist",),
            ("cs.LG", "cs.AI"),
            day,
            comments="v3: more experiments",
            kind=Kind.REPLACE,
            version=3,
        ),
        WorldPaper(
            "hep-th/9901002",
            "An Identifier of the Old Scheme",
            ("Joan P. Public",),
            ("hep-th", "cs.LG"),
            day,
            journal_ref="Nucl.Phys. B999 (1999) 1-10",
            kind=Kind.REPLACE,
            version=2,
            has_html=False,
        ),
    ]


def _earlier_papers(days: list[date]) -> list[WorldPaper]:
    today, before, _, first = days
    month = f"{today:%y%m}"
    replaced = WorldPaper(
        f"{month}.09001",
        "Forgetting as a Service",
        ("Priya Raman", "Otto Klein"),
        ("cs.LG", "cs.CL"),
        before,
    )
    replaced.replaced(today)
    crossed = WorldPaper(
        f"{month}.09002", "Pixels Are Not Words", ("Sofia Bianchi",), ("cs.CV", "cs.LG"), before
    )
    crossed.cross_listed(today, "cs.CL")
    return [
        replaced,
        crossed,
        WorldPaper(f"{month}.09003", "Priors for the Patient", ("Tom Ash",), ("stat.ML",), before),
        WorldPaper(f"{month}.08001", "Grammar Without Tears", ("Ida Holm",), ("cs.CL",), first),
        WorldPaper(
            f"{month}.08002", "Seeing in the Dark", ("Wei Tan",), ("cs.CV", "eess.IV"), first
        ),
        WorldPaper(
            "0706.1234",
            "Convex Until Proven Otherwise",
            ("Rolf Berg",),
            ("math.OC", "cs.LG"),
            first,
            kind=Kind.REPLACE,
            version=4,
        ),
    ]


def _posts(month: str, days: list[date]) -> list[WorldPost]:
    """Twenty posts; retweets + favorites order today's papers .10001, .10002, .10004, .10003."""
    today, before, _, first = days
    site = "https://arxiv.org"
    posts: list[WorldPost] = []

    def add(day: date, text: str, links: tuple[str, ...], *counts: int, **more: str) -> WorldPost:
        at = datetime.combine(day, time(2, 14), UTC) + timedelta(minutes=11 * len(posts))
        counted = dict(zip(("retweets", "favorites", "replies", "quotes"), counts, strict=False))
        post = WorldPost(snowflake(at, len(posts)), text, links, at, **counted, **more)  # type: ignore[arg-type]
        posts.append(post)
        return post

    add(first, "tears, no grammar", (f"{site}/abs/{month}.08001",), 9, 40, 2, 1)
    add(first, "dark", (f"{site}/pdf/{month}.08002",), 2, 5)
    add(before, "forget it", (f"{site}/abs/{month}.09001",), 31, 120, 8, 2)
    add(before, "pixels", (f"{site}/abs/{month}.09002v1",), 4, 16)
    add(before, "old but gold", (f"{site}/abs/2101.00001",), 300, 900, 40, 12)
    add(before, "not a paper", (f"{site}/list/cs.LG/new",), 1, 3)
    lead = add(
        today, "Sparse gradients", (f"{site}/abs/{month}.10001",), 120, 812, 14, 23, author="ada"
    )
    add(today, "versioned", (f"{site}/abs/{month}.10001v1",), 10, 33, author="lena")
    add(today, "pdf", (f"{site}/pdf/{month}.10001v1.pdf",), 3, 19)
    add(today, "html", (f"{site}/html/{month}.10001v1",), 1, 7)
    proof = add(today, "a proof & <b>more</b>", (f"{site}/abs/{month}.10002",), 55, 200, 5)
    add(today, "mirror", (f"http://www.arxiv.org/abs/{month}.10002?utm_source=x#top",), 2, 6)
    both = (f"{site}/abs/{month}.10002", f"{site}/abs/{month}.10004")
    add(today, "two to read", both, 20, 60, 3, author="otto")
    add(today, "<script>alert(1)</script>\u202e", (f"{site}/abs/{month}.10003",), 6, 11)
    add(today, "night bayes", (f"{site}/pdf/{month}.10004",), 12, 44)
    add(today, "", (f"{site}/abs/hep-th/9901002",), 1, 2, lang="und")
    add(today, lead.text, lead.urls, author="ben", repost_of=lead.id)
    add(today, proof.text, proof.urls, author="ida", repost_of=proof.id)
    add(today, "this!", lead.urls, 7, 21, author="otto", quote_of=lead.id)
    add(today, "never announced here", (f"{site}/abs/{month}.99999",), 15, 70)
    return posts


def _entries(month: str, days: list[date]) -> list[WorldEntry]:
    today, before, _, first = days
    return [
        WorldEntry(f"{month}.10001", today, 42, 5, github_stars=130),
        WorldEntry(f"{month}.10002", today, 17, 1),
        WorldEntry(f"{month}.99998", today, 3),
        WorldEntry(f"{month}.09001", before, 11, 2),
        WorldEntry(f"{month}.08001", first, 6),
    ]
