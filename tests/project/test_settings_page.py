"""docs/settings.md lists every setting with its real default."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgekit.config import Settings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "settings.md").read_text()


def defaults(values: dict, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from defaults(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "none" if value is None else f"`{json.dumps(value)}`"


def test_the_page_shows_every_setting_and_its_default():
    shown = dict(re.findall(r"^\| `([a-z0-9_.]+)` \| (\S+) \|", PAGE, re.MULTILINE))
    assert shown == dict(defaults(msgspec.to_builtins(Settings())))
