"""What a mail says: subject, text and HTML of the same content, from `templates/`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from textwrap import fill

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    select_autoescape,
)

from trendbot import text, wording
from trendbot.errors import TrendbotError
from trendbot.folders import folder
from trendbot.model import Digest, RankedPaper, Segment, Taste
from trendbot.settings import Site

# Gmail hides what comes after about 102 kB of HTML, with the link to unsubscribe.
HTML_LIMIT = 90_000
_SUBJECT_TITLE = 90
_LINE = 72


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail's content; the HTML and the text say the same."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Links:
    """A recipient's own addresses: to unsubscribe, and to the preferences."""

    leave: str
    preferences: str


@dataclass(frozen=True, slots=True)
class _Room:
    """How much is shown: so many papers in full, the others as one line each."""

    in_full: int
    abstract: int
    title: int


# Tried in turn until the HTML fits. The last one fits whatever the papers are: 100 one-line
# papers of at most 800 bytes each.
_ROOMS = (
    _Room(100, wording.LONGEST_ABSTRACT, wording.LONGEST_TITLE),
    _Room(100, 220, wording.LONGEST_TITLE),
    _Room(40, 220, wording.LONGEST_TITLE),
    _Room(30, 220, wording.LONGEST_TITLE),
    _Room(20, 220, wording.LONGEST_TITLE),
    _Room(20, 120, 200),
    _Room(10, 120, 120),
    _Room(0, 0, 60),
)


def of_digest(
    digest: Digest,
    papers: Sequence[RankedPaper],
    segment: Segment,
    site: Site,
    links: Links,
    newcomer: Taste | None = None,
) -> Letter:
    """The letter that brings `papers`, those of the digest for `segment`, best first.

    It greets a newcomer who wants such digests. Its HTML is at most 90,000 bytes. Raises
    TrendbotError for a template that is broken.
    """
    said = {
        **about(site),
        **_of_cadence(digest, newcomer, site),
        "introduction": wording.introduction(len(digest.papers), len(papers), segment, digest.by),
        "counted": wording.moment(digest.counted_at),
        "heard": wording.counted_line(digest.heard, digest.counted_at) if digest.heard else "",
        "moved": wording.movements(digest),
        "archive_url": f"{site.base_url}/digests/{digest.cadence}/{digest.date}",
        "leave_url": links.leave,
        "preferences_url": links.preferences,
        "first": wording.entry(papers[0], _SUBJECT_TITLE, 0).title if papers else "no papers",
        "more": len(papers) - 1,
        "filed": wording.filed(digest),
    }
    said["subject"] = render(f"{'welcome' if newcomer else 'digest'}/subject.txt", **said)
    for room in _ROOMS:
        full = [wording.entry(one, room.title, room.abstract) for one in papers[: room.in_full]]
        brief = [wording.entry(one, room.title, 0) for one in papers[room.in_full :]]
        html = render("digest/body.html", **said, full=full, brief=brief)
        if len(html.encode()) <= HTML_LIMIT:
            break
    return Letter(
        subject=text.clean(str(said["subject"])),
        text=render("digest/body.txt", **said, full=full, brief=brief),
        html=html,
    )


def _of_cadence(digest: Digest, newcomer: Taste | None, site: Site) -> dict[str, object]:
    """What is said of the digest's days, of the cadence somebody gets, and to whom is new."""
    return {
        "heading": wording.heading(digest),
        "period": wording.period(digest),
        "cadence": digest.cadence.value,
        "subscribed": newcomer.cadence.value if newcomer else digest.cadence.value,
        "greeting": wording.greeting(newcomer, text.clean(site.name)) if newcomer else "",
    }


def of_welcome(taste: Taste, site: Site, links: Links) -> Letter:
    """The letter that greets somebody for whom there is no digest yet."""
    said: dict[str, object] = {
        **about(site),
        "subscribed": taste.cadence.value,
        "filed": "",
        "greeting": wording.greeting(taste, text.clean(site.name), has_digest=False),
        "archive_url": f"{site.base_url}/archive",
        "leave_url": links.leave,
        "preferences_url": links.preferences,
    }
    said["subject"] = render("welcome/subject.txt", **said)
    return Letter(
        subject=text.clean(str(said["subject"])),
        text=render("welcome/body.txt", **said),
        html=render("welcome/body.html", **said),
    )


def about(site: Site) -> dict[str, object]:
    """What all mails say of who sends them."""
    return {
        "name": text.clean(site.name),
        "base_url": site.base_url,
        "postal_address": text.clean(site.postal_address),
    }


def render(template: str, **said: object) -> str:
    """What a template of `templates/` says. Raises TrendbotError naming a broken one."""
    try:
        return _templates().get_template(template).render(said)
    except (TemplateError, OSError, UnicodeDecodeError) as error:
        line = f", line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
        raise TrendbotError(f"the template {template}{line} cannot be used: {error}") from error


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(folder("templates")),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    templates.filters["wrapped"] = _wrapped
    return templates


def _wrapped(said: str, indent: int = 0, hanging: bool = False) -> str:
    """The text in lines of 72, indented by so many spaces, `hanging` all but the first."""
    margin = " " * indent
    return fill(
        said,
        _LINE,
        initial_indent="" if hanging else margin,
        subsequent_indent=margin,
        break_on_hyphens=False,
    )
