"""Posts of the Hot Papers archive: one Markdown file per day of arXiv announcements.

    ---                                   front matter, with title and slug naming the day
    # 1. Title                            entries, most popular first, each of
    First Author, Second Author
    - retweets: 17, favorites: 39 (06/17/2021 07:07:10)     the sums over all posts seen
    - links: [abs](…) | [pdf](…)
    - [cs.CV](…) | [cs.LG](…)             categories
    Abstract                              sometimes missing
    <blockquote class="twitter-tweet">    any number of quoted posts, without their counts

The printed totals become posts of the signal "hotpapers", one for each paper and day, those
that cannot be true with a flag; the quoted posts become posts of the signal "x" whose counts
are not known.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise, zip_longest

from bs4 import BeautifulSoup

from trendbot.errors import ArchiveError
from trendbot.honesty import impossible_total
from trendbot.model import Paper, Post, Reading

MAX_BYTES = 5_000_000  # the longest post of the archive has 72 kB

# The archive was made in Japan and printed its clock without a zone.
_PRINTED_ZONE = timezone(timedelta(hours=9))
# X counts the milliseconds in its ids from here: 2010-11-04 01:42:54.657 UTC.
_FIRST_ID_AT = datetime(2010, 11, 4, 1, 42, 54, 657_000, tzinfo=UTC)
# Spelled out, as strptime reads months in the language of the process.
_MONTHS = "January February March April May June July August September October November December"

_DAY = re.compile(r'(?:title: *"?Hot Papers |slug: *"?hot-papers-)([0-9]{4}-[0-9]{2}-[0-9]{2})"?')
_DAY_IN_NAME = re.compile(r"(?<![0-9])[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_TITLE = re.compile(r"#\s+[0-9]+\.\s+(\S.*)")
_AUTHORS = re.compile(r"(?!- |<)(.*\w.*)")
_COUNTS = re.compile(
    r"- retweets: ([0-9]{1,9}), favorites: ([0-9]{1,9}) "
    r"\(([0-9]{2})/([0-9]{2})/([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2})\)"
)
# https://info.arxiv.org/help/arxiv_identifier.html: identifiers since April 2007, and before
_ID = r"([0-9]{4}\.[0-9]{4,5}|[a-z-]{2,16}(?:\.[A-Z]{2})?/[0-9]{7})(?:v[0-9]+)?"
_LINKS = re.compile(
    rf"- links: \[abs\]\(https?://arxiv\.org/abs/{_ID}\)"
    rf" \| \[pdf\]\(https?://arxiv\.org/pdf/{_ID}(?:\.pdf)?\)"
)
_CATEGORY = r"\[([A-Za-z-]{2,16}(?:\.[A-Za-z-]{2,16})?)\]\([^()\s]*\)"
_CATEGORIES = re.compile(rf"- ({_CATEGORY}(?: \| {_CATEGORY})*)")
_STATUS = re.compile(
    r"https://(?:mobile\.)?(?:twitter|x)\.com/([A-Za-z0-9_]{1,50})/status/([0-9]{1,19})(?:\?.*)?"
)

# What each entry begins with, in this order.
_HEAD = (
    ("a heading such as '# 1. Title'", _TITLE),
    ("a line of authors", _AUTHORS),
    ("'- retweets: 1, favorites: 2 (MM/DD/YYYY hh:mm:ss)'", _COUNTS),
    ("'- links: [abs](…) | [pdf](…)' to one paper of arxiv.org", _LINKS),
    ("categories such as '- [cs.LG](…) | [cs.CL](…)'", _CATEGORIES),
)


@dataclass(frozen=True, slots=True)
class ArchiveDay:
    """One day of the archive: its papers as listed, and their posts."""

    day: date
    papers: tuple[Paper, ...]
    posts: tuple[Post, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str


def parse(name: str, data: bytes) -> ArchiveDay:
    """Read one post of the archive, the file `name` holding `data`.

    Every entry is read completely or the file is refused. UTF-8 that was once misread as
    Mac Roman is put right. A day without entries has no papers. Raises ArchiveError with
    file, line and what was expected there.
    """
    try:
        lines = [_Line(at, text.strip()) for at, text in enumerate(_text(data).split("\n"), 1)]
        day, body = _front_matter(name, [line for line in lines if line.text])
        entries = [_entry(lines, day) for lines in _split(body)]
        return ArchiveDay(day, tuple(_papers(entries)), tuple(_posts(entries)))
    except ArchiveError as error:
        raise ArchiveError(f"{name}: {error}; download the file again, or leave it out") from error


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise ArchiveError(f"is larger than {MAX_BYTES} bytes, which no Hot Papers post is")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ArchiveError(f"line {line}: is not UTF-8 text") from error
    text = re.sub(r"\r\n?", "\n", _unmangled(text).removeprefix("\ufeff"))
    if control := _CONTROL.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise ArchiveError(f"line {line}: holds the control character {control[0]!r}")
    return text


def _unmangled(text: str) -> str:
    """Undo UTF-8 misread as Mac Roman, where all of `text` is that ("‚Äô" for "’")."""
    try:
        return text.encode("mac_roman").decode("utf-8")
    except UnicodeError:
        return text


def _front_matter(name: str, lines: Sequence[_Line]) -> tuple[date, Sequence[_Line]]:
    """The day of the post, and its lines behind the front matter."""
    fences = [at for at, line in enumerate(lines) if line.text == "---"][:2]
    if len(fences) < 2 or fences[0] != 0:
        raise ArchiveError("line 1: no front matter between two lines '---', so no Hot Papers post")
    days = {
        match[1]: line.number for line in lines[: fences[1]] if (match := _DAY.fullmatch(line.text))
    }
    if len(days) != 1:
        found = " and ".join(sorted(days)) or "none"
        raise ArchiveError(f"line 1: title and slug must name one day of Hot Papers, found {found}")
    [(day, number)] = days.items()
    if (named := _DAY_IN_NAME.findall(name)) and day not in named:
        raise ArchiveError(f"line {number}: is a post of {day}, unlike the name of the file")
    return _date(number, *map(int, day.split("-"))), lines[fences[1] + 1 :]


def _split(lines: Sequence[_Line]) -> list[Sequence[_Line]]:
    """Cut the body into entries, each from its heading to the next one."""
    starts = [at for at, line in enumerate(lines) if line.text.startswith("# ")]
    if lines and starts[:1] != [0]:
        raise _unexpected(lines[0], "the heading of the first entry, '# 1. Title'")
    return [lines[start:end] for start, end in pairwise([*starts, len(lines)])]


def _entry(lines: Sequence[_Line], day: date) -> tuple[Paper, list[Post]]:
    title, authors, counts, links, categories = _head(lines)
    if links[1] != links[2]:
        raise _unexpected(lines[3], "links to one paper")
    rest = lines[len(_HEAD) :]
    if stray := next((line for line in rest if line.text.startswith("- retweets:")), None):
        raise _unexpected(stray, "a heading before these counts")
    quotes = [at for at, line in enumerate(rest) if line.text.startswith("<blockquote")]
    quotes.append(len(rest))
    paper = Paper(
        source="arxiv",
        id=links[1],
        title=" ".join(title[1].split()),
        authors=tuple(filter(None, map(str.strip, authors[1].split(",")))),
        categories=tuple(dict.fromkeys(re.findall(_CATEGORY, categories[1]))),
        announced=day,
        abstract=" ".join(line.text for line in rest[: quotes[0]]),
        links={kind: f"https://arxiv.org/{kind}/{links[1]}" for kind in ("abs", "pdf")},
    )
    tweets = [_tweet(rest[start:end], paper) for start, end in pairwise(quotes)]
    return paper, [_total(lines[2].number, counts, paper), *tweets]


def _head(lines: Sequence[_Line]) -> Iterator[re.Match[str]]:
    """Match the first lines of an entry with what they must be."""
    for (expected, pattern), line in zip_longest(_HEAD, lines[: len(_HEAD)]):
        if line is None:
            raise ArchiveError(f"line {lines[-1].number}: {expected} is missing after this line")
        if not (match := pattern.fullmatch(line.text)):
            raise _unexpected(line, expected)
        yield match


def _total(number: int, counts: re.Match[str], paper: Paper) -> Post:
    """The printed sums as a post. It leads to the paper, as the archive's pages may move."""
    retweets, favorites, month, day, year, *clock = map(int, counts.groups())
    hour, minute, second = clock
    try:
        printed = datetime(year, month, day, hour, minute, second, tzinfo=_PRINTED_ZONE)
    except ValueError as error:
        raise ArchiveError(f"line {number}: is printed at no possible time: {error}") from error
    return Post(
        signal="hotpapers",
        id=f"{paper.announced}/{paper.id}",
        papers=(paper.key,),
        author="daily-arxiv",
        url=paper.links["abs"],
        posted_at=datetime.combine(paper.announced, time(), UTC),
        reading=Reading(printed.astimezone(UTC), retweets, favorites),
        listed_on=paper.announced,
        flag=impossible_total(retweets, favorites),
    )


def _tweet(lines: Sequence[_Line], paper: Paper) -> Post:
    """One quoted post, from its blockquote to the next."""
    soup = BeautifulSoup("\n".join(line.text for line in lines), "html.parser")
    for script in soup("script"):
        script.extract()
    quote = soup.blockquote
    links = quote("a") if quote else []
    status = _STATUS.fullmatch(str(links[-1].get("href"))) if links else None
    if quote is None or status is None or quote("blockquote"):
        raise _unexpected(lines[0], "a quoted post that ends with the link to it")
    if soup.get_text().strip() != quote.extract().get_text().strip():
        raise _unexpected(lines[0], "nothing but quoted posts after the abstract")
    for line_break in quote("br"):
        line_break.append("\n")
    return Post(
        signal="x",
        id=status[2],
        papers=(paper.key,),
        author=status[1],
        url=f"https://x.com/i/web/status/{status[2]}",
        posted_at=_posted_at(lines[0].number, int(status[2]), links[-1].get_text()),
        text=_CONTROL.sub("", "\n".join(p.get_text() for p in quote("p"))).strip(),
    )


def _posted_at(number: int, status: int, printed: str) -> datetime:
    """The moment an X id holds, in milliseconds above its 22 low bits, else the printed date.

    Ids from before November 2010 hold no time, so the two must not be far apart.
    """
    match = re.fullmatch(r"([A-Z][a-z]+) ([0-9]{1,2}), ([0-9]{4})", printed.strip())
    if not match or match[1] not in _MONTHS.split():
        raise ArchiveError(f"line {number}: {printed[:40]!r} is no date of a post")
    day = _date(number, int(match[3]), _MONTHS.split().index(match[1]) + 1, int(match[2]))
    midnight = datetime.combine(day, time(), UTC)
    exact = _FIRST_ID_AT + timedelta(milliseconds=status >> 22)
    return exact if abs(exact - midnight) <= timedelta(days=2) else midnight


def _papers(entries: Iterable[tuple[Paper, list[Post]]]) -> Iterator[Paper]:
    seen = set()
    for paper, _ in entries:
        if paper.id in seen:
            raise ArchiveError(f"lists {paper.id} twice")
        seen.add(paper.id)
        yield paper


def _posts(entries: Iterable[tuple[Paper, list[Post]]]) -> Iterable[Post]:
    """All posts, one that is quoted for several papers once, with all of them."""
    merged: dict[tuple[str, str], Post] = {}
    for post in (post for _, posts in entries for post in posts):
        known = merged.setdefault((post.signal, post.id), post)
        papers = tuple(dict.fromkeys(known.papers + post.papers))
        merged[post.signal, post.id] = replace(known, papers=papers)
    return merged.values()


def _date(number: int, year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError as error:
        raise ArchiveError(f"line {number}: holds no possible date: {error}") from error


def _unexpected(line: _Line, expected: str) -> ArchiveError:
    return ArchiveError(f"line {line.number}: expected {expected}, found {line.text[:60]!r}")
