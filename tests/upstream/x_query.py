"""The part of X's search language that a collector of links needs.

`url: from: lang: has:links is:retweet|quote min_likes: min_reposts: min_replies:`, words and
"phrases", joined by blank (and), OR, brackets and a leading minus.
"""

import re
from collections.abc import Callable

from tests.upstream.world import WorldPost

Test = Callable[[WorldPost], bool]
TOKEN = re.compile(r'-|\(|\)|[a-z_]+:"[^"]*"|[a-z_]+:[^\s()]+|"[^"]*"|[^\s()]+')
STANDALONE = ("url", "from", "")


class InvalidQueryError(Exception):
    """The query is not one X takes; the text says why."""


def compiled(query: str) -> Test:
    """A test for posts; raises InvalidQueryError as X would answer 400."""
    tokens = TOKEN.findall(query)
    if not any(operator(token)[0] in STANDALONE for token in tokens if token not in "()-OR"):
        raise InvalidQueryError("There must be at least one standalone operator in the query.")
    test = any_of(tokens)
    if tokens:
        raise InvalidQueryError(f"extraneous input '{tokens[0]}' (at position {len(query)})")
    return test


def any_of(tokens: list[str]) -> Test:
    """alternatives := all (OR all)*"""
    tests = [all_of(tokens)]
    while tokens and tokens[0] == "OR":
        tokens.pop(0)
        tests.append(all_of(tokens))
    return lambda post: any(test(post) for test in tests)


def all_of(tokens: list[str]) -> Test:
    """all := (-? (term | "(" alternatives ")"))+"""
    tests: list[Test] = []
    while tokens and tokens[0] not in ("OR", ")"):
        tests.append(one(tokens))
    if not tests:
        raise InvalidQueryError("no viable alternative at input")
    return lambda post: all(test(post) for test in tests)


def one(tokens: list[str]) -> Test:
    token = tokens.pop(0)
    if token == "-":
        refused = one(tokens)
        return lambda post: not refused(post)
    if token == "(":
        inside = any_of(tokens)
        if not tokens or tokens.pop(0) != ")":
            raise InvalidQueryError("missing ')'")
        return inside
    return term(*operator(token))


def operator(token: str) -> tuple[str, str]:
    """`url:"x"` as ("url", "x"); a word or a phrase has the name ""."""
    name, colon, value = token.partition(":")
    return (name, value.strip('"')) if colon and name.islower() else ("", token.strip('"'))


def term(name: str, value: str) -> Test:
    tests: dict[str, Test] = {
        "": lambda post: value.lower() in post.text.lower(),
        "url": lambda post: any(holds(words(url), words(value)) for url in post.urls),
        "from": lambda post: post.author.lower() == value.lower(),
        "lang": lambda post: post.lang == value,
        "has": lambda post: bool(post.urls),
        "is": lambda post: bool({"retweet": post.repost_of, "quote": post.quote_of}.get(value)),
        "min_likes": lambda post: post.favorites >= int(value),
        "min_reposts": lambda post: post.retweets >= int(value),
        "min_replies": lambda post: post.replies >= int(value),
    }
    if name not in tests:
        raise InvalidQueryError(
            f"Reference to invalid operator '{name}'. Operator is not available in current "
            "product or product packaging."
        )
    return tests[name]


def words(address: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", address.lower())


def holds(where: list[str], what: list[str]) -> bool:
    """Whether the words of `what` stand in `where` one after the other."""
    return any(where[start : start + len(what)] == what for start in range(len(where)))
