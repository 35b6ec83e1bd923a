"""Text from outside, made fit to show: nothing invisible in it, and not too long."""

import re
import unicodedata

# What is drawn as nothing, or reorders what is drawn: C0, DEL and C1 controls, soft hyphen,
# the bidi controls of UAX #9, zero-width spaces and joins, line separators, interlinear
# marks, tag characters, lone surrogates, noncharacters. The zero-width joiner and
# non-joiner stay: Persian, the Indic scripts and emoji are spelled with them.
HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f\ud800-\udfff]"
)
_SENTENCE_END = re.compile(r"[.!?][”’\"')\]]*\s+(?=[^a-z\s])")
_ELLIPSIS = "…"


def clean(text: str) -> str:
    """The text on one line, single spaces, without invisible or reordering characters."""
    spaced = HIDDEN.sub(lambda found: " " if found[0].isspace() else "", text)
    return " ".join(spaced.split())


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, cut between words where one ends in the second half."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    if not text[limit - 1].isspace():
        space = head.rfind(" ")
        head = head[:space] if space >= limit // 2 else _whole_characters(head, text[limit - 1])
    return head.rstrip(" ,;:.-–—\u200d") + _ELLIPSIS


def opening(text: str, limit: int) -> str:
    """The first sentences that fit into `limit` characters, or the first one, cut."""
    if len(text) <= limit:
        return text
    ends = [found.end() for found in _SENTENCE_END.finditer(text[: limit + 1])]
    fitting = [end for end in ends if end >= limit // 3]
    return text[: fitting[-1]].rstrip() if fitting else cut(text, limit)


def _whole_characters(head: str, following: str) -> str:
    """`head` without a last letter that would lose its accents to the cut."""
    while head and (unicodedata.combining(following) or following == "\u200d"):
        head, following = head[:-1], head[-1]
    return head
