"""What the API's operations have in common: parameters within bounds, refusals, paging."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Query
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from trendbot.categories import ARCHIVES, CATEGORIES, is_topic
from trendbot.model import Cadence
from trendbot.web.schemas import CADENCE, ErrorAnswer

LAST_PAGE = 1000
LONGEST_PAGE = 100


def _day(written: object) -> object:
    """Refuse what pydantic would take besides, such as seconds since 1970."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(written)):
        raise ValueError("write a date such as 2026-11-20")
    return written


def _topic(written: str) -> str:
    if written and not is_topic(written):
        raise ValueError("write a category or archive of arXiv, such as cs.LG or math")
    return written


_DATE = {"type": "string", "format": "date", "examples": ["2026-11-20"]}

Day = Annotated[date, BeforeValidator(_day), WithJsonSchema(_DATE)]
OptionalDay = Annotated[date | None, BeforeValidator(_day), WithJsonSchema(_DATE)]
OptionalCadence = Annotated[Cadence | None, WithJsonSchema(CADENCE)]
Topic = Annotated[
    str,
    AfterValidator(_topic),
    Query(
        max_length=40,
        description="A category or a whole archive of arXiv.",
        examples=["cs.LG"],
        json_schema_extra={"enum": ["", *ARCHIVES, *CATEGORIES]},
    ),
]
PageNumber = Annotated[int, Query(ge=1, le=LAST_PAGE, description="Which page, from 1.")]
PageSize = Annotated[int, Query(ge=1, le=LONGEST_PAGE, description="How many a page has.")]

NO_NUL = r"^[^\x00]*$"  # what the guard refuses, said in the schema

_REFUSALS = {
    400: "The request makes no sense.",
    403: "A page of another site sent it.",
    404: "There is no such thing.",
    408: "The body took too long.",
    413: "The body is too large.",
    414: "The address is too long.",
    422: "A parameter or field cannot be used; `field` says which.",
    429: "Asked too often; Retry-After says for how many seconds to wait.",
    431: "The headers are too long.",
    503: "The database cannot be asked just now.",
}


def refusals(more: Iterable[int] = ()) -> dict[int | str, dict[str, Any]]:
    """The refusals that every operation knows, and `more`, as FastAPI documents them."""
    return {
        status: {"model": ErrorAnswer, "description": _REFUSALS[status]}
        for status in sorted({400, 414, 422, 431, 503, *more})
    }


def paging(
    address: str, asked: dict[str, Any], total: int, page: int, per_page: int
) -> dict[str, Any]:
    """How many there are, and the address of the next page, if there is one."""
    more = {name: str(value) for name, value in asked.items() if value}
    query = urlencode({**more, "page": page + 1, "per_page": per_page}, quote_via=quote)
    has_next = page * per_page < total and page < LAST_PAGE
    return {
        "total": total,
        "page": page,
        "per_page": per_page,
        "next": f"{address}?{query}" if has_next else None,
    }
