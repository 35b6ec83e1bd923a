"""What catchup.html says: the first of two pages."""

from datetime import date

from trendbot.model import Paper
from trendbot.sources.arxiv_pages import ListingPage, Part

EXPECTED = ListingPage(
    date=date(2026, 11, 19),
    total=2001,
    parts=(
        Part(
            kind="new",
            shown=1,
            total=2001,
            papers=(
                Paper(
                    source="arxiv",
                    id="2611.18001",
                    title="A Short String",
                    authors=("Kei Ito",),
                    categories=("hep-th",),
                    announced=date(2026, 11, 19),
                    abstract="Short.",
                    links={
                        "abs": "https://arxiv.org/abs/2611.18001",
                        "pdf": "https://arxiv.org/pdf/2611.18001",
                    },
                ),
            ),
        ),
    ),
)
