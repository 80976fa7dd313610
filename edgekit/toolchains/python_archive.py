"""Packs a Python project into one file that Python runs: a zip archive behind a few lines of sh.

Python finds an archive whatever stands before it (zipfile, "Zip files can be prefixed"), and sh goes no
further than its last line. The same project gives the same file, byte for byte.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from edgekit import __version__
from edgekit.files import write_atomically
from edgekit.firmware_project import Project
from edgekit.toolchains.toolchain import Toolchain

ARCHIVE_SUFFIX = ".pyz"
ARCHIVE_NAME = f"firmware{ARCHIVE_SUFFIX}"

PACKER = Toolchain("none", f"(zip archive by edgekit {__version__})", ())
"""Stands where a compiler would: nothing is compiled."""

_LAUNCHER = b"""#!/bin/sh
# Firmware made by edgekit: a zip archive of Python follows these lines. It is run by the Python of the
# environment ~/.edgekit/python where there is one, else by python3. EDGEKIT_PYTHON names another.
for python in "${EDGEKIT_PYTHON:-}" "${HOME:-}/.edgekit/python/bin/python3" python3; do
    command -v "$python" >/dev/null 2>&1 && exec "$python" "$0" "$@"
done
echo "edgekit: there is no python3 here" >&2
exit 127
"""
# What runs, and what it reads; documents and settings of services stay in the folder.
_PACKED_FOLDERS = ("edgekit_runner/", "model/")
_EARLIEST = (1980, 1, 1, 0, 0, 0)


def pack(project: Project, target: Path) -> None:
    """Writes what runs of ``project`` to the executable file ``target``."""
    archive = io.BytesIO()
    archive.write(_LAUNCHER)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_STORED) as packed:
        for name, content in sorted(project.files.items()):
            if name == "__main__.py" or name.startswith(_PACKED_FOLDERS):
                entry = zipfile.ZipInfo(name, _EARLIEST)
                entry.create_system = 3  # Unix, also where this runs on Windows
                entry.external_attr = 0o100644 << 16
                packed.writestr(entry, content)
    write_atomically(target, archive.getvalue(), 0o755)
