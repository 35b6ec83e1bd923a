"""The words of trendbot as types, and the three ports to the world.

Everything here is immutable and free of I/O. Dates are the dates arXiv prints on its
listing pages; times are aware UTC datetimes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

Day = date  # where a field is called date, the name no longer means the type


class Cadence(StrEnum):
    """How often a digest is made, and for which stretch of days."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class By(StrEnum):
    """What a ranking is by."""

    TOTAL = "total"  # retweets + favorites
    RISING = "rising"  # how fast they grow
    FIELD = "field"  # how a paper does among those of its primary category


class Status(StrEnum):
    """Where a subscriber stands; only an active one gets mail."""

    PENDING = "pending"
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    ERASED = "erased"  # only a keyed hash of the address is left


class DeliveryState(StrEnum):
    """What became of one (digest, subscriber) pair so far."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Paper:
    """One scholarly work, keyed by (source, unversioned id).

    `categories` begins with the primary one. `announced` is the date the source printed
    when it first listed the paper. `links` maps a short name ("abs", "pdf", "html") to an
    http(s) address. Title, authors, abstract and comments are plain text, possibly with
    TeX in them, exactly as hostile as their authors made them.
    """

    source: str
    id: str
    title: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    announced: date
    abstract: str = ""
    comments: str = ""
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """`source:id`, for example `arxiv:2106.06561`."""
        return f"{self.source}:{self.id}"


@dataclass(frozen=True, slots=True)
class Reading:
    """A post's counts at one moment, in trendbot's words, whatever the network calls them."""

    taken_at: datetime
    retweets: int
    favorites: int
    replies: int = 0

    @property
    def total(self) -> int:
        """Retweets + favorites."""
        return self.retweets + self.favorites


@dataclass(frozen=True, slots=True)
class Post:
    """One public item on a signal that links to papers; a repost is never a post.

    `papers` holds the keys of the papers it links to. `reading` is None where the counts
    are not known, which is not the same as zero. `listed_on` is set only for the total an
    archive printed in the list of that day: such a post counts in windows that hold the
    day, and of several totals of one paper on one signal only the last counts. `automated`
    is what the network itself says of the account. `shared`: it links to more papers than
    one, and counts for each. `flag` says why its newest counts cannot be true; "" if they can.
    `seen_at` is when a look last found it; None where none did, or that is not known.
    `label` is what the account gave itself away as: automated, titles (it repeats them); known,
    where the settings say so; or "".
    `lapsed`: no look found it for a day, so that it does not count until one does.
    """

    signal: str
    id: str
    papers: tuple[str, ...]
    author: str
    url: str
    posted_at: datetime
    text: str = ""
    reading: Reading | None = None
    listed_on: date | None = None
    automated: bool = False
    shared: bool = False
    flag: str = ""
    seen_at: datetime | None = None
    label: str = ""
    lapsed: bool = False


@dataclass(frozen=True, slots=True)
class Gone:
    """A post that was there once and is not any more: it must vanish here, too."""

    signal: str
    id: str


@dataclass(frozen=True, slots=True)
class There:
    """A known post that was there at `seen_at`; its counts were not read."""

    signal: str
    id: str
    seen_at: datetime


class Tally(NamedTuple):
    """What one signal adds to a paper: the posts that count and the sums of their counts.

    `growth` is retweets + favorites a day, by the last readings; `measured_at` the newest
    reading. `left_out` posts do not count: repeats of one account, flagged ones. A `flag`
    says why none of it counts in rankings; "" if it does. (A tuple, as rankings make hundreds
    of thousands of them.)
    """

    posts: int
    retweets: int
    favorites: int
    growth: float = 0.0
    measured_at: datetime | None = None
    left_out: int = 0
    flag: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """What was known of a paper at a moment: posts measured by then, the sums of their counts."""

    at: datetime
    posts: int
    retweets: int
    favorites: int


@dataclass(frozen=True, slots=True)
class RankedPaper:
    """A paper with its place in a ranking and the counts that put it there.

    `merit` is what the order is by: the score, the growth, or the percentile within the
    paper's field. `movement` is told against the last digest: new, back, up 3, down 2, same;
    "" where that is not known.
    """

    rank: int
    paper: Paper
    score: float
    retweets: int
    favorites: int
    signals: Mapping[str, Tally]
    merit: float = 0.0
    movement: str = ""


@dataclass(frozen=True, slots=True)
class Digest:
    """One frozen, ranked list for (cadence, date).

    Covers the papers announced from `since` to `until`, both included. `counted_at` is the
    moment of the newest reading in it: later ones have no part in it. `made_at` is when it
    was frozen. `by` is what its order is by. `heard` tells of each signal whether it
    answered; None where that was not written down.
    """

    id: int
    cadence: Cadence
    date: Day
    since: Day
    until: Day
    counted_at: datetime
    made_at: datetime
    papers: tuple[RankedPaper, ...]
    by: By = By.TOTAL
    heard: Mapping[str, bool] | None = None


@dataclass(frozen=True, slots=True)
class Filed:
    """A digest without its papers: where it stands in the archive, and how many it has."""

    cadence: Cadence
    date: Day
    since: Day
    until: Day
    made_at: datetime
    papers: int


@dataclass(frozen=True, slots=True)
class Segment:
    """What the subscribers who get the same content asked for.

    No `topics` are all topics. Of the papers whose primary category is in `fewer`, only
    the best third is shown.
    """

    topics: tuple[str, ...] = ()
    fewer: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Taste:
    """What a subscriber wants, and when.

    `hour` is the hour of the day, 0 to 23, in the time zone named `timezone` ("" is the
    site's), from which a digest that is made may arrive; None is as soon as it is made.
    """

    cadence: Cadence = Cadence.DAILY
    topics: tuple[str, ...] = ()
    fewer: tuple[str, ...] = ()
    hour: int | None = None
    timezone: str = ""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An address and what its owner wants; no topics means all of them.

    `paused_until` is the first day on which mail comes again, if it was paused.
    """

    id: int
    email: str
    status: Status
    cadence: Cadence
    topics: tuple[str, ...]
    created_at: datetime
    confirmed_at: datetime | None = None
    hour: int | None = None
    timezone: str = ""
    paused_until: Day | None = None
    fewer: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mail:
    """One message ready for the wire.

    `id` tells the outcome's owner which mail it was (a delivery's subscriber id).
    `message` is RFC 5322 bytes that go over the wire as they are: CRLF line ends, the last
    line's too, no line over 998 octets, none that begins with a dot, 7-bit unless the
    recipient is not ASCII (RFC 6532). It must not leave before `time.monotonic()` is
    `not_before`.
    """

    id: int
    sender: str
    recipient: str
    message_id: str
    message: bytes
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transport can say about one mail.

    `state` is sent, deferred, failed, suppressed (the address is bad for good) or
    uncertain (handed over, no answer). `code` is the SMTP reply code, 0 where there was
    none; `detail` one line for the operator; `seconds` how long the mail was under way.
    """

    mail_id: int
    state: DeliveryState
    code: int = 0
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How many mails may leave, by all processes together; 0 is no limit."""

    per_second: float = 0.0
    per_hour: int = 0


class PaperSource(Protocol):
    """Where papers come from."""

    def fetch(self, since: date, until: date) -> Iterable[Paper]:
        """Yield each paper newly announced from `since` to `until`, both included, once.

        Nothing announced yields nothing. Raises SourceError when the source cannot be
        asked or understood, also after some papers were yielded.
        """
        ...

    def check(self) -> str:
        """Ask the source once, cheaply; return one line on what answered or raise SourceError."""
        ...


class Signal(Protocol):
    """Where attention is measured. `every` is the shortest pause between two looks."""

    every: timedelta

    def measure(self, papers: Sequence[Paper], since: datetime) -> "Iterable[Post | Gone | There]":
        """Yield the posts since `since` that link to any of `papers`, each with its reading.

        The papers come the most promising first. Of posts known from earlier looks that
        were looked for again and are not there any more, a Gone is yielded; of those that
        are, and were not read again, a There. Raises
        SignalError when the signal cannot be asked or understood, also after some
        posts were yielded, and SignalStopped when it must rest until the next UTC day.
        """
        ...

    def check(self) -> str:
        """Ask the signal once, cheaply; return one line on what answered or raise SignalError."""
        ...


class Transport(Protocol):
    """How mails leave.

    `repeatable` is True where sending the same Message-ID twice leaves one copy. `limits`
    are for the caller to keep, who knows of other processes.
    """

    repeatable: bool
    limits: Limits

    def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
        """Send the mails and yield one outcome for each, in any order.

        Takes a mail only when it can begin with it soon. What it opened may stay open for
        the next call. Raises TransportError when the server refuses us as a sender; mails
        without an outcome by then were not handed over.
        """
        ...

    def close(self) -> None:
        """Close what `send` left open; it may be called again all the same."""
        ...

    def check(self) -> str:
        """Connect and log in without sending; return one line or raise TransportError."""
        ...
