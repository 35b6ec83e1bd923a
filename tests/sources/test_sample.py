import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from trendbot.context import Budget, Context
from trendbot.fetch import Fetcher
from trendbot.model import Paper
from trendbot.sources.sample import SampleSource, last_day


@pytest.fixture
def source() -> Iterator[SampleSource]:
    fetcher = Fetcher("https://trendbot.test")
    budget = Budget(lambda wanted, limit: 0, lambda unused: None, lambda reason: None)
    now = datetime(2026, 11, 20, tzinfo=UTC)
    context = Context(Path(), lambda: now, fetcher, budget, lambda limit: [])
    yield SampleSource(SampleSource.Settings(enabled=True), context)
    fetcher.close()


def everything(source: SampleSource) -> list[Paper]:
    return list(source.fetch(date.min, date.max))


def test_it_is_off_unless_enabled() -> None:
    assert SampleSource.Settings().enabled is False


def test_papers_are_those_announced_from_the_first_to_the_last_day(source: SampleSource) -> None:
    days = [paper.announced for paper in source.fetch(date(2020, 9, 10), date(2020, 9, 15))]
    assert set(days) == {date(2020, 9, 10), date(2020, 9, 15)}
    assert len(days) == 11
    assert not list(source.fetch(date(2020, 9, 11), date(2020, 9, 14)))


def test_the_last_day_has_papers_and_none_follows(source: SampleSource) -> None:
    assert last_day() == date(2020, 9, 16)
    assert len(list(source.fetch(last_day(), last_day()))) == 8
    assert max(paper.announced for paper in everything(source)) == last_day()


def test_papers_are_whole(source: SampleSource) -> None:
    papers = everything(source)
    assert len({paper.key for paper in papers}) == len(papers) == 38
    for paper in papers:
        assert paper.key == f"arxiv:{paper.id}"
        assert re.fullmatch(r"2009\.[0-9]{5}", paper.id)
        assert paper.authors
        assert paper.categories
        assert 10 <= len(paper.abstract.split()) <= 25
        assert paper.links == {
            "abs": f"https://arxiv.org/abs/{paper.id}",
            "pdf": f"https://arxiv.org/pdf/{paper.id}",
        }


def test_text_is_clean(source: SampleSource) -> None:
    for paper in everything(source):
        for text in (paper.title, *paper.authors, *paper.categories, paper.abstract):
            assert text == " ".join(text.split())
            # UTF-8 misread as Mac Roman shows at least one of these.
            assert not set(text) & set("√‚¬∂≈ƒ�")


def test_check_says_what_there_is(source: SampleSource) -> None:
    assert source.check() == "38 sample papers announced from 2020-09-03 to 2020-09-16"
