"""What is true in a week: the counts and digests that one who did everything right has.

    truth = Truth(week, upstream)
    truth.counts(paper, moment)        what each network adds, by what it had told until then
    truth.daily(day, moment)           the ids of a daily digest made then, in order
    truth.made(papers, moment)         from here on it is one that readers have seen

Somebody can only know what was told: papers from the listings that were answered, posts with
the counts they had when a network last told of them after that. Among those count

    no reposts, nothing deleted, nothing that cannot be: twenty retweets and no favorite, or
    upvotes that come and go (`week.jumper`)
    of a bot's posts about one paper the best; of posts by one account that say the same, too
    nothing about papers of the last week that no network told of for a day, or in a compliance job
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tests.upstream.reply import Reply
from tests.upstream.server import Request, Upstream
from tests.upstream.week import BOTS, JUMP, Week
from tests.upstream.world import WorldPaper, WorldPost

LISTINGS = ("arxiv", "arxiv_api", "rss")
SIGNALS = {"mastodon_two": "mastodon"}  # networks that are one to trendbot
LATE_FOR = MEASURED_FOR = timedelta(days=7)
TOLD_FOR = timedelta(days=1)
UNLIKED = 20


@dataclass(frozen=True, slots=True)
class Count:
    """What one network adds to a paper."""

    posts: int
    retweets: int
    favorites: int


def worth(post: WorldPost) -> tuple[int, int]:
    """What the better of two posts has more of: retweets + favorites, else favorites."""
    return post.retweets + post.favorites, post.favorites


class Truth:
    """What could be known of a week by what its upstream told, and what follows from it."""

    def __init__(self, week: Week, upstream: Upstream) -> None:
        self.week = week
        self._upstream = upstream
        self._read = 0
        self._known: dict[str, datetime] = {}  # papers, by when they were first told of
        self._told: defaultdict[str, list[datetime]] = defaultdict(list)  # posts and entries
        self._there: defaultdict[str, list[datetime]] = defaultdict(list)  # by a compliance job
        self._about: defaultdict[str, list[WorldPost]] = defaultdict(list)
        self._shown: dict[str, int] = {}  # in a daily digest, by their score then
        self._counted_at: datetime | None = None  # the last one
        for post in week.world.posts:
            for url in post.urls:
                self._about[url.rpartition("/")[2]].append(post)

    def counts(self, paper: str, moment: datetime) -> dict[str, Count]:
        """By signal, what counts for a paper at that moment; a signal without posts is left out."""
        self._listen()
        votes: defaultdict[tuple[str, ...], list[WorldPost]] = defaultdict(list)
        for post in self._about[paper]:
            times = self._times(post.id, paper, moment)
            if post.repost_of or not post.exists(moment) or not times:
                continue
            if self._has_lapsed(paper, [*times, *self._there[post.id]], moment):
                continue
            if (seen := post.at(times[-1])).retweets < UNLIKED or seen.favorites:
                signal = SIGNALS.get(post.network, post.network)
                votes[signal, post.author, "" if post.author in BOTS else post.text].append(seen)
        counting: defaultdict[str, list[WorldPost]] = defaultdict(list)
        for (signal, *_), same in votes.items():
            counting[signal].append(max(same, key=worth))
        found = {
            signal: Count(
                len(posts), sum(one.retweets for one in posts), sum(one.favorites for one in posts)
            )
            for signal, posts in counting.items()
        }
        return found | self._upvotes(paper, moment)

    def score(self, paper: str, moment: datetime) -> int:
        """Retweets and favorites together."""
        return sum(one.retweets + one.favorites for one in self.counts(paper, moment).values())

    def daily(self, day: date, moment: datetime, size: int, is_news: bool = True) -> list[str]:
        """The papers of that day's digest: those of the day, and if it is mailed late risers."""
        scores: dict[str, int] = {}
        for paper in self._listed():
            score = self.score(paper.id, moment)
            is_late = is_news and self._is_late(paper, day, score)
            has_place = paper.announced == day or is_late
            if score and has_place and score >= 2 * self._shown.get(paper.id, 0):
                scores[paper.id] = score
        return self._in_order(scores, moment)[:size]

    def best(self, since: date, until: date, moment: datetime) -> list[str]:
        """The papers announced in a stretch of days, best first."""
        scores = {
            paper.id: self.score(paper.id, moment)
            for paper in self._listed()
            if since <= paper.announced <= until
        }
        return self._in_order({one: score for one, score in scores.items() if score}, moment)

    def made(self, papers: list[str], moment: datetime, is_news: bool = True) -> None:
        """A daily digest of these papers was made, counted by that moment."""
        for paper in papers:
            self._shown[paper] = self.score(paper, moment)
        self._counted_at = moment if is_news else self._counted_at

    def _listed(self) -> list[WorldPaper]:
        self._listen()
        return [paper for paper in self.week.world.papers if paper.id in self._known]

    def _is_late(self, paper: WorldPaper, day: date, score: int) -> bool:
        """Whether it is of the week before and took off since the last digest."""
        if not day - LATE_FOR <= paper.announced < day or self._counted_at is None:
            return False
        return paper.id in self._shown or score >= 2 * self.score(paper.id, self._counted_at)

    def _in_order(self, scores: dict[str, int], moment: datetime) -> list[str]:
        def place(paper: str) -> tuple[int, int, str]:
            favorites = sum(one.favorites for one in self.counts(paper, moment).values())
            return -scores[paper], -favorites, paper

        return sorted(scores, key=place)

    def _upvotes(self, paper: str, moment: datetime) -> dict[str, Count]:
        entry = next((one for one in self.week.world.entries if one.paper_id == paper), None)
        times = self._times(paper, paper, moment)
        if entry is self.week.world.entry(self.week.jumper.id):
            times = [one for one in times if not JUMP[0] <= one < JUMP[1]]
        if entry is None or not times or self._has_lapsed(paper, times, moment):
            return {}
        return {"huggingface": Count(1, 0, entry.at(times[-1]).upvotes)}

    def _has_lapsed(self, paper: str, times: list[datetime], moment: datetime) -> bool:
        """Whether a paper is measured, and what is about it was not there for a day."""
        found = self.week.world.paper(paper)
        assert found is not None
        is_measured = found.announced >= moment.date() - MEASURED_FOR
        return is_measured and max(one for one in times if one <= moment) < moment - TOLD_FOR

    def _times(self, name: str, paper: str, moment: datetime) -> list[datetime]:
        """When somebody who knew the paper was told of a post or an entry, up to a moment."""
        if paper not in self._known:
            return []
        return [one for one in self._told[name] if self._known[paper] <= one <= moment]

    def _listen(self) -> None:
        """Note what was told since this was last asked."""
        new = self._upstream.replies[self._read :]
        self._read += len(new)
        for request, reply in new:
            if reply.status == 200 and request.service in LISTINGS:
                for paper in re.findall(r"\b\d{4}\.\d{5}\b", reply.body.decode()):
                    self._known.setdefault(paper, request.at)
            elif reply.status == 200:
                self._note(request, reply)

    def _note(self, request: Request, reply: Reply) -> None:
        if request.service == "x_storage":
            for post_id in request.query.get("body", "").split():
                self._there[post_id].append(request.at)
            return
        for name in set(re.findall(r'"([^"\\\s]+)"', reply.body.decode())):
            self._told[name].append(request.at)
