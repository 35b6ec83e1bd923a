"""What feed.rss and results.atom say: the same two papers, RSS without comments."""

from dataclasses import replace
from datetime import date

from trendbot.model import Paper
from trendbot.sources.arxiv_feeds import Feed, Results

DAY = date(2026, 11, 20)
BRIDGES = Paper(
    source="arxiv",
    id="2611.20001",
    title="Bridges over Calm Water: $O(n^2)$ Walks & <b>Bold</b> Steps",
    authors=("Ngozi Okoro", "Aimée Lévêque"),
    categories=("cs.LG", "physics.soc-ph"),
    announced=DAY,
    abstract="We walk over bridges where a < b, and wrap our lines.",
    comments="12 pages. Code: https://github.com/example/bridges",
    links={
        "abs": "https://arxiv.org/abs/2611.20001",
        "pdf": "https://arxiv.org/pdf/2611.20001",
    },
)
KNOTS = Paper(
    source="arxiv",
    id="math/0309136",
    title="Knots Before Noon",
    authors=("Haru Tanaka",),
    categories=("math.GT",),
    announced=DAY,
    abstract="We untie.",
    links={
        "abs": "https://arxiv.org/abs/math/0309136",
        "pdf": "https://arxiv.org/pdf/math/0309136",
    },
)
FEED = Feed(
    DAY,
    (
        replace(BRIDGES, abstract=f"{BRIDGES.abstract} Abstract: is a word.", comments=""),
        replace(KNOTS, categories=("math.GT", "cs.LG")),
    ),
)
RESULTS = Results(2, (BRIDGES, KNOTS))
