"""A week of the world: Monday 16 to Sunday 22 November 2026, and what happens in it.

    from tests.upstream.week import Week

    week = Week()
    with Upstream(week.world) as upstream:
        week.reach(moment, upstream)  # the clock, and the trouble of that hour

Every day from Monday to Friday arXiv announces papers, a few of them famous. Who writes about
them does so by day, and what is written has its counts within hours: from midnight UTC on
nothing of the day before grows, so that it does not matter at what hour of the night
somebody looks. Out of the ordinary are

    papers    `late`     of Tuesday, takes off on Friday evening
              `overslept` of Tuesday, takes off on Thursday morning
              `again`    of Monday, well known, doubles on Friday evening
              `climber`  of Thursday, further down, doubles on Friday evening
              `jumper`   of Thursday, whose upvotes are 400 times as many for some hours
              `impossible` of Monday, with retweets that nobody likes
    accounts  BOTS, who post one paper many times, and one who posts titles, again and again
    posts     `deleted`, with the moment; some about three papers; reposts; quotes
    X         a flood of posts on Saturday about papers of other years
    TROUBLE   an old listing from arXiv all Tuesday; no Hugging Face on Wednesday
    DOWN      from Wednesday evening to Friday evening somebody who is there else is not

Deterministic: everything follows from the seed.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from tests.upstream.bluesky import at_uri
from tests.upstream.server import Upstream
from tests.upstream.world import (
    Growth,
    Kind,
    World,
    WorldEntry,
    WorldPaper,
    WorldPost,
    snowflake,
)

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = (
    date(2026, 11, day) for day in range(16, 23)
)
ANNOUNCED = (MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY)
CATEGORIES = ("cs.LG", "cs.CL", "cs.CV", "cs.AI", "stat.ML")
NETWORKS = ("x", "bluesky", "mastodon", "hackernews")
FOUND_ALWAYS = (
    "x",
    "mastodon",
    "hackernews",
)  # there posts of any paper are found, without a login
BOTS = frozenset({"bot.example.org", "feedbot", "feed_of_papers"})
HOUR = timedelta(hours=1)


def at(day: date, hour: float) -> datetime:
    """So many hours into a day, UTC."""
    return datetime.combine(day, time(), UTC) + hour * HOUR


# From, until, who of the services, and what is wrong with it.
TROUBLE = (
    (at(TUESDAY, 1), at(WEDNESDAY, 1), "arxiv", "stale"),
    (at(TUESDAY, 1), at(WEDNESDAY, 1), "rss", "stale"),
    (at(TUESDAY, 1), at(WEDNESDAY, 1), "arxiv_api", "stale"),
    (at(WEDNESDAY, 0), at(THURSDAY, 0), "huggingface", "status"),
)
DOWN = (at(WEDNESDAY, 20), at(FRIDAY, 20))
TAKE_OFF = at(FRIDAY, 21)
FLOOD = at(SATURDAY, 8)
JUMP = (at(SATURDAY, 6.5), at(SATURDAY, 12))
_FIRST = ("Sparse", "Patient", "Curious", "Frozen", "Gentle", "Hollow", "Modest", "Rapid", "Tidal")
_SECOND = ("Gradients", "Lanterns", "Owls", "Tokens", "Kernels", "Rivers", "Priors", "Mirrors")
_THIRD = ("at Night", "Without Labels", "in the Wild", "Revisited", "by Hand", "for Two", "Again")
_SAID = tuple(
    "neat odd bold table proof figure worth skim later agree doubt baseline appendix elegant "
    "noisy reads longer short why".split()
)


def settles(within: timedelta) -> Growth:
    """Counts that come in evenly, until no more do."""
    return lambda age: max(0.0, min(1.0, age / within))


def jumps(growth: Growth, since: timedelta, until: timedelta, times: float) -> Growth:
    """The same, but `times` as much while the age is between `since` and `until`."""
    return lambda age: growth(age) * (times if since <= age < until else 1)


class Week:
    """The world of that week, its heroes, and the way through it."""

    def __init__(self, seed: int = 7, papers: int = 36) -> None:
        self.world = World(MONDAY, at(MONDAY, 1))
        self.deleted: list[WorldPost] = []
        self._random = Random(seed)
        self._struck: set[int] = set()
        days = [self._announce(number, day, papers) for number, day in enumerate(ANNOUNCED)]
        for day, announced in zip(ANNOUNCED, days, strict=True):
            self._talk(day, announced)
        monday, tuesday, _, thursday, _ = days
        self.again, self.impossible = monday[2], monday[-1]
        self.late, self.overslept = tuesday[-1], tuesday[-2]
        self.climber, self.jumper = thursday[6], thursday[-1]
        self._bots(monday[1], thursday[4])
        self._heroes()
        self._gone(monday, thursday)
        self._flood(300)

    def reach(self, moment: datetime, upstream: Upstream) -> None:
        """Let it be this moment, with the trouble that belongs to it."""
        self.world.tick(moment)
        now = {n for n, (since, until, *_) in enumerate(TROUBLE) if since <= moment < until}
        if now != self._struck:
            upstream.clear_faults()
            for number in now:
                upstream.fault(*TROUBLE[number][2:], times=None)
            self._struck = now

    def _announce(self, number: int, day: date, papers: int) -> list[WorldPaper]:
        """The papers of a day, those people will talk about most first."""
        announced = []
        for n in range(papers + self._random.randint(-8, 8)):
            others = self._random.sample(CATEGORIES, self._random.choice((1, 1, 1, 2, 3)))
            title = [self._random.choice(words) for words in (_FIRST, _SECOND, _THIRD)]
            key = f"2611.{10_000 + 1000 * number + n}"
            authors = (f"Ada Author{n}", f"Bo Writer{number}")
            announced.append(
                WorldPaper(key, f"{' '.join(title)} {number}-{n}", authors, tuple(others), day)
            )
        old = WorldPaper(
            f"2509.{20_000 + number}", "An Old One", ("Cy Old",), ("cs.LG",), day, kind=Kind.REPLACE
        )
        key = f"2611.{10_900 + 1000 * number}"
        borrowed = WorldPaper(key, f"From Afar {number}", ("Di Far",), ("hep-th", "stat.ML"), day)
        self.world.papers += [*announced, old, borrowed]
        return announced

    def _talk(self, day: date, announced: Sequence[WorldPaper]) -> None:
        """What people say of a day's papers; the last five are for heroes and silence."""
        for rank, paper in enumerate(announced[:-5]):
            fame = int(600 / (rank + 1)) + self._random.randint(1, 9)
            for network in NETWORKS if rank < 8 else NETWORKS[:1] if rank < 20 else ():
                for _ in range(self._random.randint(1, 3 if rank < 8 else 1)):
                    self.says(network, (paper,), at(day, self._random.uniform(2, 13)), fame)
            if rank < 15:
                entry = WorldEntry(paper.id, day, fame // 5 + 2, fame // 50)
                entry.growth = settles(20 * HOUR)
                self.world.entries.append(entry)
        for network in ("x", "bluesky"):
            three = (announced[1], announced[3], announced[5])
            self.says(network, three, at(day, 9), 60, author=f"survey{day.day}")
        first = self.world.posts_about(announced[0].id)[0]
        repost = self.says("x", announced[:1], at(day, 14), 0, text=first.text, author="echo")
        repost.repost_of = first.id
        self.says("x", announced[:1], at(day, 14), 30, author="otto").quote_of = first.id

    def says(
        self,
        network: str,
        papers: Sequence[WorldPaper],
        moment: datetime,
        fame: int,
        text: str = "",
        author: str = "",
    ) -> WorldPost:
        """Somebody writes about papers; what is said differs, unless `text` is given."""
        number = len(self.world.posts)
        spread = self._random.uniform(0.05, 0.3)
        post = WorldPost(
            id=snowflake(moment, number),
            text=text or " ".join(self._random.sample(_SAID, 5)),
            urls=tuple(f"https://arxiv.org/abs/{paper.id}" for paper in papers),
            created_at=moment,
            author=author or f"reader{number}",
            retweets=0 if network == "hackernews" else int(fame * spread),
            favorites=fame + 3,
            replies=fame // 9,
            network=network,
            growth=settles(8 * HOUR),
        )
        if network == "bluesky":
            post.author += ".example.org"
            post.id = at_uri(post.author, moment, number)
        elif network == "hackernews":
            post.id = str(46_000_000 + number)
        self.world.posts.append(post)
        return post

    def _bots(self, praised: WorldPaper, titled: WorldPaper) -> None:
        for hour in range(2, 7):
            for network, author in (("bluesky", "bot"), ("mastodon", "feedbot")):
                self.says(
                    network, (praised,), at(MONDAY, hour), 40 + hour, author=author
                ).bot = True
            for paper in (praised, titled):
                moment = at(paper.announced, hour)
                self.says("x", (paper,), moment, 20, paper.title, author="feed_of_papers")
        # Somebody who only has much to say of a paper counts each time.
        for hour in (3, 4):
            self.says("x", (titled,), at(THURSDAY, hour), 25, author="enthusiast")

    def _heroes(self) -> None:
        self.says("x", (self.late,), at(TUESDAY, 10), 4)
        for network in NETWORKS:
            self.says(network, (self.late,), TAKE_OFF, 700).growth = settles(2 * HOUR)
            self.says(network, (self.overslept,), at(THURSDAY, 8), 300)
        for paper, fame in ((self.again, 700), (self.climber, 260)):
            self.says("x", (paper,), TAKE_OFF, 4 * fame).growth = settles(2 * HOUR)
        entry = WorldEntry(self.jumper.id, THURSDAY, 12, 1)
        since, until = (moment - at(THURSDAY, 0) for moment in JUMP)
        entry.growth = jumps(settles(20 * HOUR), since, until, 400)
        self.world.entries.append(entry)
        unloved = self.says("x", (self.impossible,), at(MONDAY, 4), 0)
        unloved.retweets, unloved.favorites = 900, 0

    def _gone(self, monday: Sequence[WorldPaper], thursday: Sequence[WorldPaper]) -> None:
        """Posts that are deleted: of the first paper on each network, of one far below on some."""
        for papers, moment in ((monday, at(TUESDAY, 12)), (thursday, at(SATURDAY, 12))):
            day = papers[0].announced
            for paper, networks, fame in ((papers[0], NETWORKS, 90), (papers[15], FOUND_ALWAYS, 9)):
                for network in networks:
                    said = f"regret {network} {fame} {day}"
                    post = self.says(network, (paper,), at(day, 5), fame, text=said)
                    post.deleted_at = moment
                    self.deleted.append(post)

    def _flood(self, posts: int) -> None:
        for n in range(posts):
            paper = WorldPaper(f"2301.{n:05}", "", (), ("cs.LG",), MONDAY)
            self.says("x", (paper,), FLOOD + n * HOUR / 30, 50)
