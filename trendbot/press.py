"""What is printed once and sent many times: digests, and their edition for each segment."""

from sqlalchemy import Engine

from trendbot import compose
from trendbot.compose import Composed
from trendbot.model import Digest, Segment
from trendbot.settings import MailSection, Site
from trendbot.store import digests

# At most 90 kB of HTML and as much again of text in each: a few dozen megabytes.
_EDITIONS_KEPT = 200


class Press:
    """Digests and editions as they are asked for; neither ever changes once it is made."""

    def __init__(self, engine: Engine, site: Site, mail: MailSection) -> None:
        self._engine = engine
        self._site = site
        self._mail = mail
        self._digests: dict[int, Digest] = {}
        self._editions: dict[tuple[int, Segment], Composed] = {}

    def digest(self, digest_id: int) -> Digest:
        """The digest with this id."""
        if digest_id not in self._digests:
            with self._engine.connect() as conn:
                self._digests = {digest_id: digests.by_id(conn, digest_id)}
        return self._digests[digest_id]

    def edition(self, digest: Digest, segment: Segment) -> Composed:
        """The mail all subscribers of the segment share. Raises HeaderError."""
        key = (digest.id, segment)
        if key not in self._editions:
            if len(self._editions) >= _EDITIONS_KEPT:
                self._editions.clear()
            self._editions[key] = compose.render(digest, segment, self._site, self._mail)
        return self._editions[key]
