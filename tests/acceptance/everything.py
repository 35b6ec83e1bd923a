"""Imports what commands import when they run, so that processes can be forked off it."""

from pkgutil import resolve_name

import procrastinate

from tests.acceptance import at
from trendbot import cli, pipeline, reports, subscribe, worker
from trendbot.signals import SIGNALS
from trendbot.sources import SOURCES
from trendbot.transports import TRANSPORTS

for place in (*SOURCES.values(), *SIGNALS.values(), *TRANSPORTS.values()):
    resolve_name(place)

__all__ = ["at", "cli", "pipeline", "procrastinate", "reports", "subscribe", "worker"]
