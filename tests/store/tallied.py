"""What the signals counted for the papers of a window, by the keys of the papers."""

from datetime import date

from sqlalchemy import Connection

from trendbot.model import Tally
from trendbot.ranking import candidate
from trendbot.store import posts

WEIGHTS = {"x": 1.5, "archive": 0.25}


def tallied(
    conn: Connection, since: date, until: date, checked: bool = False
) -> dict[str, dict[str, Tally]]:
    """Each candidate's signals; what the database added up of them is checked on the way."""
    found = posts.candidates(conn, since, until, WEIGHTS, checked)
    ids = [one.paper_id for one in found]
    signals = posts.signals(conn, ids, since, until, checked)
    for one in found:
        alone = candidate(*one[:3], signals.get(one.paper_id, {}), WEIGHTS)
        assert one == alone
    return {one.key: signals.get(one.paper_id, {}) for one in found}
