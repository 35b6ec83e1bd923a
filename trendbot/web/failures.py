"""What an error looks like: a calm page, or JSON under /api; a traceback in the log alone."""

import logging
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, SQLAlchemyError
from starlette.exceptions import HTTPException

from trendbot.app import App
from trendbot.errors import (
    AddressError,
    LimitError,
    StoreError,
    TasteError,
    TokenError,
    TokenSpent,
)
from trendbot.store.engine import explain
from trendbot.web import publish, views
from trendbot.web.guard import TOKEN_PATHS, own_path

LONGEST_FIELD = 100  # of a name that a client made up
SHORTEST_TOKEN = 20  # no token is; what is shorter may be any word
RETRY_AFTER = 30  # seconds; a restart of the database takes about that

log = logging.getLogger(__name__)

# Title and advice of a page, by status.
_WORDS = {
    400: ("That cannot be read", "The address or the form holds something that makes no sense."),
    403: ("Please use our own form", "This one was sent by a page of another site."),
    404: ("There is no such page", "It may have moved, or never was here."),
    405: ("That cannot be done here", "The page is there, but not for this kind of request."),
    408: ("That took too long", "The form did not arrive in time. Please send it again."),
    410: ("This link is over", "Please ask for a new one."),
    413: ("That is too much", "The form is larger than anything we ask for."),
    414: ("That address is too long", "Please shorten it."),
    422: ("Something is not right", "A field is missing, or holds what it cannot hold."),
    429: ("Too often", "Please try again later."),
    431: ("That is too much", "Your browser sends more than we read."),
    500: ("Something went wrong here", "It is not your fault, and was written down."),
    503: ("Not available just now", "Please try again in half a minute."),
}


def answer(
    request: Request,
    status: int,
    said: str = "",
    headers: Mapping[str, str] | None = None,
    field: str | None = None,
) -> Response:
    """The page about an error, or its JSON where programs ask: `schemas.ErrorAnswer`."""
    title, advice = _WORDS.get(status, (HTTPStatus(status).phrase, ""))
    said = _sound(said) or advice
    if _is_api(request):
        readable = publish.OPEN if request.method == "GET" else {}
        document = {"error": said or title, "field": field}
        told = {"Cache-Control": views.PRIVATE, **readable, **(headers or {})}
        return JSONResponse(document, status, told)
    app: App = request.app.state.trendbot
    page = views.page(
        "error.html", app=app, status=status, title=title, said=said, is_over=status == 410
    )
    page.headers.update(headers or {})
    return page


def unforeseen(request: Request, error: Exception) -> Response:
    """The page about our own mistake; the log gets the traceback, but no token."""
    told = "".join(traceback.format_exception(error))
    path = own_path(request.scope)
    if path.startswith(TOKEN_PATHS) and len(token := path.split("/")[2]) >= SHORTEST_TOKEN:
        told = told.replace(token, "(token)")
    route = getattr(request.scope.get("route"), "path_format", "-")
    log.error("%s %s failed\n%s", request.method, route, told)
    return answer(request, 500)


def _refused(request: Request, error: HTTPException) -> Response:
    phrase = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers or {})
    allowed = headers.get("Allow", "")
    if "GET" in allowed:
        headers["Allow"] = f"{allowed}, HEAD"  # which the shelf answers
    said = "" if error.detail == phrase else str(error.detail)
    return answer(request, error.status_code, said, headers)


def _invalid(request: Request, error: RequestValidationError) -> Response:
    """Says which field is wrong and why, without saying again what was sent."""
    if _is_api(request):
        first = error.errors()[0]
        named = [part for part in first["loc"][1:] if isinstance(part, str)]
        field = _sound(named[0])[:LONGEST_FIELD] if named else None
        why = str(first["msg"]).removeprefix("Value error, ")
        return answer(request, 422, f"{field or 'body'}: {why}", field=field)
    is_address_wrong = all(one["loc"][:1] == ("path",) for one in error.errors())
    return answer(request, 404 if is_address_wrong else 422)


def _bad_address(request: Request, error: AddressError) -> Response:
    return answer(request, 422, str(error), field="email")


def _bad_taste(request: Request, error: TasteError) -> Response:
    return answer(request, 422, str(error), field=error.field)


def _mangled(request: Request, error: TokenError) -> Response:
    return answer(request, 400, str(error))


def _spent(request: Request, error: TokenSpent) -> Response:
    return answer(request, 410, str(error))


def _too_often(request: Request, error: LimitError) -> Response:
    return answer(request, 429, str(error), {"Retry-After": str(error.retry_after)})


def _unreadable(request: Request, _error: DataError) -> Response:
    """What only the database noticed, such as a NUL in a text."""
    return answer(request, 400)


def _unavailable(request: Request, error: StoreError | SQLAlchemyError) -> Response:
    log.error("%s", explain(error) if isinstance(error, SQLAlchemyError) else error)
    return answer(request, 503, headers={"Retry-After": str(RETRY_AFTER)})


def _is_api(request: Request) -> bool:
    return own_path(request.scope).startswith("/api/")


def _sound(text: str) -> str:
    """The text without halves of characters, which JSON can bring and no answer can hold."""
    return text.encode("utf-8", "replace").decode()


HANDLERS: dict[Any, Any] = {  # FastAPI's own type leaves out handlers that are not async
    HTTPException: _refused,
    RequestValidationError: _invalid,
    AddressError: _bad_address,
    TasteError: _bad_taste,
    TokenError: _mangled,
    TokenSpent: _spent,
    LimitError: _too_often,
    StoreError: _unavailable,
    DataError: _unreadable,
    SQLAlchemyError: _unavailable,
}
