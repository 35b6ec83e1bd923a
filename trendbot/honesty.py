"""Which counts cannot be true, and which posts say nothing of their own; pure.

Each rule about counts answers with a flag, a few words for its reason, or "" where nothing
is wrong. `wording.why` says it to readers.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from math import isqrt

from trendbot.model import Reading

UNLIKED = "retweets without favorites"
SQUARE = "retweets are a square"
JUMP = "counts that jump"
AUTOMATED, TITLES, KNOWN = "automated", "titles", "known"

FEWEST_RETWEETS = 20  # below, anything may be
MOST_PER_FAVORITE = 10
SMALLEST_ROOT = 5


def impossible_total(retweets: int, favorites: int) -> str:
    """Why a total that an archive printed cannot be true; "" if it can.

    Who adds up search results that hold every retweet as a post of its own, with the
    original's count and no favorites, prints k² or k·(k+1) for k retweets, and more retweets
    than favorites. Where the results were cut at a hundred it is 100·k, which shows as
    retweets with hardly a favorite.
    """
    if retweets >= FEWEST_RETWEETS and retweets > MOST_PER_FAVORITE * favorites:
        return UNLIKED
    if retweets > favorites and is_square(retweets):
        return SQUARE
    return ""


def is_square(retweets: int) -> bool:
    """Whether it is k² or k·(k+1) of a k of at least five."""
    root = isqrt(retweets)
    return root >= SMALLEST_ROOT and retweets in (root * root, root * (root + 1))


def doubt(believed: Reading | None, jumped: Reading | None, new: Reading) -> str:
    """Why the reading `new` of a post is not believed; "" if it is.

    `believed` is the last reading that was, if any, and `jumped` the one just before `new`
    if that one was doubted as a jump. A jump is a total (retweets + favorites) more than
    1,000 above the believed one and more than 20 times it, or less than half of one of 100
    or more. It is believed when the next reading confirms it: two in a row that agree within
    a factor of two. The first reading of a post cannot jump.
    """
    if new.retweets >= FEWEST_RETWEETS and new.favorites == 0:
        return UNLIKED
    if believed is None or not _jumps(believed.total, new.total):
        return ""
    if jumped is not None and _agree(jumped.total, new.total):
        return ""
    return JUMP


def doubts(readings: Iterable[Reading]) -> list[str]:
    """The flag of each reading of a post, which come in the order of their moments.

    It depends on earlier readings alone, so that what was believed at a moment stays so.
    """
    flags = []
    believed = jumped = None
    for new in readings:
        flag = doubt(believed, jumped, new)
        believed = new if not flag else believed
        jumped = new if flag == JUMP else None
        flags.append(flag)
    return flags


def impossible(posts: int, retweets: int, favorites: int) -> str:
    """Why the sums over so many posts cannot be true; "" if they can.

    Retweets that came as posts of their own, each with the count of the original, add up to
    the square of their number, or with the original to the product with the next number,
    whichever of the two the posts are.
    """
    if posts < SMALLEST_ROOT or retweets <= favorites:
        return ""
    products = (posts * (posts - 1), posts * posts, posts * (posts + 1))
    return SQUARE if retweets in products else ""


def label(posts: int, titled: int, is_automated: bool) -> str:
    """What an account is: automated, as its network says; titles, by what it posts; or ""."""
    if is_automated:
        return AUTOMATED
    return TITLES if posts >= 10 and titled * 10 >= posts * 9 else ""


def account(signal: str, author: str) -> str:
    """A name for the account `author` on `signal`, 16 hex digits that tell nobody who it is.

    Writing it with @ or capitals makes no other one. "" for no author.
    """
    name = author.strip().lstrip("@").casefold()
    return _hash(f"{signal}:{name}") if name else ""


def known_accounts(bots: Iterable[str]) -> frozenset[str]:
    """The accounts that settings name as bots, each as `signal:author`."""
    return frozenset(account(*bot.split(":", 1)) for bot in bots)


def fingerprint(text: str) -> str:
    """16 hex digits, the same for posts that say the same beside their links; "" for nothing."""
    said = _words(_ADDRESS, text)
    return _hash(" ".join(said)) if said else ""


def repeats_title(text: str, title: str) -> bool:
    """Whether a post says no more than the title of its paper, and who wrote that.

    Links, handles, hashtags, arXiv's ids and categories, punctuation, case, emoji and words
    such as "new paper" do not matter, nor does what follows the title from "by" on. One word
    in ten may differ, and a title may be cut short if the text shows it.
    """
    wanted = _words_of_title(title)
    said = [word for word in _words(_MARKS, text) if word not in _AROUND or word in wanted]
    if not wanted or not said:
        return False
    if "by" in said[len(wanted) :]:
        said = said[: said.index("by", len(wanted))]
    if _is_cut(text) and len(said) > 4 and said[:-1] == wanted[: len(said) - 1]:
        return True
    enough = 9 * (len(said) + len(wanted))  # twentieths of a word
    if 20 * min(len(said), len(wanted)) < enough:
        return False  # as nearly always, without counting words
    return 20 * (Counter(said) & Counter(wanted)).total() >= enough


_LONGEST = 5_000  # characters of a text that are looked at
_ADDRESS = re.compile(r"https?://\S+|(?<![\w.@-])(?:[\w-]+\.)+[a-zA-Z]{2,}/\S*")
_MARKS = re.compile(
    rf"{_ADDRESS.pattern}|[@#][\w.@-]+|(?i:arxiv:)?\d{{4}}\.\d{{4,5}}(?:v\d+)?"
    r"|(?<!\w)[a-z-]{2,8}\.[A-Z]{2}(?!\w)"
)
_WORD = re.compile(r"[^\W_]+")
_AROUND = frozenset("a abs abstract arxiv article html link new paper pdf preprint via".split())


def _words(without: re.Pattern[str], text: str) -> list[str]:
    said = without.sub(" ", text[:_LONGEST])
    return _WORD.findall(unicodedata.normalize("NFKC", said).casefold())


@lru_cache(maxsize=2_000)  # a day's papers, each with many posts
def _words_of_title(title: str) -> list[str]:
    return _words(_MARKS, title)


def _is_cut(text: str) -> bool:
    return "…" in text or "..." in text


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _jumps(before: int, now: int) -> bool:
    return (now > before + 1_000 and now > 20 * before) or (before >= 100 and 2 * now < before)


def _agree(one: int, other: int) -> bool:
    return max(one, other) <= 2 * min(one, other)
