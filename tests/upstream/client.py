"""A plain HTTP client, so that the upstream is tested without trendbot's own."""

from collections.abc import Mapping
from typing import Any

import requests


def get(
    url: str, headers: Mapping[str, str] | None = None, timeout: float = 10, **query: Any
) -> requests.Response:
    """One GET on a connection of its own, past any proxy."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, params=query, headers=headers, timeout=timeout)
