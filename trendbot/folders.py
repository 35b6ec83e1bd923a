"""Where the data folders are: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """The folder `name` ("templates" or "alembic"), wherever this trendbot was installed from."""
    packed = _PACKAGE / "_folders" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name
