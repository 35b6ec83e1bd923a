"""The session tweepy sends with: both namings of fields, and nothing of the token in a log."""

import logging

import pytest

from tests.signals.crowds import SEARCH, TOKEN, Build, counts, crowd, expected, measured
from tests.upstream.server import Upstream


@pytest.mark.parametrize("kind", ["renamed", "only_post_fields"])
def test_both_namings_of_fields(build: Build, upstream: Upstream, kind: str) -> None:
    upstream.fault("x", kind, times=None)
    upstream.fault("x", "search_has_reposts", times=None)
    assert counts(measured(build(), upstream)) == expected(upstream)


def test_the_new_parameter_is_learned_once_and_silently(
    build: Build, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.world.x.only_post_fields = True
    crowd(upstream, 120)
    with caplog.at_level(logging.WARNING):
        assert len(measured(build(), upstream)) == 120
    names = [{"tweet.fields", "post.fields"} & set(one.query) for one in upstream.asked(SEARCH)]
    assert names == [{"tweet.fields"}, {"post.fields"}, {"post.fields"}]
    assert caplog.records == []


def test_the_token_stays_out_of_the_log(
    build: Build, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        measured(build(), upstream)
    assert TOKEN not in caplog.text
