"""Faults on demand: each kind bends the world, the reply, or the way the reply is sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fnmatch import fnmatch
from typing import Any

from tests.upstream import x
from tests.upstream.reply import HTML, Reply, as_json, text
from tests.upstream.world import World

MODES = ("renamed", "only_post_fields", "search_has_reposts")  # fields of XRules
WORLDS = (*MODES, "stale", "empty")
MANNERS = ("slow", "drip", "cut", "huge", "close")


@dataclass(slots=True)
class Fault:
    """One fault waiting for the requests that match `where`; `times` None never ends."""

    where: str
    kind: str
    times: int | None = 1
    after: int = 0
    how: Mapping[str, Any] = field(default_factory=dict)

    def strikes(self, service: str, path: str) -> bool:
        """Whether this request is hit; counts it."""
        if not matches(self.where, service, path) or self.times == 0:
            return False
        if self.after:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


def matches(where: str, service: str, path: str) -> bool:
    """`where` is a service's name, or a pattern of a path below its base."""
    return where == service or fnmatch(path, where)


def strike(faults: list[Fault], service: str, path: str) -> list[Fault]:
    """The faults that hit this request: all that bend the world, one that spoils the reply."""
    hits: list[Fault] = []
    for fault in faults:
        is_taken = fault.kind not in WORLDS and any(hit.kind not in WORLDS for hit in hits)
        if not is_taken and fault.strikes(service, path):
            hits.append(fault)
    return hits


def bent(world: World, fault: Fault) -> World:
    """The world as the faulty service sees it."""
    if fault.kind == "stale":
        older = world.last_announcement(world.last_announcement() - timedelta(days=1))
        return replace(world, today=older)
    if fault.kind == "empty":
        return replace(world, papers=[], posts=[], entries=[])
    if fault.kind in MODES:
        rules = replace(world.x)
        setattr(rules, fault.kind, True)
        return replace(world, x=rules)
    return world


def spoiled(reply: Reply, world: World, fault: Fault) -> Reply:
    """The reply as the fault leaves it."""
    if fault.kind in WORLDS:
        return reply
    if fault.kind in MANNERS:
        return replace(reply, manner=fault.kind, how=fault.how)
    return REPLIES[fault.kind](reply, world, **fault.how)


def _status(
    reply: Reply,
    world: World,
    status: int = 503,
    body: str = "",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    return Reply(status, body.encode(), {"Content-Type": "text/plain", **(headers or {})})


def _malformed(reply: Reply, world: World, body: bytes | None = None) -> Reply:
    """Half a document of the right type, with bytes that are no UTF-8."""
    garbage = b"\xff\xfe" + reply.body[: len(reply.body) // 3] + b'<dl id="\x00{"data": [{'
    return replace(reply, body=garbage if body is None else body, cacheable=False)


def _content_type(reply: Reply, world: World, content_type: str = "application/pdf") -> Reply:
    return replace(reply, headers={**reply.headers, "Content-Type": content_type})


def _blocked(reply: Reply, world: World) -> Reply:
    """What an edge in front of arXiv says to clients it does not like."""
    return text("<html><body><h1>406 Not Acceptable</h1></body></html>", HTML, 406)


def _credits(reply: Reply, world: World) -> Reply:
    return as_json(
        {
            "title": "CreditsDepleted",
            "detail": "Your enrolled account [1000000000000000001] does not have any credits "
            "to fulfill this request.",
            "type": x.PROBLEMS + "credits",
        },
        402,
    )


def _rate_limited(reply: Reply, world: World, reset: float | None = 60) -> Reply:
    """429; `reset` in seconds from world.now, None for no header at all."""
    refusal = x.problem(429, "Too Many Requests", "Too Many Requests", "about:blank")
    if reset is None:
        return refusal
    limits = x.limits(world, remaining=0, reset=timedelta(seconds=reset))
    return replace(refusal, headers={**refusal.headers, **limits})


def _usage_capped(reply: Reply, world: World) -> Reply:
    return as_json(
        {
            "title": "UsageCapExceeded",
            "detail": "Usage cap exceeded: Monthly product cap",
            "type": x.PROBLEMS + "usage-capped",
            "period": "Monthly",
            "scope": "Product",
            "account_id": 0,
        },
        429,
    )


def _json(reply: Reply, world: World, document: object = None) -> Reply:
    """Well-formed JSON of a shape nobody promised."""
    return as_json(document)


REPLIES: dict[str, Callable[..., Reply]] = {
    "status": _status,
    "malformed": _malformed,
    "content_type": _content_type,
    "blocked": _blocked,
    "credits": _credits,
    "rate_limited": _rate_limited,
    "usage_capped": _usage_capped,
    "json": _json,
}
KINDS = {*MANNERS, *REPLIES, *WORLDS}
