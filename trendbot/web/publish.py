"""What programs are answered: documents everybody may keep, and read from any page."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from fastapi import Response

from trendbot.web.views import PUBLIC

# Any page may read these: they are the same for everybody, and no cookie opens more.
OPEN = {"Access-Control-Allow-Origin": "*"}


def to_json(document: Any) -> bytes:
    """The document as JSON in UTF-8, with a question mark for each half of a character."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def answer(content: bytes, media_type: str, changed_at: datetime | None = None) -> Response:
    """An answer for everybody, which caches may keep as long as a page."""
    headers = {**OPEN, "Cache-Control": PUBLIC}
    if changed_at is not None:
        headers["Last-Modified"] = format_datetime(changed_at.astimezone(UTC), usegmt=True)
    return Response(content, 200, headers, media_type)


def json_answer(document: Any, changed_at: datetime | None = None) -> Response:
    """The document as JSON, for everybody."""
    return answer(to_json(document), "application/json", changed_at)
