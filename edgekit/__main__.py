"""``python -m edgekit``."""

from edgekit.cli import entry_point

entry_point()
