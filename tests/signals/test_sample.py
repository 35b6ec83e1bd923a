from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.signals.outside import paper
from trendbot.context import Budget, Context
from trendbot.fetch import Fetcher
from trendbot.model import Post, Reading
from trendbot.signals.sample import SampleSignal

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SURVEY = paper("2009.06732", date(2020, 9, 16))
WAVES = paper("2009.00713", date(2020, 9, 3))


@pytest.fixture
def signal() -> Iterator[SampleSignal]:
    fetcher = Fetcher("https://trendbot.test")
    budget = Budget(lambda wanted, limit: 0, lambda unused: None, lambda reason: None)
    now = datetime(2026, 11, 20, tzinfo=UTC)
    context = Context(Path(), lambda: now, fetcher, budget, lambda limit: [])
    yield SampleSignal(SampleSignal.Settings(enabled=True), context)
    fetcher.close()


def test_it_is_off_unless_enabled() -> None:
    assert SampleSignal.Settings().enabled is False


def test_a_total_is_a_post_listed_on_its_day(signal: SampleSignal) -> None:
    assert list(signal.measure([SURVEY], LONG_AGO)) == [
        Post(
            signal="sample",
            id="2020-09-16/2009.06732",
            papers=("arxiv:2009.06732",),
            author="ytay017",
            url="https://arxiv.org/abs/2009.06732",
            posted_at=datetime(2020, 9, 16, tzinfo=UTC),
            reading=Reading(datetime(2020, 9, 17, 0, 55, 42, tzinfo=UTC), 159, 657),
            listed_on=date(2020, 9, 16),
        )
    ]


def test_only_the_papers_asked_for_have_posts(signal: SampleSignal) -> None:
    unknown = paper("2611.00001")
    found = list(signal.measure([WAVES, unknown, SURVEY], LONG_AGO))
    assert [post.papers for post in found] == [("arxiv:2009.00713",), ("arxiv:2009.06732",)]
    assert not list(signal.measure([unknown], LONG_AGO))


def test_posts_from_before_since_are_left_out(signal: SampleSignal) -> None:
    papers = [WAVES, SURVEY]
    assert len(list(signal.measure(papers, datetime(2020, 9, 3, tzinfo=UTC)))) == 2
    [post] = signal.measure(papers, datetime(2020, 9, 3, 0, 0, 1, tzinfo=UTC))
    assert post.papers == (SURVEY.key,)


def test_check_says_what_there_is(signal: SampleSignal) -> None:
    assert signal.check() == "38 sample papers have counts"
