"""The source arXiv as a whole, against a server that speaks like arXiv."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.upstream.server import Upstream
from tests.upstream.world import Kind, WorldPaper, small_world
from trendbot.context import Budget, Context
from trendbot.errors import SourceError
from trendbot.fetch import Fetcher
from trendbot.model import Paper
from trendbot.sources.arxiv import Arxiv, ArxivSettings

TODAY = date(2026, 11, 20)  # a Friday
YESTERDAY = date(2026, 11, 19)
TODAYS = ["2611.10001", "2611.10005", "2611.10002", "2611.10004", "2611.09002", "2611.10003"]
NOTHING = """<feed xmlns="http://www.w3.org/2005/Atom"
    xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">
    <opensearch:totalResults>3</opensearch:totalResults></feed>"""

Build = Callable[..., Arxiv]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(small_world(TODAY)) as upstream:
        yield upstream


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def build(upstream: Upstream, slept: list[float]) -> Iterator[Build]:
    """Build the source; the fetcher is shared, as in the daemon."""
    fetcher = Fetcher("https://example.org", slept.append)
    budget = Budget(lambda wanted, limit: 0, lambda unused: None, lambda reason: None)
    context = Context(Path(), lambda: upstream.world.now, fetcher, budget, lambda limit: [])

    def build(*categories: str) -> Arxiv:
        settings = ArxivSettings(
            base_url=upstream.arxiv, api_url=upstream.arxiv_api, rss_url=upstream.rss, delay=0
        )
        if categories:
            settings = settings.model_copy(update={"categories": categories})
        return Arxiv(settings, context)

    yield build
    fetcher.close()


def ids(papers: Iterator[Paper]) -> list[str]:
    return [paper.id for paper in papers]


def collected(papers: Iterator[Paper]) -> tuple[list[str], str]:
    """The ids that came before the error, and its text."""
    found: list[str] = []
    with pytest.raises(SourceError) as caught:
        found.extend(paper.id for paper in papers)
    return found, str(caught.value)


def paths(upstream: Upstream) -> list[str]:
    return [request.path for request in upstream.requests]


def test_the_papers_of_today(build: Build, upstream: Upstream) -> None:
    papers = list(build().fetch(TODAY, TODAY))

    assert [paper.id for paper in papers] == TODAYS
    assert {paper.announced for paper in papers} == {TODAY}
    assert papers[0] == Paper(
        source="arxiv",
        id="2611.10001",
        title="Sparse Gradients Are Enough for Small Agents",
        authors=("Ada Quintero", "Min-jun Seo", "Lena B. Vogt"),
        categories=("cs.LG", "cs.AI", "stat.ML"),
        announced=TODAY,
        abstract=(
            "Agents learn from few gradients.\nCode is at https://github.com/example/sparse."
        ),
        comments="24 pages. Code: https://github.com/example/sparse",
        links={
            "abs": "https://arxiv.org/abs/2611.10001",
            "pdf": "https://arxiv.org/pdf/2611.10001",
            "html": "https://arxiv.org/html/2611.10001v1",
        },
    )
    assert len(upstream.requests) == 5


def test_several_days_oldest_first_and_each_paper_once(build: Build) -> None:
    papers = list(build().fetch(TODAY - timedelta(days=7), TODAY))

    found = [paper.id for paper in papers]
    assert len(found) == len(set(found))
    assert [paper.announced for paper in papers] == sorted(paper.announced for paper in papers)
    dates = {paper.id: paper.announced for paper in papers}
    assert dates["2611.09002"] == YESTERDAY  # and cross-listed today
    assert dates["2611.09001"] == YESTERDAY  # and replaced today
    assert dates["2611.08001"] == date(2026, 11, 17)
    assert "2607.04412" not in found  # replacements only
    assert "hep-th/9901002" not in found


def test_only_days_with_listings_are_asked_for(build: Build, upstream: Upstream) -> None:
    upstream.world.move_to(date(2026, 11, 23))  # a Monday
    list(build("cs.LG").fetch(TODAY, date(2026, 11, 23)))

    assert paths(upstream) == ["/list/cs.LG/new", "/catchup/cs.LG/2026-11-20"]


def test_a_weekend_asks_nothing(build: Build, upstream: Upstream) -> None:
    assert ids(build().fetch(date(2026, 11, 14), date(2026, 11, 15))) == []
    assert upstream.requests == []


def test_no_days_ask_nothing(build: Build, upstream: Upstream) -> None:
    assert ids(build().fetch(TODAY, YESTERDAY)) == []
    assert upstream.requests == []


def test_days_to_come_hold_nothing(build: Build, upstream: Upstream) -> None:
    assert ids(build().fetch(date(2026, 11, 23), date.max)) == []
    assert ids(build("cs.CV").fetch(TODAY, date.max)) == ["2611.10003"]


def test_a_quiet_day_is_no_failure(build: Build) -> None:
    quiet = date(2026, 11, 18)
    assert ids(build().fetch(quiet, quiet)) == []


def test_a_holiday_is_no_failure(build: Build, upstream: Upstream) -> None:
    upstream.world.holidays.add(date(2026, 11, 23))
    upstream.world.move_to(date(2026, 11, 23))

    assert ids(build("cs.CV").fetch(date(2026, 11, 23), date(2026, 11, 23))) == []
    assert ids(build("cs.CV").fetch(TODAY, date(2026, 11, 23))) == ["2611.10003"]


def test_a_stale_page_yields_nothing_of_later_days(build: Build, upstream: Upstream) -> None:
    upstream.fault("arxiv", "stale", times=None)

    assert ids(build("cs.CV").fetch(TODAY, TODAY)) == []
    assert ids(build("cs.CV").fetch(YESTERDAY, TODAY)) == ["2611.09002"]
    assert upstream.asked("/catchup/*") == []


def test_long_ago_cannot_be_listed(build: Build, upstream: Upstream) -> None:
    with pytest.raises(SourceError, match="arXiv lists the last 90 days; ask from 2026-08-22 on"):
        list(build().fetch(date(2026, 8, 21), TODAY))
    assert upstream.requests == []


def test_today_is_what_it_is_in_new_york(build: Build, upstream: Upstream) -> None:
    upstream.world.now = datetime(2026, 11, 20, 1, 30, tzinfo=UTC)  # 20:30 on the 19th there
    assert "2611.10003" in ids(build("cs.CV").fetch(date(2026, 8, 21), TODAY))


def test_a_day_on_several_pages(build: Build, upstream: Upstream) -> None:
    upstream.world.page_size = 2
    for number in range(5):
        paper = WorldPaper(f"2611.0700{number}", "T", ("A B",), ("cs.CV", "cs.LG"), YESTERDAY)
        upstream.world.papers.append(paper)

    found = ids(build("cs.LG").fetch(YESTERDAY, YESTERDAY))

    crossed = ["2611.07000", "2611.07001", "2611.07002", "2611.07003", "2611.07004"]
    assert found == ["2611.09001", *crossed, "2611.09002"]
    assert [request.query for request in upstream.asked("/catchup/*")] == [
        {"abs": "True"},
        {"abs": "True", "page": "2"},
        {"abs": "True", "page": "3"},
        {"abs": "True", "page": "4"},
    ]


def test_a_newest_day_on_several_pages(build: Build, upstream: Upstream) -> None:
    upstream.world.papers = [
        WorldPaper(f"2611.{number:05d}", "T", ("A B",), ("cs.RO",), TODAY, "A.")
        for number in range(2001)
    ]

    assert len(ids(build("cs.RO").fetch(TODAY, TODAY))) == 2001
    assert [request.query for request in upstream.requests] == [
        {},
        {"skip": "2000", "show": "2000"},
    ]


def test_a_known_page_is_asked_for_conditionally(build: Build, upstream: Upstream) -> None:
    first = ids(build("cs.LG").fetch(TODAY, TODAY))
    second = ids(build("cs.LG").fetch(TODAY, TODAY))

    assert first == second
    assert ["if-none-match" in request.headers for request in upstream.requests] == [False, True]


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("status", {"status": 503, "headers": {"Retry-After": "0"}}),
        ("status", {"status": 403}),
        ("status", {"status": 429}),
        ("blocked", {}),
        ("malformed", {}),
        ("content_type", {}),
        ("close", {}),
        ("cut", {}),
    ],
)
def test_the_feeds_stand_in_for_the_pages(
    build: Build, upstream: Upstream, kind: str, how: dict[str, Any]
) -> None:
    expected = {paper.id: paper for paper in build().fetch(YESTERDAY, TODAY)}
    upstream.fault("arxiv", kind, times=None, **how)
    found = {paper.id: paper for paper in build().fetch(YESTERDAY, TODAY)}

    # Only RSS and the API know nothing of a cross-list without a new paper.
    assert set(found) == set(expected)
    for paper in found.values():
        original = expected[paper.id]
        assert paper.announced == original.announced
        assert set(paper.categories) >= {original.categories[0]}
        assert paper.links["abs"] == original.links["abs"]


def test_one_page_without_sense_is_replaced_by_the_feeds(build: Build, upstream: Upstream) -> None:
    upstream.fault("/catchup/cs.LG/*", "malformed", times=None)

    found = ids(build("cs.LG", "cs.CL").fetch(YESTERDAY, TODAY))

    assert found[:2] == ["2611.09001", "2611.09002"]
    assert set(found[2:]) == {"2611.10001", "2611.10002", "2611.10004", "2611.10005"}
    assert len(upstream.asked("arxiv_api")) == 1
    assert len(upstream.asked("/list/*")) == 2


def test_a_page_of_another_day_is_not_taken(build: Build, upstream: Upstream) -> None:
    page = Path(__file__).parent / "data" / "list_new.html"  # of 20 November
    upstream.fault("/catchup/*", "malformed", body=page.read_bytes(), times=None)

    assert ids(build("cs.CV").fetch(YESTERDAY, YESTERDAY)) == ["2611.09002"]
    assert len(upstream.asked("arxiv_api")) == 1


def test_a_page_without_sense_is_asked_for_anew(build: Build, upstream: Upstream) -> None:
    upstream.fault("/list/cs.CV/new", "malformed")

    for _ in range(2):
        assert ids(build("cs.CV").fetch(TODAY, TODAY)) == ["2611.10003"]
    asked = upstream.asked("/list/cs.CV/new")
    assert ["if-none-match" in request.headers for request in asked] == [False, False]


def test_who_refuses_is_not_asked_again(build: Build, upstream: Upstream) -> None:
    upstream.fault("arxiv", "status", status=403, times=None)

    list(build().fetch(TODAY, TODAY))

    assert len(upstream.asked("arxiv")) == 1


def test_an_empty_feed_is_no_quiet_day(build: Build, upstream: Upstream) -> None:
    upstream.fault("arxiv", "blocked", times=None)
    empty = (
        "<rss><channel><title>cs.LG updates on arXiv.org</title>"
        "<pubDate>Fri, 20 Nov 2026 00:00:00 -0500</pubDate></channel></rss>"
    )
    upstream.fault("rss", "malformed", body=empty.encode(), times=None)

    assert "2611.10001" in ids(build("cs.LG").fetch(TODAY, TODAY))
    assert len(upstream.asked("arxiv_api")) == 1


def test_when_nothing_answers_the_error_names_it_all(
    build: Build, upstream: Upstream, slept: list[float]
) -> None:
    for service in ("arxiv", "rss", "arxiv_api"):
        upstream.fault(service, "status", status=503, times=None)

    found, error = collected(build().fetch(TODAY, TODAY))

    down = "answered HTTP 503 in 4 tries; try again later"
    assert found == []
    assert error == (
        f"arXiv cs.LG on 2026-11-20: {upstream.arxiv}/list/cs.LG/new: {down}. "
        f"{upstream.rss}/cs.LG: {down}. {upstream.arxiv_api}: {down}"
    )
    assert len(upstream.requests) == 12  # one category; the others would get the same
    assert slept == [1, 2, 4] * 3


def test_a_failing_category_keeps_no_other_back(build: Build, upstream: Upstream) -> None:
    for where in ("/list/cs.CL/new", "/rss/cs.CL", "/cs.CL", "arxiv_api"):
        upstream.fault(where, "malformed", times=None)

    found, error = collected(build("cs.LG", "cs.CL", "cs.CV").fetch(TODAY, TODAY))

    assert {"2611.10001", "2611.10003"} <= set(found)
    assert error.startswith("arXiv cs.CL on 2026-11-20: ")
    assert "cs.CV" not in error


def test_a_wrong_category_says_so(build: Build) -> None:
    _, error = collected(build("cs.XX").fetch(TODAY, TODAY))
    assert "/list/cs.XX/new: answered HTTP 400; check the address in the settings" in error


def test_an_empty_page_of_the_api_is_asked_for_again(build: Build, upstream: Upstream) -> None:
    upstream.fault("arxiv", "blocked", times=None)
    upstream.fault("arxiv_api", "malformed", body=NOTHING.encode(), times=2)

    assert ids(build("cs.CV").fetch(YESTERDAY, YESTERDAY)) == ["2611.09002"]


def test_an_api_that_stays_empty_is_a_failure(build: Build, upstream: Upstream) -> None:
    upstream.fault("arxiv", "blocked", times=None)
    upstream.fault("arxiv_api", "malformed", body=NOTHING.encode(), times=None)

    _, error = collected(build("cs.CV").fetch(YESTERDAY, YESTERDAY))
    assert "says 3 entries, found 0" in error


def test_the_api_is_asked_for_the_rest(build: Build, upstream: Upstream) -> None:
    upstream.fault("arxiv", "blocked", times=None)
    upstream.world.papers = [
        WorldPaper(f"2611.{number:05d}", "T", ("A B",), ("cs.RO",), YESTERDAY, "A.")
        for number in range(2001)
    ]

    assert len(ids(build("cs.RO").fetch(YESTERDAY, YESTERDAY))) == 2001
    assert [request.query["start"] for request in upstream.asked("arxiv_api")] == ["0", "2000"]


def test_replacements_never_count_in_the_feeds(build: Build, upstream: Upstream) -> None:
    upstream.fault("arxiv", "blocked", times=None)
    replaced = WorldPaper("2601.00001", "T", ("A B",), ("cs.RO",), TODAY, kind=Kind.REPLACE)
    fresh = replace(replaced, id="2611.00001", kind=Kind.NEW, announcements=[])
    upstream.world.papers = [replaced, fresh]

    assert ids(build("cs.RO").fetch(TODAY, TODAY)) == ["2611.00001"]


def test_check(build: Build, upstream: Upstream) -> None:
    assert build().check() == "listing of Friday 20 November 2026, 4 papers in cs.LG"
    assert paths(upstream) == ["/list/cs.LG/new"]


def test_check_fails_where_the_page_does(build: Build, upstream: Upstream) -> None:
    upstream.fault("arxiv", "status", status=404)
    with pytest.raises(SourceError, match=r"/list/cs\.LG/new: answered HTTP 404"):
        build().check()


def test_a_listing_can_carry_the_date_of_tomorrow(build: Build, upstream: Upstream) -> None:
    upstream.world.now = datetime(2026, 11, 20, 1, 30, tzinfo=UTC)  # 20:30 on the 19th, New York
    assert ids(build("cs.CV").fetch(TODAY, TODAY)) == ["2611.10003"]


def test_settings_name_categories_as_arxiv_does() -> None:
    assert ArxivSettings.model_validate({"categories": "cs.LG, hep-th"}).categories == (
        "cs.LG",
        "hep-th",
    )
    named = ["cs.LG", "hep-th", "physics.soc-ph", "cond-mat.mes-hall", "q-bio.QM", "cond-mat"]
    assert ArxivSettings(categories=tuple(named)).categories == tuple(named)


@pytest.mark.parametrize(
    "categories", [(), ("cs.ai",), ("CS.LG",), ("cs.LG/../x",), ("cs.LG\n",), ("",), ("cs.",)]
)
def test_settings_refuse_other_names(categories: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        ArxivSettings(categories=categories)
