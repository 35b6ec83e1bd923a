"""What is asked of Bluesky's hosts and of Constellation, one request to a method.

API: https://docs.bsky.app/docs/api/app-bsky-feed-get-posts, .../app-bsky-feed-search-posts,
.../com-atproto-server-create-session; https://constellation.microcosm.blue
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Self, TypeVar

from pydantic import Field, SecretStr, field_validator, model_validator

from trendbot.errors import SignalError
from trendbot.fetch import Failure, Fetcher
from trendbot.settings import Duration, HttpUrl, Section
from trendbot.signals.bluesky_answers import (
    COLLECTION,
    LINK,
    Backlinks,
    View,
    Views,
    is_handle,
    read_backlinks,
    read_views,
    token_of,
)

BATCH = 25  # posts to a getPosts, by its lexicon
PAGE = 100  # the largest page of a search, and of backlinks
# Where in a post a link may stand, as Constellation says it: a card below it, or its text.
PLACES = (f"{COLLECTION}:embed.external.uri", f"{COLLECTION}:facets[].features[{LINK}].uri")
T = TypeVar("T")


class BlueskySettings(Section):
    """How Bluesky is asked, with a login or without.

    `daily_requests` are made per UTC day at most; a look may have the part of them that
    `every` is of a day. At most `refresh` known posts are looked up again, for half of that.
    `search_pages` of 100 posts are read of a search. Requests to one host are `delay`
    seconds apart.
    """

    enabled: bool = True
    constellation_url: HttpUrl = "https://constellation.microcosm.blue"
    appview_url: HttpUrl = "https://public.api.bsky.app"
    pds_url: HttpUrl = "https://bsky.social"
    handle: str = ""
    app_password: SecretStr = SecretStr("")
    daily_requests: int = Field(150, ge=0, le=100_000)
    refresh: int = Field(400, ge=0, le=1000)
    search_pages: int = Field(20, ge=1, le=100)
    delay: float = Field(1, ge=0, le=60)
    every: Duration = timedelta(hours=6)

    @field_validator("handle")
    @classmethod
    def _is_handle(cls, handle: str) -> str:
        handle = handle.strip().removeprefix("@").lower()
        if handle and not is_handle(handle):
            raise ValueError("must be a handle, as in name.bsky.social")
        return handle

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if bool(self.handle) != bool(self.app_password.get_secret_value()):
            raise ValueError("handle and app_password are set together, or neither")
        return self


class LoginOver(SignalError):
    """The session is too old, or was ended: log in and ask again."""


class Hosts:
    """The three hosts. Every method asks once, and raises SignalError."""

    def __init__(self, settings: BlueskySettings, fetcher: Fetcher) -> None:
        self._settings = settings
        self._fetcher = fetcher
        self._token = ""

    @property
    def logged_in(self) -> bool:
        """Whether there is a session, of whatever age."""
        return bool(self._token)

    def backlinks(self, address: str, place: str, cursor: str = "") -> Backlinks:
        """The posts that link to exactly this address, the newest first."""
        params = {"subject": address, "source": place, "limit": str(PAGE)}
        return self._ask(
            f"{self._settings.constellation_url}/xrpc/blue.microcosm.links.getBacklinks",
            params | ({"cursor": cursor} if cursor else {}),
            lambda text: read_backlinks(text, PAGE),
        )

    def posts(self, uris: Sequence[str]) -> list[View]:
        """The posts with these ids, at most 25, as they are now; those not there are left out."""
        views = self._ask(
            f"{self._settings.appview_url}/xrpc/app.bsky.feed.getPosts",
            {"uris": uris},
            lambda text: read_views(text, len(uris), "getPosts"),
        ).views
        if any(view["uri"] not in uris for view in views):
            raise SignalError("Bluesky: getPosts: a post that was not asked for")
        return views

    def search(self, since: datetime, cursor: str = "") -> Views:
        """One page of the posts with a link to arXiv, the newest first; LoginOver if too old."""
        params = {"q": "arxiv.org", "domain": "arxiv.org", "sort": "latest", "limit": str(PAGE)}
        params["since"] = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        try:
            return self._ask(
                f"{self._settings.pds_url}/xrpc/app.bsky.feed.searchPosts",
                params | ({"cursor": cursor} if cursor else {}),
                lambda text: read_views(text, PAGE, "searchPosts"),
                {"Authorization": f"Bearer {self._token}"},
            )
        except SignalError as error:
            # A PDS says 400 ExpiredToken, and 401 where it does not know the token at all.
            if _status(error) not in (400, 401):
                raise
            self._token = ""
            raise LoginOver(f"Bluesky refuses the search: {error}") from error

    def log_in(self) -> None:
        """Get a session; a PDS gives 30 in five minutes and 300 a day."""
        password = self._settings.app_password.get_secret_value()
        try:
            page = self._fetcher.post(
                f"{self._settings.pds_url}/xrpc/com.atproto.server.createSession",
                json={"identifier": self._settings.handle, "password": password},
                accept="application/json",
                delay=self._settings.delay,
                error=SignalError,
            )
        except SignalError as error:
            if _status(error) not in (400, 401):
                raise
            raise SignalError(
                f"Bluesky refuses the login (HTTP {_status(error)}); check "
                "signals.bluesky.handle and signals.bluesky.app_password"
            ) from error
        self._token = token_of(page.text)

    def _ask(
        self,
        url: str,
        params: Mapping[str, str | Sequence[str]],
        read: Callable[[str], T],
        headers: Mapping[str, str] | None = None,
    ) -> T:
        page = self._fetcher.get(
            url,
            params=params,
            accept="application/json",
            delay=self._settings.delay,
            error=SignalError,
            headers=headers,
        )
        try:
            return read(page.text)
        except SignalError:
            self._fetcher.forget(page)
            raise


def _status(error: SignalError) -> int:
    return error.__cause__.status if isinstance(error.__cause__, Failure) else 0
