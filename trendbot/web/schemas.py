"""What the API answers and takes, as its documentation tells it.

The documents themselves are made by `reports` and `web.api`: these models say what is in them,
and the tests hold both together.
"""

from datetime import date as Date  # noqa: N812  # a digest's own date is called date
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema

from trendbot.categories import ARCHIVES, CATEGORIES
from trendbot.model import By, Cadence
from trendbot.tastes import MOST_TOPICS, zones

_TOPICS: list[JsonValue] = [*ARCHIVES, *CATEGORIES]

CADENCE = {"type": "string", "enum": list(Cadence), "examples": ["daily"]}
CadenceName = Annotated[Cadence, WithJsonSchema(CADENCE)]
Count = Annotated[int, Field(ge=0)]


def _number(value: object) -> object:
    """Refuse what pydantic would take besides: JSON knows 7 and 7.0, but "7" or true is neither."""
    if isinstance(value, (bool, str)):
        raise ValueError("write a number")  # noqa: TRY004  # which pydantic reports
    return value


def _name_zones(schema: dict[str, Any]) -> None:
    schema["enum"] = ["", *zones()]  # when the schema is asked for: they lie in 600 files


class Model(BaseModel):
    """Nothing is in an answer or a request but what its model names."""

    model_config = ConfigDict(extra="forbid")


class ErrorAnswer(Model):
    """What went wrong, for a person; and which parameter or field it was, if it was one."""

    error: str
    field: str | None = None


class Window(Model):
    """The days of announcement a digest covers, both included."""

    since: Date
    until: Date


class CountsAnswer(Model):
    """How many posts there are, and the sums of their counts."""

    posts: Count
    retweets: Count
    favorites: Count


class TallyAnswer(CountsAnswer):
    """What one signal adds to a paper, counted at `measured_at`, null where that is not known.

    `growth` is retweets and favorites a day, lately. `left_out` posts are not in the counts.
    With a `flag`, which says why, the counts cannot be true and are in no sum; what archives
    printed may rank all the same, as the settings say.
    """

    growth: float
    measured_at: datetime | None
    left_out: Count
    flag: str


class ReadingAnswer(Model):
    """A post's counts at one moment."""

    taken_at: datetime
    retweets: Count
    favorites: Count
    replies: Count


class PostAnswer(Model):
    """A post that links to a paper; no reading means that no counts of it can be believed.

    Author and url are told only while the post was seen there within the last day, else "".
    `label` is what the account gave itself away as: "automated", "titles" for one that repeats
    titles; "known" where the settings here name it as a bot; or "". A `shared` post links to
    other papers too: `papers` are those known here. `flag` says why its newest counts cannot be
    true. A `lapsed` one was not seen there for a day and does not count now; a digest may have
    counted it before.
    """

    signal: str
    id: str
    author: str
    url: str
    posted_at: datetime
    seen_at: datetime | None
    label: str
    papers: list[str]
    shared: bool
    flag: str
    lapsed: bool
    reading: ReadingAnswer | None


class RankedAnswer(Model):
    """A paper of a digest, as it was that day. Text is as its authors wrote it, TeX and all.

    `merit` is what the order is by. `movement` is told against the digest before: "new",
    "back", "up 3", "down 2", "same", or "" where it is not known. A late riser was announced
    before the days of the digest.
    """

    rank: Annotated[int, Field(ge=1)]
    id: str
    title: str
    authors: list[str]
    categories: list[str]
    score: float
    merit: float
    movement: str
    late_riser: bool
    retweets: Count
    favorites: Count
    signals: dict[str, TallyAnswer]
    links: dict[str, str]
    posts: list[PostAnswer]


class DigestAnswer(Model):
    """A digest, frozen; its counts are those of `counted_at`.

    `by` is what its order is by. `heard` tells of each signal whether it answered; null where
    that was not written down.
    """

    date: Date
    cadence: CadenceName
    window: Window
    by: By
    counted_at: datetime
    heard: dict[str, bool] | None
    papers: list[RankedAnswer]


class DigestLine(Model):
    """A digest in a list: `papers` is how many it has, `url` its document in this API."""

    date: Date
    cadence: CadenceName
    window: Window
    made_at: datetime
    papers: Count
    url: str


class Page(Model):
    """One page of a longer list; `next` is the address of the one after it."""

    total: Count
    page: Annotated[int, Field(ge=1)]
    per_page: Annotated[int, Field(ge=1)]
    next: str | None


class DigestList(Page):
    """Digests, newest first."""

    digests: list[DigestLine]


class CategoryAnswer(Model):
    """A category of arXiv's."""

    id: str
    name: str


class PaperLine(Model):
    """A paper in a list: `page` is for people, `url` its document in this API."""

    id: str
    title: str
    authors: list[str]
    categories: list[CategoryAnswer]
    announced: Date
    abstract: str
    links: dict[str, str]
    page: str
    url: str


class PaperList(Page):
    """What was found, best first; `capped` tells that there are more than `total`."""

    papers: list[PaperLine]
    capped: bool


class PointAnswer(CountsAnswer):
    """What one signal counted up to a moment."""

    at: datetime


class AppearanceAnswer(Model):
    """A paper's place in a digest."""

    date: Date
    cadence: CadenceName
    rank: Annotated[int, Field(ge=1)]
    score: float
    retweets: Count
    favorites: Count
    url: str


class PaperAnswer(PaperLine):
    """A paper with all that is known of it: its counts per signal, today and over time."""

    comments: str
    counts: dict[str, TallyAnswer]
    history: dict[str, list[PointAnswer]]
    digests: list[AppearanceAnswer]
    posts: list[PostAnswer]


class SubscribeRequest(Model):
    """A wish to get the digest by mail. Only `email` must be there."""

    email: Annotated[
        str,
        Field(max_length=400, examples=["ada@example.org"], json_schema_extra={"format": "email"}),
    ]
    cadence: CadenceName = Cadence.DAILY
    topics: Annotated[
        list[Annotated[str, Field(max_length=40, json_schema_extra={"enum": _TOPICS})]],
        Field(
            max_length=MOST_TOPICS,
            description="Categories or archives of arXiv; none are all.",
            examples=[["cs.LG", "math"]],
        ),
    ] = []
    hour: Annotated[
        Annotated[int, Field(ge=0, le=23), BeforeValidator(_number)] | None,
        Field(description="From when it may arrive; null is as soon as it is made."),
    ] = None
    timezone: Annotated[
        str,
        Field(
            max_length=64,
            description='Of the hour, as Europe/Berlin; "" is the site\'s.',
            json_schema_extra=_name_zones,
        ),
    ] = ""
    website: Annotated[str, Field(max_length=400, description="Leave it empty.")] = ""


class SubscribeAnswer(Model):
    """The same whoever asks, and for whichever address."""

    message: str


class DailyPaperAuthor(Model):
    """An author, in Hugging Face's field names."""

    id: Annotated[str, Field(alias="_id")]
    name: str
    hidden: bool


class DailyPaperUser(Model):
    """Who lists the papers: this service, in Hugging Face's field names."""

    id: Annotated[str, Field(alias="_id")]
    avatarUrl: str  # noqa: N815  # theirs, as are all such names below
    fullname: str
    name: str
    type: str
    isPro: bool  # noqa: N815
    isHf: bool  # noqa: N815
    isHfAdmin: bool  # noqa: N815
    isMod: bool  # noqa: N815


class DailyPaperInside(Model):
    """A paper in Hugging Face's field names. `upvotes` are its retweets and favorites."""

    id: str
    authors: list[DailyPaperAuthor]
    publishedAt: datetime  # noqa: N815
    submittedOnDailyAt: datetime  # noqa: N815
    submittedOnDailyBy: DailyPaperUser  # noqa: N815
    title: str
    summary: str
    upvotes: Count
    discussionId: str  # noqa: N815


class DailyPaper(Model):
    """An entry in Hugging Face's field names. `numComments` are the replies to its posts.

    `movement` tells how it moved since the last digest, as "up 3, late riser".
    """

    paper: DailyPaperInside
    publishedAt: datetime  # noqa: N815
    title: str
    summary: str
    thumbnail: str
    numComments: Count  # noqa: N815
    submittedBy: DailyPaperUser  # noqa: N815
    isAuthorParticipating: bool  # noqa: N815
    movement: str
