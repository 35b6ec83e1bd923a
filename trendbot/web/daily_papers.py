"""Our digests in the field names of Hugging Face's `GET /api/daily_papers`.

So that programs written for that one can ask here, by another host name. A digest stands for
their page of the day, week or month. What they have and we have not is left out, or is empty
where their clients insist on it. Only `movement` is ours.

API: https://huggingface.co/docs/hub/api
"""

import re
from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date as Date  # noqa: N812  # the parameter's name is theirs
from hashlib import blake2b
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection

from trendbot import text, wording
from trendbot.model import Cadence, Digest, RankedPaper
from trendbot.store import archive, digests, papers, posts
from trendbot.web import publish
from trendbot.web.parameters import LAST_PAGE, LONGEST_PAGE, OptionalDay, refusals
from trendbot.web.schemas import DailyPaper
from trendbot.web.views import AppDep

router = APIRouter()


_WEEK = r"^([0-9]{4}-W[0-9]{2})?$"
_MONTH = r"^([0-9]{4}-[0-9]{2})?$"


@router.get(
    "/api/daily_papers",
    operation_id="listDailyPapers",
    summary="A digest in Hugging Face's field names",
    response_description="The papers of the digest.",
    tags=["Digests"],
    response_model=list[DailyPaper],
    responses=refusals(),
)
# Over 40 lines, most of them what the documentation says of the parameters.
def list_daily_papers(
    app: AppDep,
    date: Annotated[OptionalDay, Query(description="The daily digest of this day.")] = None,
    week: Annotated[
        str,
        Query(
            pattern=_WEEK, description="The weekly digest of this ISO week.", examples=["2026-W47"]
        ),
    ] = "",
    month: Annotated[
        str,
        Query(
            pattern=_MONTH, description="The monthly digest of this month.", examples=["2026-11"]
        ),
    ] = "",
    limit: Annotated[
        int, Query(ge=1, le=LONGEST_PAGE, description="How many papers a page has.")
    ] = 50,
    p: Annotated[int, Query(ge=0, le=LAST_PAGE, description="Which page, from 0.")] = 0,
    sort: Annotated[
        Literal["trending", "publishedAt"],
        Query(description="By rank, or the last announced first."),
    ] = "trending",
) -> Response:
    """The papers of one digest: of the newest daily one unless something else is asked for.

    `date` goes before `week`, and that before `month`; where there is no such digest the list
    is empty. `upvotes` are the retweets and favorites of a paper, `numComments` the replies
    to its posts, both as they were counted for the digest.
    """
    with app.engine.connect() as conn:
        digest = _digest(conn, date, week, month)
        if digest is None:
            return publish.json_answer([])
        entries = _sorted(digest.papers, sort)[p * limit : (p + 1) * limit]
        replies = _replies(conn, digest, entries)
    user = _user(text.clean(app.settings.site.name))
    moved = wording.movements(digest)
    return publish.json_answer(
        [_entry(digest, one, replies[one.paper.key], user, moved[one.rank]) for one in entries],
        digest.made_at,
    )


def _digest(conn: Connection, date: Date | None, week: str, month: str) -> Digest | None:
    if date is not None:
        return digests.find(conn, Cadence.DAILY, date)
    if week or month:
        cadence = Cadence.WEEKLY if week else Cadence.MONTHLY
        try:
            first, last = _days_of_week(week) if week else _days_of_month(month)
        except ValueError:  # not every year has a week 53, and none a month 13
            return None
        for filed in archive.filed(conn, cadence, 1, since=first, until=last):
            return digests.find(conn, cadence, filed.date)
        return None
    return next(iter(archive.latest(conn, Cadence.DAILY)), None)


def _days_of_week(week: str) -> tuple[Date, Date]:
    year, number = int(week[:4]), int(week[-2:])
    return Date.fromisocalendar(year, number, 1), Date.fromisocalendar(year, number, 7)


def _days_of_month(month: str) -> tuple[Date, Date]:
    first = Date.fromisoformat(f"{month}-01")
    return first, first.replace(day=monthrange(first.year, first.month)[1])


def _sorted(entries: Sequence[RankedPaper], sort: str) -> list[RankedPaper]:
    if sort == "trending":
        return list(entries)
    return sorted(entries, key=lambda one: one.paper.announced, reverse=True)


def _replies(conn: Connection, digest: Digest, entries: Sequence[RankedPaper]) -> dict[str, int]:
    """By the key of the paper, how many replies its posts had when the digest was counted."""
    ids = papers.ids_of(conn, [one.paper.key for one in entries])
    return {
        key: sum(
            post.reading.replies
            for post in posts.of_paper(conn, paper_id, digest.counted_at)
            if post.reading is not None
        )
        for key, paper_id in ids.items()
    }


def _entry(
    digest: Digest, ranked: RankedPaper, replies: int, user: Mapping[str, Any], moved: str
) -> dict[str, Any]:
    paper = ranked.paper
    said = {"title": paper.title, "summary": paper.abstract}
    announced = _midnight(paper.announced)
    return {
        "paper": {
            "id": paper.id if paper.source == "arxiv" else paper.key,
            "authors": [
                {"_id": _object_id(name), "name": name, "hidden": False} for name in paper.authors
            ],
            "publishedAt": announced,
            "submittedOnDailyAt": _midnight(digest.date),
            "submittedOnDailyBy": user,
            **said,
            "upvotes": ranked.retweets + ranked.favorites,
            "discussionId": _object_id(paper.key),
        },
        "publishedAt": announced,
        **said,
        "thumbnail": "",
        "numComments": replies,
        "submittedBy": user,
        "isAuthorParticipating": False,
        "movement": moved,
    }


def _user(name: str) -> dict[str, Any]:
    """Who lists the papers: this site."""
    return {
        "_id": _object_id(name),
        "avatarUrl": "",
        "fullname": name,
        "name": re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-") or "trendbot",
        "type": "user",
        "isPro": False,
        "isHf": False,
        "isHfAdmin": False,
        "isMod": False,
    }


def _midnight(day: Date) -> str:
    """Their clients insist on the milliseconds."""
    return f"{day}T00:00:00.000Z"


def _object_id(name: str) -> str:
    """24 hex digits, as theirs are, that stay the same for the same name."""
    return blake2b(name.encode("utf-8", "replace"), digest_size=12).hexdigest()
