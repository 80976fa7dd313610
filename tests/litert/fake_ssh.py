"""A fake ssh and scp for tests: ssh runs its commands in a "remote" home here, scp copies there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

_SSH = """#!{python}
import os, subprocess, sys
end = sys.argv.index("--")
os.chdir({home!r})
sys.exit(subprocess.call(["sh", "-c", " ".join(sys.argv[end + 2:])]))
"""
_SCP = """#!{python}
import shutil, sys
source, target = sys.argv[sys.argv.index("--") + 1:]
shutil.copyfile(source, {home!r} + "/" + target.split(":", 1)[1])
"""


def fake_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts both on PATH; returns the remote home."""
    home, programs = folder / "remote home", folder / "programs"
    home.mkdir()
    programs.mkdir()
    for name, script in (("ssh", _SSH), ("scp", _SCP)):
        program = programs / name
        program.write_text(script.format(python=sys.executable, home=str(home)))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return home
