"""Which counts cannot be true, and why; pure.

Each rule answers with a flag, a few words for its reason, or "" where nothing is wrong.
`wording.why` says it to readers.
"""

from math import isqrt

UNLIKED = "retweets without favorites"
SQUARE = "retweets are a square"

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
