"""Which papers web addresses point to."""

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

MAX_LENGTH = 2000

# arXiv's two forms of id, with or without a version. Before 2007 a subject class may stand
# behind the archive and says nothing: math.GT/0309136 is the paper math/0309136. arXiv takes
# these in any case (https://info.arxiv.org/help/arxiv_identifier.html; `Identifier` in
# github.com/arXiv/arxiv-base).
_ID = (
    r"(?:(?P<new>[0-9]{4}\.[0-9]{4,5})"
    r"|(?P<archive>[A-Za-z-]{1,20})(?:\.[A-Za-z-]{2,20})?/(?P<number>[0-9]{7}))"
    r"(?:[vV][0-9]+)?"
)
_END = "/*"
# Only what is under pdf/ may end in .pdf.
_ARXIV = re.compile(rf"/(?:abs|html|(?P<pdf>pdf))/(?i:arxiv:)?{_ID}(?(pdf)(?:\.pdf)?){_END}")
_ALPHAXIV = re.compile(rf"/(?:abs|overview|(?P<pdf>pdf))/{_ID}(?(pdf)(?:\.pdf)?){_END}")
# Letters of a DOI have no case (ISO 26324).
_DOI = re.compile(rf"/10\.48550/(?i:arxiv)\.{_ID}{_END}")
# `.md` is the page as Markdown (https://huggingface.co/docs/hub/paper-pages).
_HUGGING_FACE = re.compile(rf"/papers/{_ID}(?:\.md)?{_END}")

_PATHS = {
    "arxiv.org": _ARXIV,
    "export.arxiv.org": _ARXIV,
    "doi.org": _DOI,
    "dx.doi.org": _DOI,
    "huggingface.co": _HUGGING_FACE,
    "hf.co": _HUGGING_FACE,
    "alphaxiv.org": _ALPHAXIV,
}
_PORTS = {"http": ":80", "https": ":443"}


def papers_in(url: str) -> str | None:
    """The key of the paper `url` points to, `arxiv:<unversioned id>`, or None.

    Knows arXiv's abs, pdf and html pages, their DOIs, and the pages of Hugging Face and
    alphaXiv about a paper. Query and fragment do not matter; the host must match exactly,
    but for case, `www.` and its usual port. A DOI or an id that is no address points nowhere.
    """
    if len(url) > MAX_LENGTH:
        return None
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    if parts.scheme not in _PORTS:
        return None
    host = parts.netloc.lower().removesuffix(_PORTS[parts.scheme]).removeprefix("www.")
    pattern = _PATHS.get(host)
    found = pattern.fullmatch(unquote(parts.path)) if pattern else None
    return f"arxiv:{_canonical(found)}" if found else None


def papers_of(urls: Iterable[str]) -> tuple[str, ...]:
    """The keys of all papers that any of `urls` points to, each once, in order."""
    return tuple(dict.fromkeys(key for url in urls if (key := papers_in(url))))


def canonical(arxiv_id: str) -> str:
    """An arXiv id without version and subject class; what is no id stays as it is."""
    found = re.fullmatch(_ID, arxiv_id)
    return _canonical(found) if found else arxiv_id


def _canonical(found: re.Match[str]) -> str:
    return found["new"] or f"{found['archive'].lower()}/{found['number']}"
