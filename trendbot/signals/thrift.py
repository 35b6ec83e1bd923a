"""What to read for the money: how much the search may take, from which likes on, what again.

Pure: it decides and asks nothing. A day goes like this:

1. some of the budget is kept for known posts of contenders that the search will not return
2. the posts a search would return are counted at rising floors of likes, from the lowest
   that is wanted, until the lowest floor is known whose posts fit the rest of the budget
3. the search reads them; a later one on the same day begins where it ended
4. where that floor is not the lowest, a sixth of its reads was left for posts with fewer
   likes about the papers that are near the cut, for these decide who makes it

Counting costs as much as reading one post. The lowest floor is counted first, for on most
days of a large budget it fits; if not, the other rungs of the ladder are halved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

DOLLARS = 0.005  # for a post read, and for a request that counts posts
SMALLEST_PAGE = 10  # of a search: with less room it asks for nothing
MOST_COUNTS = 5  # a day
COUNTS_SHARE = 10  # of so many reads one may go into counting
KEPT_SHARE = 8  # of so many reads one is kept for known posts
CLOSER_SHARE = 6  # of so many reads of the search one is left for a closer look
SIZE = 20  # of a digest, as a rule
NEAREST = 300  # papers to look at closer, at most
MARGIN = 5  # times what a paper has on average below the floor: so near is near the cut
LONGEST_QUERY = 512
# So spaced that five counts find the right one from 1 like on.
RUNGS = (0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided for a UTC day.

    `query` with at least `lowest` likes is searched for, in `room` reads. `counted` maps
    floors to the posts that have so many likes. `newest` is the id up to which a search
    read everything today; `oldest` the one at which it broke off on its way down.
    """

    query: str
    lowest: int
    room: int
    counts: int  # how often may be counted, in all
    counted: Mapping[int, int] = field(default_factory=dict)
    newest: str = ""
    oldest: str = ""

    def document(self) -> dict[str, Any]:
        """As JSON, with the floors as a list of pairs."""
        return asdict(self) | {"counted": sorted(self.counted.items())}

    def with_count(self, floor: int, posts: int) -> "Plan":
        """The same, knowing one count more."""
        return replace(self, counted={**self.counted, floor: posts})


def plan_of(document: Mapping[str, Any]) -> Plan:
    """Read what `Plan.document` wrote."""
    pairs = [(int(floor), int(posts)) for floor, posts in document["counted"]]
    return Plan(**{**document, "counted": dict(pairs)})


def planned(query: str, lowest: int, left: int) -> Plan:
    """Begin the plan of a day on which counting and searching may take `left` reads."""
    counts = min(MOST_COUNTS, left // COUNTS_SHARE, max(0, left - SMALLEST_PAGE))
    return Plan(query, lowest, left - counts, counts)


def kept(known: int, left: int) -> int:
    """How many of `left` reads the search leaves to `known` posts that it will not return.

    At most an eighth, and only what leaves the search its smallest page.
    """
    return max(0, min(known, left // KEPT_SHARE, left - SMALLEST_PAGE))


def ladder(lowest: int) -> Sequence[int]:
    """The floors of likes there are to choose from, rising from `lowest`."""
    return (lowest, *(rung for rung in RUNGS if rung > lowest))


def next_count(plan: Plan) -> int | None:
    """The floor to count next; None where the floor is known or enough was counted."""
    if len(plan.counted) >= plan.counts:
        return None
    rungs = ladder(plan.lowest)
    if plan.lowest not in plan.counted:
        return plan.lowest
    below, above = _bounds(plan, rungs)
    return None if above - below <= 1 else rungs[(below + above) // 2]


def floor(plan: Plan) -> int:
    """From how many likes on posts are searched for.

    The lowest floor that was counted to fit; if none does, the next above those that do
    not, for want of a better one; the lowest where nothing was counted.
    """
    rungs = ladder(plan.lowest)
    below, above = _bounds(plan, rungs)
    fitting = above < len(rungs) and rungs[above] in plan.counted
    return rungs[above if fitting else min(below + 1, len(rungs) - 1)]


def _bounds(plan: Plan, rungs: Sequence[int]) -> tuple[int, int]:
    """The place of the highest floor with too many posts, -1 for none, and of the lowest that fits.

    The latter is the number of rungs where none is known to fit.
    """
    too_many = [
        at for at, rung in enumerate(rungs) if plan.counted.get(rung, 0) > _room(plan, rung)
    ]
    below = max(too_many, default=-1)
    fits = [at for at, rung in enumerate(rungs) if at > below and rung in plan.counted]
    return below, min(fits, default=len(rungs))


def _room(plan: Plan, rung: int) -> int:
    """What a search from `rung` may take: all, if nothing is left for a closer look then."""
    return plan.room - (0 if rung == plan.lowest else plan.room // CLOSER_SHARE)


def unread(plan: Plan) -> int:
    """How many posts that have the likes which are wanted are below the floor."""
    counted = plan.counted
    return max(0, counted.get(plan.lowest, 0) - counted.get(floor(plan), 0))


def near_the_cut(scores: Mapping[str, int], unread: float) -> list[str]:
    """The keys of the papers that a few more likes may lift into the digest, or out of it.

    `unread` is how many posts a paper has on average that were not read. Those whose place
    by score is nearest to the last one in the digest come first; of papers without a score
    nothing is known.
    """
    ranked = sorted((key for key in scores if scores[key]), key=lambda key: (-scores[key], key))
    cut = scores[ranked[SIZE - 1]] if len(ranked) >= SIZE else 0
    near = [place for place, key in enumerate(ranked) if abs(scores[key] - cut) <= MARGIN * unread]
    near.sort(key=lambda place: (abs(place + 0.5 - SIZE), place))
    return [ranked[place] for place in near[:NEAREST]]


def queries(base: str, ids: Sequence[str]) -> list[str]:
    """Searches for posts that match `base` and link to any of the papers, as few as fit.

    X compares whole words of addresses, so that the usual version is named, too.
    """
    packed: list[str] = []
    words: list[str] = []
    for paper_id in ids:
        more = [*words, f'url:"{paper_id}"', f'url:"{paper_id}v1"']
        if words and len(_either(base, more)) > LONGEST_QUERY:
            packed.append(_either(base, words))
            more = more[-2:]
        words = more
    packed += [_either(base, words)] if words else []
    return [query for query in packed if len(query) <= LONGEST_QUERY]


def _either(base: str, words: Sequence[str]) -> str:
    return f"{base} ({' OR '.join(words)})"


def spans(plan: Plan) -> list[dict[str, str]]:
    """The stretches of posts to search on this day still, as parameters of the search.

    First what a search that broke off did not reach, then what came after it.
    """
    if not plan.newest:
        return [{}]
    rest = [{"until_id": plan.oldest}] if plan.oldest else []
    return [*rest, {"since_id": plan.newest}]


def after(plan: Plan, span: Mapping[str, str], ids: Sequence[str], whole: bool) -> Plan:
    """The plan after a search of `span` returned posts with these `ids`; `whole` if that was all.

    Of a stretch of later posts that was not read to its end nothing is remembered, as one
    gap is enough to keep: those are few, and read again.
    """
    if "since_id" in span and not whole:
        return plan
    newest = max([plan.newest, *ids], key=_number)
    oldest = "" if whole else min(ids, key=_number, default=plan.oldest)
    return replace(plan, newest=newest, oldest=plan.oldest if "since_id" in span else oldest)


def _number(post_id: str) -> int:
    return int(post_id or 0)
