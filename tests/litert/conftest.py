"""The Python environments that bundles run in, and bundles."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from litert.models import bundle_project, rounding_model

from edgekit.projects.sdk_sources import render
from edgekit.toolchains.python_archive import pack

_PIP_TIMEOUT_S = 300


def can_import(python: Path, module: str) -> bool:
    done = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False, timeout=60)
    return done.returncode == 0


@pytest.fixture(scope="session")
def litert_python() -> Path:
    """A Python with ai-edge-litert: $EDGEKIT_LITERT_PYTHON, or the one that runs the tests."""
    python = Path(os.environ.get("EDGEKIT_LITERT_PYTHON", sys.executable))
    if not can_import(python, "ai_edge_litert.interpreter"):
        pytest.skip(f"{python} has no ai-edge-litert; set EDGEKIT_LITERT_PYTHON")
    return python


@pytest.fixture(scope="session")
def tflite_runtime_python(request: pytest.FixtureRequest) -> Path:
    """A Python with tflite-runtime: $EDGEKIT_TFLITE_RUNTIME_PYTHON, or an environment of its own.

    That is made from the bundle's requirements.txt, once: it stays in pytest's cache.
    """
    named = os.environ.get("EDGEKIT_TFLITE_RUNTIME_PYTHON")
    if named is not None:
        return Path(named)
    base = sys.executable if sys.version_info < (3, 12) else shutil.which("python3.11")
    if base is None:
        pytest.skip("tflite-runtime needs Python 3.9 to 3.11; set EDGEKIT_TFLITE_RUNTIME_PYTHON")
    folder = request.config.cache.mkdir("tflite-runtime")
    python = folder / "python" / "bin" / "python3"
    if not python.exists() or not can_import(python, "tflite_runtime.interpreter"):
        requirements = folder / "requirements.txt"
        requirements.write_bytes(render("python/requirements.txt.j2", {}))
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]
        for command in ([base, "-m", "venv", "--clear", folder / "python"], pip):
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_PIP_TIMEOUT_S
            )
            if done.returncode != 0:
                pytest.skip(f"tflite-runtime cannot be installed here: {done.stderr.strip()[-300:]}")
    return python


@pytest.fixture(params=["tflite-runtime", "ai-edge-litert"])
def package(request: pytest.FixtureRequest) -> str:
    """Each of the two packages in turn."""
    return str(request.param)


@pytest.fixture
def python(request: pytest.FixtureRequest, package: str) -> Path:
    """A Python with that package."""
    name = {"tflite-runtime": "tflite_runtime_python", "ai-edge-litert": "litert_python"}[package]
    found: Path = request.getfixturevalue(name)
    return found


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed bundle for rpi4, of one FULLY_CONNECTED layer."""
    image = tmp_path_factory.mktemp("bundle") / "firmware.pyz"
    pack(bundle_project(rounding_model()), image)
    return image


@contextmanager
def _serving(command: list[object], announced: str) -> Iterator[str]:
    """What the runner says after ``announced`` on standard error, while it runs."""
    process = subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        said = []
        for line in process.stderr:
            said.append(line.decode())
            if announced in said[-1]:
                yield said[-1].partition(announced)[2].strip()
                return
        pytest.fail(f"the runner ended: {said}")
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def serving() -> Callable[[list[object], str], AbstractContextManager[str]]:
    """Runs a bundle's command line; see :func:`_serving`."""
    return _serving
