"""trendbot: trending papers in your inbox. Start reading at :mod:`trendbot.pipeline`."""

from importlib.metadata import version

__version__ = version("trendbot")
