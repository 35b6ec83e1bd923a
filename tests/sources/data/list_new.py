"""What list_new.html says."""

from datetime import date

from trendbot.model import Paper
from trendbot.sources.arxiv_pages import ListingPage, Part

DAY = date(2026, 11, 20)
EXPECTED = ListingPage(
    date=DAY,
    total=6,
    parts=(
        Part(
            kind="new",
            shown=3,
            total=3,
            papers=(
                Paper(
                    source="arxiv",
                    id="2611.20001",
                    title="Bridges over Calm Water: $O(n^2)$ Walks & <b>Bold</b> Steps",
                    authors=("Ngozi Okoro", "Aimée Lévêque"),
                    categories=("cs.LG", "physics.soc-ph", "stat.ML"),
                    announced=DAY,
                    abstract=(
                        "We walk over bridges where a < b, and wrap our lines.\n"
                        "Data is at http://example.org/data?a=1&b=2, see also 10.1000/182."
                    ),
                    comments="12 pages. Code: https://github.com/example/bridges",
                    links={
                        "abs": "https://arxiv.org/abs/2611.20001",
                        "pdf": "https://arxiv.org/pdf/2611.20001",
                        "html": "https://arxiv.org/html/2611.20001v1",
                    },
                ),
                Paper(
                    source="arxiv",
                    id="2611.20002",
                    title="Caf\u00e9 Learning",
                    authors=(),
                    categories=("cs.LG",),
                    announced=DAY,
                    abstract="Click this https URL.",
                    comments="",
                    links={
                        "abs": "https://arxiv.org/abs/2611.20002",
                        "pdf": "https://arxiv.org/pdf/2611.20002",
                    },
                ),
                Paper(
                    source="arxiv",
                    id="math/0309136",
                    title="Knots Before Noon",
                    authors=("Haru Tanaka",),
                    categories=("math.GT", "cs.LG"),
                    announced=DAY,
                    abstract="We untie.",
                    comments="",
                    links={
                        "abs": "https://arxiv.org/abs/math/0309136",
                        "pdf": "https://arxiv.org/pdf/math/0309136",
                    },
                ),
            ),
        ),
        Part(
            kind="cross",
            shown=1,
            total=1,
            papers=(
                Paper(
                    source="arxiv",
                    id="2611.19990",
                    title="Heat, and What It Learns",
                    authors=("Uwe Brandt", "The Warm Team"),
                    categories=("cond-mat.stat-mech", "cs.LG"),
                    announced=DAY,
                    abstract="It learns. Total of 3 entries and No updates today.",
                    comments="",
                    links={
                        "abs": "https://arxiv.org/abs/2611.19990",
                        "pdf": "https://arxiv.org/pdf/2611.19990",
                        "html": "https://arxiv.org/html/2611.19990v1",
                    },
                ),
            ),
        ),
        Part(kind="replacement", shown=2, total=2, papers=()),
    ),
)
