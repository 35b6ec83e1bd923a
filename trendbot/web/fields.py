"""What a form sends, read within bounds: one value of a field, several, or none at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from trendbot import tastes
from trendbot.errors import TasteError
from trendbot.model import Subscriber, Taste

MOST_FIELDS = 500  # the largest form has a box for each topic twice, about 340
LONGEST_VALUE = 2_000
_LONGEST_FIND = 100


class Fields:
    """The fields of a form, all of them text; what is not there is empty."""

    def __init__(self, form: FormData | None = None) -> None:
        self._form = FormData() if form is None else form

    def one(self, name: str) -> str:
        """The last value of a field, without spaces around it."""
        return str(self._form.get(name, "")).strip()

    def many(self, name: str) -> tuple[str, ...]:
        """All values of a field, each once, also where several stand in one, as "cs.LG, math"."""
        values = (str(value) for value in self._form.getlist(name))
        return tuple(dict.fromkeys(" ".join(values).replace(",", " ").split()))


async def fields(request: Request) -> Fields:
    """Read the form of a request. Raises HTTPException 400 for one that cannot be read.

    Urlencoded or multipart, no files. Asynchronous as the framework's reading of a form is;
    the endpoints are not, for they wait for the database.
    """
    try:
        return Fields(
            await request.form(max_files=0, max_fields=MOST_FIELDS, max_part_size=LONGEST_VALUE)
        )
    except ValueError as error:  # broken multipart, or a charset that exists but is none for text
        raise HTTPException(400) from error


async def fields_or_none(request: Request) -> Fields:
    """Read the form of a request; one that cannot be read has no fields."""
    try:
        return await fields(request)
    except HTTPException:
        return Fields()


FieldsDep = Annotated[Fields, Depends(fields)]
FieldsOrNoneDep = Annotated[Fields, Depends(fields_or_none)]


@dataclass(frozen=True, slots=True)
class Finding:
    """A search for topics within a form: what stands in its field, and whether to search.

    A text that was not searched for yet is a search, whichever button was pressed: so the
    Enter key works in its field, and nobody subscribes by it. The button beside it always is.
    """

    text: str = ""
    is_on: bool = False

    @classmethod
    def read(cls, sent: Fields, name: str) -> "Finding":
        """Read the search for the topics in the field `name`."""
        text = sent.one(f"find_{name}")[:_LONGEST_FIND]
        is_new = text != sent.one(f"found_{name}")
        return cls(text, is_new or sent.one("search") == name)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a form says, as it was typed, to be shown again or understood."""

    email: str = ""
    cadence: str = ""
    topics: Sequence[str] = ()
    fewer: Sequence[str] = ()
    hour: str = ""
    timezone: str = ""
    paused_until: str = ""

    @classmethod
    def read(cls, sent: Fields) -> "Wishes":
        """Read what a form sends."""
        return cls(
            sent.one("email"),
            sent.one("cadence"),
            sent.many("topics"),
            sent.many("fewer"),
            sent.one("hour"),
            sent.one("timezone"),
            "" if sent.one("resume") else sent.one("paused_until"),
        )

    @classmethod
    def of(cls, subscriber: Subscriber, today: date) -> "Wishes":
        """What a form shows of a subscriber: not the address, nor a pause that is over."""
        until = subscriber.paused_until
        return cls(
            "",
            subscriber.cadence,
            subscriber.topics,
            subscriber.fewer,
            "" if subscriber.hour is None else str(subscriber.hour),
            subscriber.timezone,
            until.isoformat() if until is not None and until > today else "",
        )

    def taste(self) -> Taste:
        """What it means. Raises TasteError."""
        return tastes.read(self.cadence, self.topics, self.hour, self.timezone, self.fewer)

    def pause(self) -> date | None:
        """The first day with mail again. Raises TasteError for what is no day."""
        if not self.paused_until:
            return None
        try:
            return date.fromisoformat(self.paused_until)
        except ValueError:
            raise TasteError(
                "write the day as 2026-12-24, year, month and day", "paused_until"
            ) from None
