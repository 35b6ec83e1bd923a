"""What the mails say that are no digest: each asks or tells one thing, with one link.

Nothing that somebody wrote into a form is in them, so that nobody can mail a stranger his
own words through us.
"""

from enum import StrEnum

from trendbot import letter, text
from trendbot.letter import Letter
from trendbot.settings import Site


class Kind(StrEnum):
    """Why a mail that is no digest is sent."""

    CONFIRM = "confirm"  # is this your address?
    KNOWN = "known"  # you are subscribed already
    WELCOME = "welcome"  # with the latest digest
    EXPORT = "export"  # here is what we keep of you
    ERASE = "erase"  # do you want to be erased?


# Where the one link of each leads; a welcome has the links of a digest.
PATHS = {
    Kind.CONFIRM: "confirm",
    Kind.KNOWN: "preferences",
    Kind.EXPORT: "export",
    Kind.ERASE: "erase",
}


def of_notice(kind: Kind, site: Site, link: str) -> Letter:
    """The letter of this kind, any but a welcome. Raises TrendbotError for a broken template."""
    said = {**letter.about(site), "link": link}
    subject = text.clean(letter.render(f"{kind}/subject.txt", **said))
    return Letter(
        subject=subject,
        text=letter.render(f"{kind}/body.txt", **said),
        html=letter.render(f"{kind}/body.html", **said, subject=subject),
    )
