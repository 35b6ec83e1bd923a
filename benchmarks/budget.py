"""What X brings for the money: recall of the true top 20 against posts read.

    python benchmarks/budget.py [--archive FOLDER] [--days 5] [--seeds 3] [--budgets 200,1000]
        [--hard]

Plays days of X: 1,500 papers are announced at 00:00 UTC, some 50,000 posts link to them
over two days, and at 06:30 of the morning after the day's digest is made. The real adapter
reads each morning, through tweepy and its own session, from an X in this process that
counts, searches and looks up as X does; days follow each other, with the posts of three
days in sight. Beside it are two other ways to spend:

    per paper   one query for each of the day's papers, up to 100 newest posts each
    newest      the newest posts of all, as many as the policy read that day

Recall is the share of the true best 20 papers of the day, by the retweets + favorites that
all their original posts have at the moment of the digest, that are among the 20 best by
what was read. A post costs $0.005, and so does counting posts.

How the posts are made: the leading papers' totals are those of a day of the Hot Papers
archive, if a folder of it is given, else of an invented day of the same shape. Days until
2020-09-17 are taken as printed. Later ones counted each retweet as a post that has the
retweets of its original (R of them make about R * R, or 100 * R where the search ended at
100) and no favorites, so their retweets are taken back to R; favorites are right as they
are. Lists with fewer than five papers are left out. Behind the list totals fall with the
rank, which has a long tail, as all of this has: a paper's total is spread over its posts
so that a few have most of it. The rest are bots, with a like now and then, and posts
nobody likes. Posts arrive over 48 hours, log-normally, most in the first; counts grow
toward their last value within hours, some take off only after half a day or more. With
--hard each post has about as much of its paper's total as any other, and bots three times
the likes, so that much of what decides is in posts with one like or two.

`week` is the recall of the true best 20 of all days, at the last digest.
"""

import argparse
import json
import math
import platform
import random
import re
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from trendbot import hotpapers
from trendbot.context import Budget, Context, Known, Spent
from trendbot.fetch import Fetcher
from trendbot.model import Paper, Post
from trendbot.settings import section
from trendbot.signals.thrift import DOLLARS
from trendbot.signals.x import X, XSettings

FIRST = datetime(2026, 11, 16, tzinfo=UTC)
DIGEST_AT = timedelta(hours=30, minutes=30)
PAPERS, POSTS, SIZE = 1500, 50_000, 20
OVERCOUNTED_FROM = date(2020, 9, 18)
EPOCH_MS = 1288834974657
HOUR = 3600.0
Totals = list[tuple[int, int]]  # retweets and favorites, best first
Seen = tuple["Made", int, int]  # a post with its retweets and favorites of now


@dataclass(slots=True)
class Made:
    """A post that was made up: what it comes to, and how fast."""

    id: int
    paper: int
    at: float  # seconds since 1970
    retweets: float
    favorites: float
    delay: float  # until it takes off
    pace: float  # seconds to 63 % of it

    def counts(self, now: float) -> tuple[int, int]:
        age = now - self.at - self.delay
        share = 1 - math.exp(-age / self.pace) if age > 0 else 0.0
        return int(self.retweets * share), int(self.favorites * share)


def true_retweets(printed: int) -> int:
    """What an overcounted total of retweets came from."""
    return printed // 100 if printed > 100 * 101 else math.isqrt(printed)


def archived(folder: Path) -> list[Totals]:
    """The totals of each day of the archive that lists five papers or more."""
    days = []
    for file in sorted(folder.glob("*.md")):
        day = hotpapers.parse(file.name, file.read_bytes())
        over = day.day >= OVERCOUNTED_FROM
        printed = [post.reading for post in day.posts if post.listed_on and post.reading]
        totals = [(true_retweets(r.retweets) if over else r.retweets, r.favorites) for r in printed]
        if len(totals) >= 5:
            days.append(sorted(totals, key=sum, reverse=True))
    return days


def invented(dice: random.Random) -> Totals:
    """A day as the archive has them: some ten papers with 50 or more, one or two with hundreds."""
    totals = []
    for _ in range(dice.randint(6, 16)):
        total = 50 * dice.paretovariate(1.1)
        retweets = total * dice.uniform(0.1, 0.3)
        totals.append((int(min(retweets, 3000)), int(min(total - retweets, 9000))))
    return sorted(totals, key=sum, reverse=True)


def with_tail(head: Totals, papers: int, dice: random.Random) -> Totals:
    """As many totals as there are papers: behind the list they fall as 1 / rank."""
    last = sum(head[-1])
    tail = [last * len(head) / rank for rank in range(len(head) + 1, papers + 1)]
    noisy = [total * dice.lognormvariate(0, 0.3) for total in tail]
    return [*head, *((round(one * 0.2), round(one * 0.8)) for one in noisy)]


@dataclass(frozen=True, slots=True)
class World:
    """How attention is spread: the less `spread`, the more a few posts have of it."""

    spread: float = 0.8
    bots_likes: float = 0.18


def posts_of(
    number: int, totals: tuple[int, int], bots: int, start: float, dice: random.Random, world: World
) -> list[Made]:
    """The posts of one paper announced at `start`."""
    people = 1 + int(sum(totals) ** 0.6)
    shares = [dice.paretovariate(world.spread) for _ in range(people)]
    whole = sum(shares)
    made = []
    for place in range(people + bots):
        delay = min(dice.lognormvariate(math.log(7), 1.0), 48) * HOUR
        if place < people:
            share = shares[place] / whole
            counts = totals[0] * share + 0.5, totals[1] * share + 0.5
        else:
            counts = 0.0, sum(dice.random() < world.bots_likes / 2 for _ in range(2)) + 0.5
        late = dice.uniform(12, 36) * HOUR if dice.random() < 0.05 else 0.0
        at = start + delay
        post_id = ((int(at * 1000) - EPOCH_MS) << 22) + dice.getrandbits(22)
        made.append(Made(post_id, number, at, *counts, late, dice.uniform(3, 10) * HOUR))
    return made


def a_day(first: int, head: Totals, start: float, dice: random.Random, world: World) -> list[Made]:
    """All posts about the papers of one day; the papers are numbered from `first`."""
    totals = with_tail(head, PAPERS, dice)
    people = sum(2 + int(sum(one) ** 0.6) for one in totals)
    bots = max(0, POSTS - people) // PAPERS
    return [
        post
        for place, one in enumerate(totals)
        for post in posts_of(first + place, one, dice.randint(0, 2 * bots), start, dice, world)
    ]


class FakeX:
    """X as far as the adapter asks it, made of made-up posts."""

    def __init__(self, made: Iterable[Made]) -> None:
        self._made = sorted(made, key=lambda post: -post.id)
        self._by_id = {post.id: post for post in self._made}
        self._found: dict[tuple[str | None, ...], list[Seen]] = {}
        self.now = 0.0
        self.sight: list[Seen] = []

    def move_to(self, now: float) -> None:
        """Let time pass: the posts of the last three days, newest first, as they are now."""
        self.now = now
        recent = (post for post in self._made if now - 72 * HOUR < post.at < now)
        self.sight = [(post, *post.counts(now)) for post in recent]
        self._found.clear()

    def answer(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """What X would answer to a request."""
        if path == "/2/tweets":
            made = [self._by_id[int(post_id)] for post_id in query["ids"].split(",")]
            return {"data": [shown(post, *post.counts(self.now)) for post in made]}
        found = self._matching(query)
        if path == "/2/tweets/counts/recent":
            return {"meta": {"total_tweet_count": len(found)}}
        start, size = int(query.get("next_token", 0)), int(query["max_results"])
        page = found[start : start + size]
        meta: dict[str, Any] = {"result_count": len(page)}
        if len(found) > start + size:
            meta["next_token"] = str(start + size)
        return {"data": [shown(*one) for one in page], "meta": meta} if page else {"meta": meta}

    def _matching(self, query: Mapping[str, str]) -> list[Seen]:
        names = ("query", "start_time", "since_id", "until_id")
        key = tuple(query.get(name) for name in names)
        if key not in self._found:
            likes = int((re.findall(r"min_likes:(\d+)", query["query"]) or ["0"])[0])
            numbers = {int(one) for one in re.findall(r'url:"2611\.(\d+)"', query["query"])}
            start = datetime.fromisoformat(query["start_time"]).timestamp()
            first, last = int(query.get("since_id", 0)), int(query.get("until_id", 1 << 63))
            self._found[key] = [
                one
                for one in self.sight
                if one[2] >= likes
                and one[0].at >= start
                and first < one[0].id < last
                and (not numbers or one[0].paper in numbers)
            ]
        return self._found[key]


class Handler(BaseHTTPRequestHandler):
    """Answers for the X of its server."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = json.dumps(self.server.fake.answer(parts.path, query)).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        self.wfile.write(head.encode() + b"\r\n\r\n" + body)  # at once, or TCP waits

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A loopback server for one X after the other."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fake = FakeX([])
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


def shown(post: Made, retweets: int, favorites: int) -> dict[str, Any]:
    """A post as X gives it."""
    return {
        "id": str(post.id),
        "text": "a paper https://t.co/invented",
        "author_id": str(post.id % 9973),
        "created_at": datetime.fromtimestamp(post.at, UTC).isoformat(),
        "entities": {"urls": [{"expanded_url": f"https://arxiv.org/abs/{paper_id(post.paper)}"}]},
        "public_metrics": {"retweet_count": retweets, "like_count": favorites, "reply_count": 0},
    }


def paper_id(number: int) -> str:
    return f"2611.{number:05}"


@dataclass(slots=True)
class Purse:
    """The day's budget, as the database keeps it; what was read for what."""

    used: int = 0
    plan: Mapping[str, Any] = field(default_factory=dict)
    purposes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    floor: int = 0

    def reserve(self, wanted: int, limit: int) -> int:
        booked = max(0, min(wanted, limit - self.used))
        self.used += booked
        return booked

    def release(self, unused: int) -> None:
        self.used -= unused

    def remember(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan

    def note(self, purpose: str, requests: int, posts: int, useful: int, dollars: float) -> None:
        self.purposes[purpose] += round(dollars / DOLLARS)


class Reader:
    """A trendbot that knows nothing but X: what it read, and what that makes of the papers."""

    def __init__(self, server: Server, budget: int, papers: Sequence[Paper]) -> None:
        self.fake, self.papers = server.fake, papers
        self.purse = Purse()
        self.posts: dict[str, Post] = {}
        table = {"enabled": True, "base_url": server.url, "bearer_token": "token"}
        table |= {"daily_post_budget": budget}
        context = Context(
            home=Path(),
            now=lambda: datetime.fromtimestamp(self.fake.now, UTC),
            fetcher=Fetcher("https://trendbot.test"),
            budget=Budget(
                self.purse.reserve,
                self.purse.release,
                lambda reason: None,
                lambda: Spent(self.purse.used, "", self.purse.plan),
                self.purse.remember,
                self.purse.note,
                self.known,
            ),
            worth_a_look=lambda limit: [],
            contenders=self.contenders,
        )
        self.x = X(section(XSettings, table, "signals.x"), context)

    def look(self, since: datetime) -> int:
        """Read what the budget of a new day allows; returns how many reads it took."""
        self.purse.used, self.purse.plan = 0, {}
        for post in self.x.measure(self.papers, since):
            if isinstance(post, Post):
                self.posts[post.id] = post
        return self.purse.used

    def known(self, ids: Sequence[str]) -> Mapping[str, Known]:
        found = ((one, self.posts[one].reading) for one in ids if one in self.posts)
        return {one: Known(r.retweets, r.favorites, r.taken_at) for one, r in found if r}

    def contenders(self, limit: int) -> list[str]:
        """Posts of the papers that lead their week, best first, as the store chooses them."""
        week = self.fake.now - 7 * 24 * HOUR
        scores = self.scores()
        leading = sorted(scores, key=lambda key: -scores[key])[: 3 * SIZE]
        rank = {key: place for place, key in enumerate(leading)}
        due = [
            post
            for post in self.posts.values()
            if post.papers[0] in rank and post.posted_at.timestamp() > week
        ]
        due.sort(key=lambda post: -total(post))
        return [post.id for post in due[:limit]]

    def scores(self) -> dict[str, int]:
        scores: dict[str, int] = defaultdict(int)
        for post in self.posts.values():
            scores[post.papers[0]] += total(post)
        return scores


def total(post: Post) -> int:
    return post.reading.retweets + post.reading.favorites if post.reading else 0


def best(scores: Mapping[int, int] | Mapping[str, int], size: int = SIZE) -> set[Any]:
    """The keys of the highest scores; equal ones in the order of the keys."""
    return set(sorted(scores, key=lambda key: (-scores[key], key))[:size])


def sums(seen: Iterable[Seen], first: int, last: int) -> dict[str, int]:
    """The totals of the papers from `first` on and before `last`, by their keys."""
    scores: dict[str, int] = defaultdict(int)
    for post, retweets, favorites in seen:
        if first <= post.paper < last:
            scores[f"arxiv:{paper_id(post.paper)}"] += retweets + favorites
    return scores


def per_paper(seen: Iterable[Seen], first: int, last: int) -> list[Seen]:
    """The newest 100 posts of each paper."""
    taken: dict[int, int] = defaultdict(int)
    found = []
    for one in seen:
        number = one[0].paper
        if first <= number < last and taken[number] < 100:
            taken[number] += 1
            found.append(one)
    return found


def recall(true: set[str], scores: Mapping[str, int], first: int, last: int) -> float:
    known = {f"arxiv:{paper_id(number)}" for number in range(first, last)}
    return len(true & best({key: scores[key] for key in scores.keys() & known})) / len(true)


@dataclass(slots=True)
class Figures:
    """One row of the report: reads and recalls of every morning."""

    reads: list[int] = field(default_factory=list)
    recalls: list[float] = field(default_factory=list)
    weeks: list[float] = field(default_factory=list)

    def add(self, reads: int, share: float) -> None:
        self.reads.append(reads)
        self.recalls.append(share)


def play(
    seed: int,
    days: int,
    budgets: Sequence[int],
    heads: Sequence[Totals],
    server: Server,
    world: World,
) -> dict[str, Figures]:
    """Play days one after the other; two days of posts went before."""
    dice = random.Random(seed)
    start = FIRST.timestamp()
    made = [
        post
        for day in range(-2, days)
        for post in a_day(
            (day + 2) * PAPERS,
            dice.choice(heads) if heads else invented(dice),
            start + day * 24 * HOUR,
            dice,
            world,
        )
    ]
    papers = [
        Paper("arxiv", paper_id(number), "T", ("A",), ("cs.LG",), announced(number // PAPERS - 2))
        for number in range((days + 2) * PAPERS)
    ]
    server.fake = fake = FakeX(made)
    readers = {budget: Reader(server, budget, papers) for budget in budgets}
    figures: dict[str, Figures] = defaultdict(Figures)
    for day in range(days):
        fake.move_to(start + day * 24 * HOUR + DIGEST_AT.total_seconds())
        first, last = (day + 2) * PAPERS, (day + 3) * PAPERS
        true = best(sums(fake.sight, first, last))
        all_papers = per_paper(fake.sight, first, last)
        share = recall(true, sums(all_papers, first, last), first, last)
        figures["one query per paper"].add(len(all_papers), share)
        for budget, reader in readers.items():
            reads = reader.look(datetime.fromtimestamp(fake.now - 7 * 24 * HOUR, UTC))
            share = recall(true, reader.scores(), first, last)
            figures[f"policy, {budget} a day"].add(reads, share)
            share = recall(true, sums(fake.sight[:reads], first, last), first, last)
            figures[f"newest, as many as {budget}"].add(reads, share)
    week = ((post, *post.counts(fake.now)) for post in made)
    true = best(sums(week, 2 * PAPERS, last))
    for budget, reader in readers.items():
        share = recall(true, reader.scores(), 2 * PAPERS, last)
        figures[f"policy, {budget} a day"].weeks.append(share)
    return figures


def announced(day: int) -> date:
    return (FIRST + timedelta(days=day)).date()


def line(name: str, of: Figures, whole: float) -> str:
    reads = statistics.median(of.reads)
    recalls = (
        f"{statistics.median(of.recalls):.2f} ({min(of.recalls):.2f} to {max(of.recalls):.2f})"
    )
    mean = f"{statistics.mean(of.recalls):.3f}"
    weeks = f"{statistics.median(of.weeks):.2f}" if of.weeks else ""
    share, dollars = f"{reads / whole:.1%}", f"${reads * DOLLARS:,.2f}"
    return f"{name:<24}{reads:>8,.0f}{share:>8}{dollars:>10}  {recalls:<21}{mean:>7}{weeks:>7}"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--archive", type=Path)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hard", action="store_true", help="attention spread over many posts")
    parser.add_argument("--budgets", default="100,200,500,1000,2000")
    wanted = parser.parse_args()
    budgets = [int(one) for one in wanted.budgets.split(",")]
    heads = archived(wanted.archive) if wanted.archive else []
    world = World(spread=3, bots_likes=0.5) if wanted.hard else World()
    server = Server()
    begun = time.monotonic()
    figures: dict[str, Figures] = defaultdict(Figures)
    for seed in range(wanted.seeds):
        played = play(seed, wanted.days, budgets, heads, server, world)
        for name, of in played.items():
            figures[name].reads += of.reads
            figures[name].recalls += of.recalls
            figures[name].weeks += of.weeks
    server.shutdown()
    shape = f"{len(heads)} days of the archive" if heads else "invented days"
    if wanted.archive and not heads:
        print(f"{wanted.archive}: no day lists five papers")
    print(
        f"{PAPERS} papers, {POSTS:,} posts a day; {wanted.days} days, {wanted.seeds} seeds; {shape}"
    )
    print(f"Python {platform.python_version()}, {time.monotonic() - begun:.0f} s")
    print(
        f"{'':<24}{'reads':>8}{'of all':>8}{'a day':>10}  {'recall@20 (range)':<21}"
        f"{'mean':>7}{'week':>7}"
    )
    whole = statistics.median(figures["one query per paper"].reads)
    for name in sorted(figures, key=lambda name: (name.split()[0] != "one", name.split()[0])):
        print(line(name, figures[name], whole))


if __name__ == "__main__":
    main()
