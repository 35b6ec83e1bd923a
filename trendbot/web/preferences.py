"""For readers who have mail from us: what they get and when, their data, their erasure.

A link of a digest opens the preferences. What is of consequence, all that is kept and its
erasure, takes a fresh mail: a digest may have been forwarded.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse

from trendbot import addresses, compose, subscribe, tokens, wording
from trendbot.app import App
from trendbot.errors import TasteError
from trendbot.model import Subscriber
from trendbot.subscribe import LONGEST_PAUSE
from trendbot.web import choices
from trendbot.web.fields import Fields, FieldsDep, Finding, Wishes
from trendbot.web.views import PRIVATE, AppDep, page

router = APIRouter(include_in_schema=False)

_NOWHERE = (Finding(), Finding())
_ASKED = {"export": subscribe.ask_export, "erase": subscribe.ask_erase}


@router.get("/preferences/{token}")
def show(app: AppDep, token: str) -> HTMLResponse:
    """Show what is set."""
    subscriber = subscribe.preferences(app.doorway(), token)
    return _form(app, subscriber, Wishes.of(subscriber, _today(app)), _NOWHERE)


@router.post("/preferences/{token}")
def change(app: AppDep, token: str, sent: FieldsDep) -> HTMLResponse:
    """Save what is wished, or search for topics, or send the mail that was asked for."""
    door = app.doorway()
    if (mail := sent.one("mail")) in _ASKED:
        _ASKED[mail](door, token)
        return page("mailed.html", app=app, kind=mail)
    subscriber = subscribe.preferences(door, token)
    wishes, findings = Wishes.read(sent), _findings(sent)
    if any(finding.is_on for finding in findings):
        return _form(app, subscriber, wishes, findings)
    if wrong := _wrong(wishes):
        return _form(app, subscriber, wishes, findings, 422, wrong)
    try:
        saved = subscribe.prefer(door, token, wishes.taste(), wishes.pause())
    except TasteError as error:  # a day that is too far away
        return _form(app, subscriber, wishes, findings, 422, {error.field: str(error)})
    return _form(app, saved, Wishes.of(saved, _today(app)), _NOWHERE, is_saved=True)


def _wrong(wishes: Wishes) -> dict[str, str]:
    """What cannot be understood, by field."""
    wrong = {}
    for read in (wishes.taste, wishes.pause):
        try:
            read()
        except TasteError as error:
            wrong[error.field] = str(error)
    return wrong


def _findings(sent: Fields) -> tuple[Finding, Finding]:
    topics, fewer = Finding.read(sent, "topics"), Finding.read(sent, "fewer")
    return topics, replace(fewer, is_on=fewer.is_on and not topics.is_on)  # one gets the focus


def _form(
    app: App,
    subscriber: Subscriber,
    wishes: Wishes,
    findings: tuple[Finding, Finding],
    status: int = 200,
    wrong: Mapping[str, str] | None = None,
    is_saved: bool = False,
) -> HTMLResponse:
    leave = tokens.sign(app.secret, tokens.UNSUBSCRIBE, str(subscriber.id))
    return page(
        "preferences.html",
        app=app,
        status=status,
        wishes=wishes,
        wrong=wrong or {},
        is_saved=is_saved,
        topics=choices.topics("topics", wishes.topics, findings[0]),
        fewer=choices.topics("fewer", wishes.fewer, findings[1], of=wishes.topics),
        leave=leave,
        about=_about(app, subscriber),
        offer=choices.offer(app.settings.schedule.timezone, wishes.timezone),
    )


def _about(app: App, subscriber: Subscriber) -> dict[str, object]:
    """How things are with a subscriber, and from when to when mail can be paused."""
    mail = app.settings.mail
    today = _today(app)
    until = subscriber.paused_until
    return {
        "address": addresses.masked(subscriber.email),
        "status": subscriber.status.value,
        "until": wording.spelled(until) if until is not None and until > today else "",
        "first_day": today + timedelta(days=1),
        "last_day": today + LONGEST_PAUSE,
        "operator": compose.envelope_sender(mail.reply_to or mail.sender),
    }


def _today(app: App) -> date:
    return app.now().astimezone(app.settings.schedule.zone).date()


@router.get("/export/{token}")
def show_export(app: AppDep, token: str) -> HTMLResponse:
    """Show the button that brings the file."""
    subscribe.export_of(app.doorway(), token)
    return page("export.html", app=app)


@router.post("/export/{token}")
def export(app: AppDep, token: str) -> JSONResponse:
    """All that is kept of the subscriber, as a file."""
    headers = {
        "Cache-Control": PRIVATE,
        "Content-Disposition": 'attachment; filename="my-data.json"',
    }
    return JSONResponse(subscribe.export_of(app.doorway(), token), headers=headers)


@router.get("/erase/{token}")
def show_erasing(app: AppDep, token: str) -> HTMLResponse:
    """Explain what is erased, and show the button that does it."""
    subscriber = subscribe.erasing(app.doorway(), token)
    return page("erase.html", app=app, address=addresses.masked(subscriber.email))


@router.post("/erase/{token}")
def erase(app: AppDep, token: str) -> HTMLResponse:
    """Erase the subscriber, whatever the body."""
    subscribe.erase(app.doorway(), token)
    return page("erased.html", app=app)
