"""A stored digest in the forms a person or a program may want it in."""

import re
from collections.abc import Iterator

from trendbot import compose, letter, wording
from trendbot.model import Digest, Segment
from trendbot.settings import MailSection, Site

# What Markdown would read as markup (CommonMark 0.31 section 2.4), where it could do so, and
# what would make a line of text an item, a rule or an underline (sections 4.1, 4.3, 5.2).
_MARKUP = re.compile(r"([\\`*_\[\]<>&~|#])")
_FIRST = re.compile(r"^([0-9]*)([-+=.)])")


def text(digest: Digest, site: Site) -> str:
    """The plain text of the digest as it is mailed, without anybody's own links."""
    return _letter(digest, site).text


def html(digest: Digest, site: Site) -> str:
    """The HTML of the digest as it is mailed, without anybody's own links."""
    return _letter(digest, site).html


def eml(digest: Digest, site: Site, mail: MailSection) -> str:
    """A whole message as it goes out, to an address nobody has and with tokens that are none."""
    composed = compose.render(digest, Segment(), site, mail)
    slots = ("reader@example.org", "<example@example.org>", "token", "token")
    return compose.personalise(composed, *slots).decode("ascii")


def markdown(digest: Digest) -> str:
    """The digest as Markdown."""
    return "\n".join(_markdown_lines(digest)) + "\n"


def _letter(digest: Digest, site: Site) -> letter.Letter:
    home = f"{site.base_url}/"
    return letter.of_digest(digest, digest.papers, Segment(), site, letter.Links(home, home))


def _markdown_lines(digest: Digest) -> Iterator[str]:
    yield f"# {wording.heading(digest)}"
    yield ""
    yield f"Counted {wording.moment(digest.counted_at)}."
    for ranked in digest.papers:
        entry = wording.entry(ranked)
        links = " | ".join(f"[{name}]({_destination(url)})" for name, url in entry.links)
        yield ""
        yield f"## {entry.rank}. {_escaped(entry.title)}"
        paragraphs = [entry.authors, f"{entry.counts} ({entry.signals})", entry.categories]
        for paragraph in [*map(_escaped, paragraphs), links, _escaped(entry.abstract)]:
            if paragraph:
                yield ""
                yield paragraph


def _escaped(written: str) -> str:
    return _FIRST.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", written))


def _destination(url: str) -> str:
    """The address between < and >, which it cannot hold itself (CommonMark 0.31 section 6.3)."""
    return f"<{url.replace('&', '&amp;')}>"
