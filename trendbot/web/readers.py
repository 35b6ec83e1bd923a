"""For readers: sign up, confirm, leave. What they tune and ask for later: `preferences.py`.

No step behind these pages sends mail; GET changes nothing, for link scanners open every
link of every mail.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from trendbot import addresses, subscribe
from trendbot.app import App
from trendbot.errors import AddressError, LimitError, TasteError
from trendbot.model import Cadence, Status, Subscriber
from trendbot.web import choices
from trendbot.web.fields import Fields, FieldsDep, FieldsOrNoneDep, Finding, Wishes
from trendbot.web.guard import client_key
from trendbot.web.views import AppDep, page

router = APIRouter(include_in_schema=False)


@router.get("/subscribe")
def sign_up(
    app: AppDep,
    cadence: Annotated[str, Query(max_length=20)] = "",
    topics: Annotated[list[str], Query(max_length=50)] = [],  # noqa: B006  # read, never changed
) -> HTMLResponse:
    """The whole form; a link may choose a cadence and topics beforehand, never an address."""
    chosen = " ".join(topics).replace(",", " ").split()
    return _form(app, Wishes(cadence=cadence, topics=chosen), Finding())


@router.post("/subscribe")
def ask(request: Request, app: AppDep, sent: FieldsDep) -> HTMLResponse:
    """Ask for the digest; the answer tells nothing about the address."""
    wishes, finding = Wishes.read(sent), Finding.read(sent, "topics")
    if sent.one("website"):  # nobody sees this field; only programs fill it
        return page("asked.html", app=app)
    if finding.is_on:
        return _form(app, wishes, finding)
    if wrong := _wrong(wishes):
        return _form(app, wishes, finding, 422, wrong)
    try:
        subscribe.ask(app.doorway(), wishes.email, wishes.taste(), client_key(request))
    except LimitError as error:
        answer = _form(app, wishes, finding, 429, {"": str(error)})
        answer.headers["Retry-After"] = str(error.retry_after)
        return answer
    return page("asked.html", app=app)


def _wrong(wishes: Wishes) -> dict[str, str]:
    """What is wrong with a sign-up, by field."""
    wrong = {}
    try:
        addresses.normalise(wishes.email)
    except AddressError as error:
        wrong["email"] = str(error) if wishes.email else "please write your mail address"
    try:
        wishes.taste()
    except TasteError as error:
        wrong[error.field] = str(error)
    return wrong


def _form(
    app: App,
    wishes: Wishes,
    finding: Finding,
    status: int = 200,
    wrong: Mapping[str, str] | None = None,
) -> HTMLResponse:
    return page(
        "subscribe.html",
        app=app,
        status=status,
        wishes=wishes,
        wrong=wrong or {},
        topics=choices.topics("topics", wishes.topics, finding),
        offer=choices.offer(app.settings.schedule.timezone, wishes.timezone),
    )


@router.get("/confirm/{token}")
def show_confirmation(app: AppDep, token: str) -> HTMLResponse:
    """Show the button that confirms; whoever opens the link has confirmed nothing."""
    subscriber = subscribe.expected(app.doorway(), token)
    return _told(app, "confirm.html", subscriber)


@router.post("/confirm/{token}")
def confirm(app: AppDep, token: str) -> HTMLResponse:
    """Confirm, whatever the body."""
    subscriber = subscribe.confirm(app.doorway(), token)
    return _told(app, "confirmed.html", subscriber)


@router.get("/unsubscribe/{token}")
def show_leaving(app: AppDep, token: str) -> HTMLResponse:
    """Show the button that unsubscribes, and the offer of less mail."""
    subscriber = subscribe.known(app.doorway(), token)
    if subscriber.status in (Status.UNSUBSCRIBED, Status.ERASED):
        return page("left.html", app=app)
    others = [one for one in Cadence if one is not subscriber.cadence]
    offered = others if subscriber.status is Status.ACTIVE else []
    return _told(app, "unsubscribe.html", subscriber, offered=offered)


@router.post("/unsubscribe/{token}")
def leave(app: AppDep, token: str, sent: FieldsOrNoneDep) -> HTMLResponse:
    """Unsubscribe at once, for ever, whatever the body: the one click of RFC 8058 section 3.1.

    Only a form that names another cadence, and is no such click, changes that instead.
    """
    door, cadence = app.doorway(), _cadence_instead(sent)
    if cadence is not None:
        subscriber = subscribe.instead(door, token, cadence)
        if subscriber.status is Status.ACTIVE:
            return _told(app, "changed.html", subscriber)
    subscribe.leave(door, token)
    return page("left.html", app=app)


def _cadence_instead(sent: Fields) -> Cadence | None:
    name = sent.one("instead")
    return Cadence(name) if name in tuple(Cadence) and not sent.one("List-Unsubscribe") else None


def _told(
    app: App, template: str, subscriber: Subscriber, offered: Sequence[Cadence] = ()
) -> HTMLResponse:
    """A page that says who is meant, to whoever has the link: their address masked."""
    address = addresses.masked(subscriber.email)
    return page(template, app=app, address=address, cadence=subscriber.cadence, offered=offered)
