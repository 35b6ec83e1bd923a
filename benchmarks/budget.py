"""What X brings for the money: recall of the true top 20 against posts read.

    python benchmarks/budget.py [--archive FOLDER | --invented] [--days 5] [--seeds 3]
        [--budgets 200,1000] [--hard]

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
archive (those that come with trendbot, if no folder of it is given), or with --invented
those of an invented day of the same shape. Days until
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
import platform
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from simulating.fake_x import FakeX, Server
from simulating.posts import (
    HOUR,
    PAPERS,
    POSTS,
    Made,
    Seen,
    Totals,
    World,
    a_day,
    archived,
    invented,
    paper_id,
    sampled,
)
from simulating.reader import SIZE, Reader

from trendbot.model import Paper
from trendbot.signals.thrift import DOLLARS

FIRST = datetime(2026, 11, 16, tzinfo=UTC)
DIGEST_AT = timedelta(hours=30, minutes=30)
RECALL, SHARE = 0.95, 0.1  # to reach: so much of the true top 20, at so much of the reads


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
    dice, start = random.Random(seed), FIRST.timestamp()
    made: list[Made] = []
    for day in range(-2, days):
        head = dice.choice(heads) if heads else invented(dice)
        made += a_day((day + 2) * PAPERS, head, start + day * 24 * HOUR, dice, world)
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


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--archive",
        type=Path,
    )
    parser.add_argument("--invented", action="store_true", help="no days of an archive")
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hard", action="store_true", help="attention spread over many posts")
    parser.add_argument("--budgets", default="200,500,1000,2000,4000")
    return parser.parse_args()


def main() -> None:
    wanted = asked()
    budgets = [int(one) for one in wanted.budgets.split(",")]
    heads = archived(wanted.archive) if wanted.archive else sampled()
    heads = [] if wanted.invented else heads
    if wanted.archive and not heads:
        raise SystemExit(f"{wanted.archive}: no day of an archive lists five papers")
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
    print(verdict(figures, whole))


def verdict(figures: Mapping[str, Figures], whole: float) -> str:
    """Whether any budget reaches what is asked, by the mean over all days."""
    wanted = f"recall {RECALL} at {SHARE:.0%} of the reads of one query per paper"
    within = [
        of
        for name, of in figures.items()
        if name.startswith("policy") and statistics.median(of.reads) <= SHARE * whole
    ]
    best_of = max(statistics.mean(of.recalls) for of in within)
    return f"{wanted}: {'reached' if best_of >= RECALL else 'NOT reached'}, {best_of:.3f}"


if __name__ == "__main__":
    main()
