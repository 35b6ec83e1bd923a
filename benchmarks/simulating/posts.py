"""Posts that are made up: how attention for a day's papers is spread over them, and grows."""

import json
import math
import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from trendbot import hotpapers

PAPERS, POSTS = 1500, 50_000  # of a day
OVERCOUNTED_FROM = date(2020, 9, 18)
SAMPLE = Path(hotpapers.__file__).parent / "sample.json"
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


def sampled() -> list[Totals]:
    """The totals of the days of the archive that come with trendbot and list five papers."""
    days: dict[str, Totals] = defaultdict(list)
    for paper in json.loads(SAMPLE.read_text("utf-8"))["papers"]:
        total = paper["total"]
        days[paper["announced"]].append((total["retweets"], total["favorites"]))
    return [sorted(day, key=sum, reverse=True) for day in days.values() if len(day) >= 5]


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


def paper_id(number: int) -> str:
    return f"2611.{number:05}"
