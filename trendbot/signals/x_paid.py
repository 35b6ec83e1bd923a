"""Requests to X, each paid from the day's budget and written down with what it was for.

Before a request the posts it may return are booked, afterwards what it did not return is
given back. A request that X refused or that never reached it is free. Without an answer,
or with one we cannot read, X may have charged for it: what was booked stays booked.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import requests
import tweepy

from trendbot.answers import count, table
from trendbot.context import Budget
from trendbot.errors import SignalError, SignalStopped
from trendbot.signals.thrift import DOLLARS
from trendbot.signals.x_answers import Refused, explain, items_of
from trendbot.signals.x_session import NotAsked, Session

LARGEST_PAGE = 100
# note_tweet: the whole of a long post; `entities` alone knows only its first 280 signs.
FIELDS = "created_at,public_metrics,entities,referenced_tweets,author_id,note_tweet"
Items = list[Mapping[str, Any]]


class Paid:
    """X, asked through tweepy for money; `limit` is what may be read in a day."""

    def __init__(self, token: str, session: Session, budget: Budget, limit: int) -> None:
        # Not wait_on_rate_limit: it sleeps, or asks without end if X does not say how long.
        self._client = tweepy.Client(token, return_type=dict, wait_on_rate_limit=False)
        self._client.session = self._session = session
        self._budget = budget
        self._limit = limit
        logging.getLogger("tweepy").setLevel(logging.INFO)  # its DEBUG lines show the token

    def count(self, query: str, start: datetime | None = None) -> int | None:
        """How many posts a search would return; None where nothing is left to pay for it.

        Counting costs what reading a post does, and is booked like one.
        """
        if not (booked := self.book(1)):
            return None
        reply = self._ask(
            "size",
            booked,
            self._client.get_recent_tweets_count,
            query=query,
            start_time=start,
            granularity="day",
        )
        self._budget.note("size", 1, 0, 0, DOLLARS)
        meta = table(reply.get("meta"), "X", "meta")
        return count(meta, "X", "total_tweet_count", "total_post_count")

    def page(self, booked: int, **params: object) -> tuple[Items, Mapping[str, Any]]:
        """One page of a search for up to `booked` posts, which were booked for it."""
        method = self._client.search_recent_tweets
        reply = self._ask(
            "search", booked, method, max_results=booked, tweet_fields=FIELDS, **params
        )
        return self._settle("search", booked, reply), reply

    def look_up(self, ids: Sequence[str]) -> tuple[Items, Mapping[str, Any]]:
        """Posts by id, at most 100, which were booked for it."""
        method = self._client.get_tweets
        reply = self._ask("refresh", len(ids), method, ids=list(ids), tweet_fields=FIELDS)
        return self._settle("refresh", len(ids), reply), reply

    def book(self, wanted: int, kept: int = 0, least: int = 1) -> int:
        """Book up to `wanted` reads but the last `kept` of the day; 0 if fewer than `least`."""
        booked = self._budget.reserve(min(wanted, LARGEST_PAGE), self._limit - kept)
        if booked >= least:
            return booked
        self._release(booked)
        return 0

    def _release(self, unused: int) -> None:
        if unused:
            self._budget.release(unused)

    def _settle(self, purpose: str, booked: int, reply: Mapping[str, Any]) -> Items:
        """Return the posts of a reply, giving back what it did not use of the budget."""
        try:
            items = items_of(reply, booked)
        except SignalError:
            self._lost(purpose, booked)
            raise
        self._release(booked - len(items))
        return items

    def _lost(self, purpose: str, booked: int) -> None:
        """Write down what X may have charged for and we have nothing of."""
        posts = 0 if purpose == "size" else booked
        self._budget.note(purpose, 1, posts, 0, booked * DOLLARS)

    def _ask(
        self, purpose: str, booked: int, method: Callable[..., object], **params: object
    ) -> Mapping[str, Any]:
        """Call `method` of the client; return X's answer or raise SignalError."""
        try:
            reply = method(**params)
        except Refused as refused:
            self._release(booked)
            error = explain(refused)
            if isinstance(error, SignalStopped):
                self._budget.stop(str(error))
            raise error from refused
        except requests.ConnectionError as error:
            self._release(booked)
            where, kind = self._session.base_url, type(error).__name__
            raise SignalError(f"X: no connection to {where}: {kind}") from error
        except NotAsked:
            self._release(booked)
            raise
        except SignalError:
            self._lost(purpose, booked)
            raise
        except (requests.RequestException, ValueError, RecursionError) as error:
            self._lost(purpose, booked)
            if isinstance(error, requests.Timeout):
                seconds = f"{self._session.timeout:g} seconds"
                raise SignalError(f"X: no answer within {seconds}; try again later") from error
            raise SignalError("X answered something that is not JSON; try again later") from error
        if not isinstance(reply, dict):
            self._lost(purpose, booked)
            raise SignalError("X answered JSON that is no object; check signals.x.base_url")
        return reply
