"""What is known of a post: all that any look said of it, put together; without I/O.

However looks come in, in whichever order, parts and repetitions, what is known is the same:
what the post says is from the latest look, its links and readings are those of all looks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from trendbot import honesty, looks
from trendbot.model import Post, Reading

_NEVER = datetime.min.replace(tzinfo=UTC)
OPEN, LAPSED, CLOSED = "open", "lapsed", "closed"


class Look(NamedTuple):
    """What one look said of a post; of several the greatest, which is a latest one, counts."""

    seen_at: datetime
    text: str
    author: str
    url: str
    posted_at: datetime
    automated: bool
    flag: str


class Voice(NamedTuple):
    """Whose post it is, as a hash, and what it says: a title, which words, nothing ("")."""

    account: str
    titled: bool
    fingerprint: str


_NOBODY = Voice("", False, "")


@dataclass(frozen=True, slots=True)
class Known:
    """A post as it is kept. `papers` are the ids of those it links to, `readings` by moment;
    `written` are those that are stored already, with the flags they are stored with.

    Its `voice` stays when author and text are erased. `state` is open, lapsed or closed.
    """

    signal: str
    id: str
    listed_on: date | None
    look: Look
    papers: frozenset[int]
    shared: bool
    voice: Voice
    readings: Mapping[datetime, Reading]
    state: str = OPEN
    written: Mapping[datetime, tuple[Reading, str]] = field(default_factory=dict, compare=False)

    def flags(self) -> dict[datetime, str]:
        """The flag of each reading; what an archive printed is taken as printed."""
        if self.listed_on is not None:
            return dict.fromkeys(self.readings, "")
        moments = sorted(self.readings)
        found = honesty.doubts(self.readings[moment] for moment in moments)
        return dict(zip(moments, found, strict=True))

    def unwritten(self) -> Iterator[tuple[Reading, str]]:
        """The readings that are not stored as they are now, with their flags."""
        for moment, flag in self.flags().items():
            if self.written.get(moment) != (self.readings[moment], flag):
                yield self.readings[moment], flag

    def row(self) -> dict[str, Any]:
        """The columns of the table of posts."""
        look = self.look
        return {
            "signal": self.signal,
            "external_id": self.id,
            "author": look.author,
            "url": look.url,
            "text": look.text,
            "posted_at": look.posted_at,
            "listed_on": self.listed_on,
            "shared": self.shared,
            "automated": look.automated,
            **self.voice._asdict(),
            "seen_at": None if look.seen_at == _NEVER else look.seen_at,
            "state": self.state,
            **self._counts(),
        }

    def _counts(self) -> dict[str, Any]:
        """The latest reading that is believed, how the post grows, when to look again."""
        flags = self.flags()
        moments = sorted(flags)
        believed = [self.readings[moment] for moment in moments if not flags[moment]]
        last = believed[-1] if believed else None
        is_total = self.listed_on is not None
        growth = 0.0 if is_total else looks.growth(self.look.posted_at, believed)
        flag = flags[moments[-1]] if moments else ""
        look_at = None
        if moments and not is_total:
            total = last.total if last else 0
            posted_at = self.look.posted_at
            look_at = looks.next_look(posted_at, moments[-1], total, growth, flag == honesty.JUMP)
        return {
            "measured_at": last and last.taken_at,
            "retweets": last.retweets if last else 0,
            "favorites": last.favorites if last else 0,
            "replies": last.replies if last else 0,
            "growth": growth,
            "flag": self.look.flag if is_total else flag,
            "look_at": look_at,
        }


def put_together(
    stored: Known | None, found: Sequence[Post], ids: Mapping[str, int], titles: Mapping[int, str]
) -> Known:
    """What is known of a post after looks that `found` it.

    `ids` are those of the known papers by their keys, `titles` those of all papers that it
    links to by their ids.
    """
    newest = max(_look(post) for post in found)
    look = max(stored.look, newest) if stored else newest
    papers = {ids[key] for post in found for key in post.papers if key in ids}
    shared = any(len(set(post.papers)) > 1 for post in found)
    listed_on = max((post.listed_on for post in found if post.listed_on), default=None)
    if stored:
        papers |= stored.papers
        shared |= stored.shared
        listed_on = stored.listed_on
    state = stored.state if stored and stored.look.seen_at >= newest.seen_at else OPEN
    if listed_on:
        state, voice = CLOSED, _NOBODY  # what an archive printed stays
    elif stored and stored.look == look and not (look.text or look.author):
        voice = stored.voice  # they were erased
    else:
        voice = _voice(look, found[0].signal, [titles[paper] for paper in papers])
    return Known(
        signal=found[0].signal,
        id=found[0].id,
        listed_on=listed_on,
        look=look,
        papers=frozenset(papers),
        shared=shared or len(papers) > 1,
        voice=voice,
        readings=_readings(stored, found),
        state=state,
        written=stored.written if stored else {},
    )


def stored(
    row: Mapping[Any, Any], papers: Iterable[int], readings: Iterable[tuple[Reading, str]]
) -> Known:
    """What was known of a post, from its row, its links, and its readings with their flags."""
    written = {one.taken_at: (one, flag) for one, flag in readings}
    flag = row["flag"] if row["listed_on"] is not None else ""
    return Known(
        signal=row["signal"],
        id=row["external_id"],
        listed_on=row["listed_on"],
        look=Look(
            row["seen_at"] or _NEVER,
            row["text"],
            row["author"],
            row["url"],
            row["posted_at"],
            row["automated"],
            flag,
        ),
        papers=frozenset(papers),
        shared=row["shared"],
        voice=Voice(row["account"], row["titled"], row["fingerprint"]),
        readings={moment: reading for moment, (reading, _) in written.items()},
        state=row["state"],
        written=written,
    )


def _look(post: Post) -> Look:
    seen_at = post.seen_at or (post.reading.taken_at if post.reading else _NEVER)
    flag = post.flag if post.listed_on is not None else ""
    return Look(seen_at, post.text, post.author, post.url, post.posted_at, post.automated, flag)


def _voice(look: Look, signal: str, titles: Iterable[str]) -> Voice:
    return Voice(
        account=honesty.account(signal, look.author),
        titled=any(honesty.repeats_title(look.text, title) for title in titles),
        fingerprint=honesty.fingerprint(look.text),
    )


def _readings(stored: Known | None, found: Sequence[Post]) -> dict[datetime, Reading]:
    """All readings; of two of one moment the lower, whichever came first."""
    readings = dict(stored.readings) if stored else {}
    for post in found:
        if (new := post.reading) is not None:
            known = readings.get(new.taken_at, new)
            readings[new.taken_at] = min(new, known, key=_height)
    return readings


def _height(reading: Reading) -> tuple[int, int, int]:
    return reading.total, reading.retweets, reading.replies
