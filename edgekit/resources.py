"""Finds the files that edgekit ships beside its Python code: ``firmware/`` and ``boards/``."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _resource_folder(name: str) -> Path:
    installed = _PACKAGE / "_resources" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def firmware_folder() -> Path:
    """The folder with the C sources: contracts, kernels, link, ports."""
    return _resource_folder("firmware")


def boards_folder() -> Path:
    """The folder with the board profiles, one TOML each."""
    return _resource_folder("boards")
