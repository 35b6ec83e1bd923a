"""Which paper a web address points to."""

import re
from urllib.parse import unquote, urlsplit

MAX_LENGTH = 2000

# arXiv's two forms of id, with or without a version
# (https://info.arxiv.org/help/arxiv_identifier.html).
_ID = r"(?P<id>[0-9]{4}\.[0-9]{4,5}|[a-z-]+(?:\.[A-Z]{2})?/[0-9]{7})(?:v[0-9]+)?"

_PAPER = rf"{_ID}(?(pdf)(?:\.pdf)?)/?"  # only what is under pdf/ may end in .pdf
_ARXIV = re.compile(rf"/(?:abs|html|(?P<pdf>pdf))/{_PAPER}")
_ALPHAXIV = re.compile(rf"/(?:abs|overview|(?P<pdf>pdf))/{_PAPER}")
_DOI = re.compile(rf"/10\.48550/(?i:arxiv)\.{_ID}")
_HUGGING_FACE = re.compile(rf"/papers/{_ID}/?")

_PATHS = {
    "arxiv.org": _ARXIV,
    "www.arxiv.org": _ARXIV,
    "export.arxiv.org": _ARXIV,
    "doi.org": _DOI,
    "dx.doi.org": _DOI,
    "www.doi.org": _DOI,
    "huggingface.co": _HUGGING_FACE,
    "www.huggingface.co": _HUGGING_FACE,
    "alphaxiv.org": _ALPHAXIV,
    "www.alphaxiv.org": _ALPHAXIV,
}


def papers_in(url: str) -> str | None:
    """The key of the paper `url` points to, `arxiv:<unversioned id>`, or None.

    Knows arXiv's abs, pdf and html pages, their DOIs, and the pages of Hugging Face and
    alphaXiv about a paper. Query and fragment do not matter; the host must match exactly.
    """
    if len(url) > MAX_LENGTH:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    pattern = _PATHS.get(parts.netloc.lower())
    if pattern is None or parts.scheme not in ("http", "https"):
        return None
    found = pattern.fullmatch(unquote(parts.path))
    return f"arxiv:{found['id']}" if found else None
