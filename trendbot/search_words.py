"""What people type into the search box, and what of a text it finds; pure.

Texts are indexed and asked for in the same words (`folded`), so that both databases cut
them alike. What a query means does not depend on the database either:

    graph colouring      both words, anywhere in a paper
    "graph colouring"    one after the other; so are the parts of graph-colouring
    -kites               not this word; also -"two words"
    title:graph          in the title; author:quill among the authors
    cs.LG                in that category
    2611.00017           that paper; so are its addresses at arXiv, Hugging Face and doi.org

Everything else that is no letter or digit separates words.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from trendbot import text
from trendbot.links import papers_in
from trendbot.model import Paper
from trendbot.wording import outside

LONGEST_QUERY = 200  # characters
MOST_TERMS = 12
LONGEST_WORD = 50  # what is longer is two words; PostgreSQL takes up to 2,046 bytes

# What says nothing about a paper unless it stands in a phrase or alone.
STOP_WORDS = frozenset(
    (
        "a an and are as at be by can do for from how if in into is it its of on or our that the"
    ).split()
) | frozenset("their there these they this to we what when which with".split())


class Place(StrEnum):
    """Where a term is to stand."""

    ANYWHERE = ""
    TITLE = "title"
    AUTHORS = "author"
    MARKS = "marks"  # where a paper's id and categories are


@dataclass(frozen=True, slots=True)
class Term:
    """Folded words, one after the other, and where."""

    words: tuple[str, ...]
    place: Place = Place.ANYWHERE


@dataclass(frozen=True, slots=True)
class Words:
    """What was asked for: all of `wanted`, none of `excluded`; nothing at all is false."""

    wanted: tuple[Term, ...] = ()
    excluded: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.wanted or self.excluded)


_CHUNK = re.compile(
    r"""(?P<minus>(?<!\S)-)?(?:(?P<place>title|author):)?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))""",
    re.IGNORECASE,
)
_QUOTES = str.maketrans("“”„«»", '"""""')

# The archives of https://arxiv.org/category_taxonomy; those with a hyphen are no words.
_ARCHIVES = (
    "astro-ph|cond-mat|cs|econ|eess|gr-qc|hep-ex|hep-lat|hep-ph|hep-th|math|math-ph|nlin"
    "|nucl-ex|nucl-th|physics|q-bio|q-fin|quant-ph|stat"
)
_CATEGORY = re.compile(
    rf"(?:{_ARCHIVES})\.[a-z-]{{2,15}}|(?=[a-z]+-)(?:{_ARCHIVES})", re.IGNORECASE
)

# What stands before an id makes an address of it, if it is none yet.
_BEFORE_ID = ("", "https://", "https://arxiv.org/abs/", "https://doi.org/")
_ID_PREFIX = re.compile(r"(?:arxiv|doi):(?=\S)", re.IGNORECASE)


def parse(typed: str) -> Words:
    """The meaning of a query; never fails. Bounded to 200 characters and 12 terms."""
    asked = outside(text.cut(typed[: 20 * LONGEST_QUERY].strip(), LONGEST_QUERY))
    wanted: list[Term] = []
    excluded: list[Term] = []
    for chunk in _CHUNK.finditer(asked.translate(_QUOTES)):
        term = _term(chunk["phrase"], chunk["word"] or "", Place((chunk["place"] or "").lower()))
        if term and len(wanted) + len(excluded) < MOST_TERMS:
            (excluded if chunk["minus"] else wanted).append(term)
    return Words(_telling(wanted), tuple(excluded))


def _term(phrase: str | None, word: str, place: Place) -> Term | None:
    if place is Place.ANYWHERE and (mark := _mark(word)):
        return mark
    words = tuple(folded(phrase or word).split()[:MOST_TERMS])
    return Term(words, place) if words else None


def _telling(wanted: Sequence[Term]) -> tuple[Term, ...]:
    """Without stop words, unless there is nothing else."""
    telling = [term for term in wanted if len(term.words) > 1 or term.words[0] not in STOP_WORDS]
    return tuple(telling or wanted)


def _mark(word: str) -> Term | None:
    if _CATEGORY.fullmatch(word):
        return in_category(word)
    bare = _ID_PREFIX.sub("", word, count=1)
    for before in _BEFORE_ID:
        if key := papers_in(before + bare):
            return with_id(key.removeprefix("arxiv:"))
    return None


def in_category(category: str) -> Term:
    """Finds the papers of a category, or of a whole archive ("cs")."""
    return _marked("in", category)


def with_id(paper_id: str) -> Term:
    """Finds a paper by its id; an old one with or without its subject class, math.GT/0309136."""
    return _marked("id", re.sub(r"\.[A-Z]{2}/", "/", paper_id))


def _marked(kind: str, name: str) -> Term:
    # The full stop keeps stemmers away, and the colon apart from every word.
    mark = f"{kind}:{re.sub('[^a-z0-9./-]', '_', name.lower())}."
    return Term((mark,), Place.MARKS)


def marks(paper: Paper) -> list[str]:
    """The words under which a paper is indexed besides those of its text."""
    archives = [category.split(".")[0] for category in paper.categories]
    terms = [with_id(paper.id), *map(in_category, [*paper.categories, *archives])]
    return sorted({EVERY_PAPER.words[0], *(term.words[0] for term in terms)})


EVERY_PAPER = Term(("all:.",), Place.MARKS)

# Letters that are no letter with an accent to Unicode, as people type them who lack them.
_LETTERS = str.maketrans(
    {"æ": "ae", "ð": "d", "ø": "o", "þ": "th", "đ": "d", "ħ": "h", "ı": "i", "ł": "l", "œ": "oe"}
)
_WORD = re.compile(rf"[^\W_]{{1,{LONGEST_WORD}}}")


def folded(written: str) -> str:
    """The words of a text, joined by spaces: lower case, no accents, compatibility forms."""
    lowered = unicodedata.normalize("NFKD", written).casefold()
    if not lowered.isascii():
        decomposed = unicodedata.normalize("NFKD", lowered).translate(_LETTERS)
        lowered = "".join(map(_bare, decomposed))
    return " ".join(_WORD.findall(lowered))


def _bare(sign: str) -> str:
    """Without marks; PostgreSQL does not take numbers that are no digits for words."""
    kind = unicodedata.category(sign)
    return " " if kind == "No" else "" if kind[0] == "M" else sign


# Endings that words of one stem differ by; a guess at what the databases' stemmers do.
_ENDINGS = frozenset(
    "s e es ed d ing ings y ies ied i er ers or ors ion ions ation ations ate ates ated ating "
    "ive al ally ly ment ments ness ize izes ized izing izer izers ization izations".split()
) | {""}
_SHORTEST_STEM = 3

# A word as it is written: with the accents that may stand apart from their letters.
_WRITTEN = re.compile("(?:[^\\W_][\u0300-\u036f]*)+")


def highlights(readable: str, words: Words) -> list[tuple[str, bool]]:
    """Cut a text into pieces, each with whether it is what was asked for.

    `readable` is as `wording.outside` gives it; the pieces joined are the same text. Whole
    words are marked, and phrases only as such. Two words are taken for one where they begin
    with the same three letters or more and differ after that by usual English endings
    ("network", "networks"; "study", "studies"); case and accents do not matter.
    """
    pieces: list[tuple[str, bool]] = []
    done = 0
    for start, end in _found(readable, words):
        if start > done:
            pieces.append((readable[done:start], False))
        if end > done:
            pieces.append((readable[max(start, done) : end], True))
            done = end
    return [*pieces, (readable[done:], False)] if done < len(readable) else pieces


def snippet(readable: str, words: Words, length: int) -> str:
    """At most `length` characters of a text, from a little before what was asked for first."""
    first = next(iter(_found(readable, words)), (0, 0))[0]
    if len(readable) <= length or first < length // 2:
        return text.cut(readable, length)
    start = max(0, min(first - length // 4, len(readable) - length + 2))
    start = readable.find(" ", start, first) + 1 or first
    return text.cut(f"… {readable[start:]}", length)


def _found(readable: str, words: Words) -> list[tuple[int, int]]:
    """Where the wanted terms stand, each as (start, end), in the order of their starts."""
    spots = [
        (run.start(), run.end(), word)
        for run in _WRITTEN.finditer(readable)
        for word in _folded_words(run[0])
    ]
    by_start: dict[str, list[Term]] = {}
    for term in words.wanted:
        by_start.setdefault(term.words[0][:_SHORTEST_STEM], []).append(term)
    return [
        (start, spots[number + len(term.words) - 1][1])
        for number, (start, _, word) in enumerate(spots)
        for term in by_start.get(word[:_SHORTEST_STEM], ())
        if _is_there(term, [one for _, _, one in spots[number : number + len(term.words)]])
    ]


def _is_there(term: Term, said: Sequence[str]) -> bool:
    return len(said) == len(term.words) and all(map(_is_alike, term.words, said))


@lru_cache(maxsize=4096)
def _folded_words(written: str) -> tuple[str, ...]:
    return tuple(folded(written).split())


def _is_alike(one: str, other: str) -> bool:
    if one == other:
        return True
    shared = 0
    while one[shared : shared + 1] == other[shared : shared + 1] != "":
        shared += 1
    return shared >= _SHORTEST_STEM and _ENDINGS.issuperset(
        (_ending(one, shared), _ending(other, shared))
    )


def _ending(word: str, shared: int) -> str:
    """What follows the shared letters, without a doubled consonant: plan, planning."""
    rest = word[shared:]
    return rest[1:] if rest[:1] == word[shared - 1] else rest
