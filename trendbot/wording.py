"""How papers, counts and days are put into words, the same in every mail and page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from html import escape

from trendbot import honesty, tex, text
from trendbot.model import By, Cadence, Digest, Filed, RankedPaper, Segment, Tally, Taste

LONGEST_TITLE = 300
LONGEST_ABSTRACT = 350
LONGEST_NAME = 60
MOST_AUTHORS = 4
MOST_CATEGORIES = 5
MOST_SIGNALS = 6

# In the order in which they are listed.
SIGNAL_NAMES = {
    "x": "X",
    "bluesky": "Bluesky",
    "mastodon": "Mastodon",
    "hackernews": "Hacker News",
    "huggingface": "Hugging Face",
    "hotpapers": "Hot Papers archive, as printed (overcounts reposts)",
    "sample": "Hot Papers archive, as printed",
}
# Here a post is the paper's own page or a printed total: to say "1 post" would tell nothing.
_ONE_POST_PER_PAPER = frozenset(("hotpapers", "huggingface", "sample"))
_LINK_NAMES = {"abs": "Abstract", "pdf": "PDF", "html": "HTML"}

# RFC 3986 characters only, no user name before the host: nothing that could leave an
# attribute, a line or the scheme.
_HTTP_URL = re.compile(
    r"https?://[A-Za-z0-9.-]+(?::\d{1,5})?(?:[/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*)?"
)
_LONGEST_URL = 200  # as HTML


@dataclass(frozen=True, slots=True)
class Entry:
    """One ranked paper in words, clean and within bounds, but not escaped for HTML."""

    rank: int
    title: str
    authors: str
    categories: str
    counts: str
    signals: str
    abstract: str
    links: tuple[tuple[str, str], ...]

    @property
    def url(self) -> str:
        """Where the title leads: the abstract's page, or "" if there is no link."""
        return self.links[0][1] if self.links else ""


def entry(
    ranked: RankedPaper, title: int = LONGEST_TITLE, abstract: int = LONGEST_ABSTRACT
) -> Entry:
    """Put a paper into words, its title and abstract in at most so many characters."""
    paper = ranked.paper
    return Entry(
        rank=ranked.rank,
        title=text.cut(outside(paper.title), title) or paper.key,
        authors=byline(paper.authors),
        categories=", ".join(outside(one)[:20] for one in paper.categories[:MOST_CATEGORIES]),
        counts=counts(ranked.retweets, ranked.favorites),
        signals=by_signal(ranked.signals),
        abstract=text.opening(outside(paper.abstract), abstract) if abstract else "",
        links=links(paper.links),
    )


@lru_cache(maxsize=512)
def outside(written: str) -> str:
    """Text from outside, its TeX readable and nothing invisible left in it."""
    return text.clean(tex.readable(text.clean(written[: tex.LONGEST])))


def byline(authors: Sequence[str], most: int = MOST_AUTHORS) -> str:
    """The authors: all of them up to `most`, else "A, B, C and 12 others"."""
    shown = authors if len(authors) <= most else authors[: most - 1]
    names = ", ".join(text.cut(outside(name), LONGEST_NAME) for name in shown)
    rest = len(authors) - len(shown)
    return f"{names} and {rest} others" if rest else names


def counts(retweets: int, favorites: int) -> str:
    """For example "2,350 retweets · 1 favorite"."""
    return f"{many(retweets, 'retweet')} · {many(favorites, 'favorite')}"


def by_signal(signals: Mapping[str, Tally]) -> str:
    """What each signal counted: "X: 12 posts, 90 retweets; Hugging Face: 41 favorites".

    The counts of a single signal are those of the paper and not said twice; those that do
    not count are not said, but why.
    """
    said = []
    for name in sorted(signals, key=lambda name: weight(signals[name]))[:MOST_SIGNALS]:
        tally = signals[name]
        numbers = [posts(name, tally.posts)]
        if tally.flag:
            numbers.append(f"not counted ({why(tally.flag)})")
        elif len(signals) > 1:
            pairs = ((tally.retweets, "retweet"), (tally.favorites, "favorite"))
            numbers += [many(number, noun) for number, noun in pairs if number]
        counted = ", ".join(filter(None, numbers))
        said.append(f"{signal_name(name)}: {counted}" if counted else signal_name(name))
    return "; ".join(said)


def posts(signal: str, number: int) -> str:
    """For example "12 posts"; "" on a signal where that would tell nothing."""
    return "" if signal in _ONE_POST_PER_PAPER else many(number, "post")


def signal_name(name: str) -> str:
    """What people call a signal: "Hugging Face"."""
    return SIGNAL_NAMES.get(name) or text.cut(text.clean(name), 40)


def counted_line(heard: Mapping[str, bool], counted_at: datetime) -> str:
    """Whom the counts of a digest are of, and who did not answer.

    For example "Counted on X, Bluesky and Hugging Face at 06:40 UTC; Hacker News did not
    answer". `heard` says of each signal that was asked whether it answered.
    """
    asked = [name for name in SIGNAL_NAMES if name in heard]
    asked += sorted(name for name in heard if name not in SIGNAL_NAMES)
    counted = _listed([_network(name) for name in asked if heard[name]])
    silent = _listed([_network(name) for name in asked if not heard[name]])
    line = f"Counted{counted and ' on '}{counted} at {counted_at.astimezone(UTC):%H:%M} UTC"
    return f"{line}; {silent} did not answer" if silent else line


def _network(name: str) -> str:
    """A signal's name within a sentence: what is said of archives elsewhere stays out."""
    return "the Hot Papers archive" if name in ("hotpapers", "sample") else signal_name(name)


def _listed(names: Sequence[str]) -> str:
    """For example "X, Bluesky and Hugging Face"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def links(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The links to show, each with its name; only whole http(s) addresses pass."""
    return tuple(
        (name, given[key]) for key, name in _LINK_NAMES.items() if is_link(given.get(key, ""))
    )


def is_link(url: str) -> bool:
    """Whether this is a whole http(s) address that can stand in a mail or page as it is."""
    return len(escape(url)) <= _LONGEST_URL and _HTTP_URL.fullmatch(url) is not None


def introduction(ranked: int, shown: int, segment: Segment, by: By = By.TOTAL) -> str:
    """What the list is: so many papers of the digest were ranked, so many are shown, and why."""
    topics = ", ".join(segment.topics)
    if not shown:
        return f"No paper was ranked{' in ' + topics if topics else ''}."
    all_of_it = f"the {ranked} papers" if ranked > 1 else "the one paper"
    led = f"{all_of_it} {_LEADING[by][ranked > 1]}"
    less = f", with fewer of {', '.join(segment.fewer)}" if segment.fewer else ""
    if topics:
        return f"Of {led}, the {shown} in your topics: {topics}{less}."
    if less:
        return f"Of {led}, {shown}{less}."
    return f"{led[0].upper()}{led[1:]}."


# Of one paper, of several.
_LEADING = {
    By.TOTAL: 2 * ("with the most retweets and favorites",),
    By.RISING: 2 * ("whose retweets and favorites grow fastest",),
    By.FIELD: (
        "that is furthest ahead of its field in retweets and favorites",
        "that are furthest ahead of their fields in retweets and favorites",
    ),
}


def movements(digest: Digest) -> dict[int, str]:
    """Of each paper of a digest, by its rank, how it moved; without "new" if all of them are."""
    are_new = all(one.movement == "new" for one in digest.papers)
    return {one.rank: movement(one, digest.since, not are_new) for one in digest.papers}


def movement(ranked: RankedPaper, since: date, says_new: bool = False) -> str:
    """For example "new", "up 3", "back, late riser"; "" where there is nothing to say.

    A late riser was announced before the days of its digest, which begin with `since`.
    """
    untold = ("same",) if says_new else ("same", "new")
    moved = "" if ranked.movement in untold else text.cut(text.clean(ranked.movement), 20)
    late = "late riser" if ranked.paper.announced < since else ""
    return ", ".join(filter(None, (moved, late)))


_NEXT = {
    Cadence.DAILY: "after the next day with new papers",
    Cadence.WEEKLY: "after Sunday",
    Cadence.MONTHLY: "after the last day of the month",
}


def greeting(taste: Taste, name: str, has_digest: bool = True) -> str:
    """What a newcomer is told: what they get, and when to expect it."""
    hour = "" if taste.hour is None else f", from {taste.hour:02}:00 on"
    zone = f" ({taste.timezone})" if hour and taste.timezone else ""
    comes = f"comes {_NEXT[taste.cadence]}{hour}{zone}"
    latest = (
        f"This is the latest digest; the next one {comes}."
        if has_digest
        else f"There is no digest for you yet; the first one {comes}."
    )
    return f"You are subscribed to the {taste.cadence} digest of {name}. {latest}"


def heading(digest: Digest | Filed) -> str:
    """For example "Daily digest, Friday 20 November 2026"."""
    return f"{digest.cadence.capitalize()} digest, {period(digest)}"


def period(digest: Digest | Filed) -> str:
    """The days of the digest: "Friday 20 November 2026", "14 to 20 November 2026"."""
    if digest.cadence is Cadence.MONTHLY:
        return f"{digest.date:%B %Y}"
    if digest.since == digest.until:
        return f"{digest.date:%A} {spelled(digest.date)}"
    return f"{_short_of(digest.since, digest.until)} to {spelled(digest.until)}"


def filed(digest: Digest | Filed) -> str:
    """The date of the digest as short as it goes: "20 Nov 2026", "Nov 2026"."""
    month = f"{digest.date:%b %Y}"
    return month if digest.cadence is Cadence.MONTHLY else f"{digest.date.day} {month}"


def moment(when: datetime) -> str:
    """For example "20 November 2026, 06:30 UTC"."""
    utc = when.astimezone(UTC)
    return f"{spelled(utc.date())}, {utc:%H:%M} UTC"


def spelled(day: date) -> str:
    """For example "20 November 2026"."""
    return f"{day.day} {day:%B %Y}"


def _short_of(day: date, until: date) -> str:
    """`day` without the month and year it shares with `until`."""
    if day.year != until.year:
        return spelled(day)
    return f"{day.day}" if day.month == until.month else f"{day.day} {day:%B}"


def why(flag: str) -> str:
    """Why counts cannot be true, for people: "many retweets, hardly a favorite"."""
    return _REASONS.get(flag) or text.cut(text.clean(flag), 60)


_REASONS = {
    honesty.UNLIKED: "many retweets, hardly a favorite",
    honesty.SQUARE: "retweets counted again for every retweet",
    honesty.JUMP: "counts that jumped at once",
}


def many(number: int, noun: str) -> str:
    """For example "2,350 posts", "1 post"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def weight(tally: Tally) -> tuple[bool, int]:
    """What counts most comes first, what does not count last."""
    return bool(tally.flag), -tally.retweets - tally.favorites
