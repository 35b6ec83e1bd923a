"""Files that pages are drawn with: never changed under an address, so kept for a year."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from fastapi import APIRouter, HTTPException, Response

from trendbot.folders import folder

KEPT = "public, max-age=31536000, immutable"
PUBLIC = "public, max-age=60"
_MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of templates/web/static, as it was when first asked for."""

    content: bytes
    media_type: str
    version: str


def versioned(name: str) -> str:
    """The name with a query that changes with the content: "style.css?v=1a2b3c4d5e"."""
    return f"{name}?v={_assets()[name].version}"


@router.get("/static/{name}")
def static(name: str, v: str = "") -> Response:
    """The file; under the address of another version of it, caches keep it for a minute only."""
    asset = _assets().get(name)
    if asset is None:
        raise HTTPException(404)
    control = KEPT if v == asset.version else PUBLIC
    return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": control})


@cache
def _assets() -> dict[str, Asset]:
    files = (folder("templates") / "web" / "static").iterdir()
    return {file.name: _asset(file.read_bytes(), file.suffix) for file in sorted(files)}


def _asset(content: bytes, suffix: str) -> Asset:
    return Asset(content, _MEDIA_TYPES[suffix], sha256(content).hexdigest()[:10])
