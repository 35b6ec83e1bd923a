"""What a service answers, before the server puts it on the wire."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"
ATOM = "application/atom+xml; charset=utf-8"
RSS = "application/rss+xml; charset=utf-8"
TEXT = "text/plain; charset=utf-8"

Query = Mapping[str, str]
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; `manner` is how the server sends it (see server.py, faults).

    A `cacheable` one gets ETag and Last-Modified, and answers 304 when they match.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    cacheable: bool = False
    manner: str = "whole"
    how: Mapping[str, Any] = field(default_factory=dict)


def text(body: str, content_type: str, status: int = 200) -> Reply:
    """A reply of text."""
    return Reply(status, body.encode(), {"Content-Type": content_type})


def as_json(document: object, status: int = 200, headers: Headers | None = None) -> Reply:
    """A reply of JSON, with every sign beyond ASCII as UTF-8."""
    body = json.dumps(document, ensure_ascii=False).encode()
    return Reply(status, body, {"Content-Type": JSON, **(headers or {})})
