"""The camera example of ESP-IDF projects: a project of its own that compiles the firmware's model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgekit.projects import sdk_sources
from edgekit.projects.application import application_sources
from edgekit.resources import firmware_folder

CAMERA_VERSION = "==2.1.6"
"""Of the component ``espressif/esp32-camera``."""

EXAMPLE_FOLDER = "examples/camera/"
_SOURCE = "examples/esp32_camera.c"
_TEMPLATES = ("CMakeLists.txt", "sdkconfig.defaults", "main/CMakeLists.txt", "main/idf_component.yml")
_LEFT_OUT = ("link/", "port/")


def camera_example(values: Mapping[str, object], sources: Sequence[str]) -> dict[str, bytes]:
    """The files of the example in a project whose templates know ``values``.

    ``sources`` are the firmware's, relative to its folder ``main/``; the link and its port are left out.
    """
    model = [name for name in sources if not name.startswith(_LEFT_OUT)]
    facts = {
        **values,
        "camera_version": CAMERA_VERSION,
        "example_sources": [*application_sources(), *model],
    }
    files = {
        f"{EXAMPLE_FOLDER}{name}": sdk_sources.render(f"esp_idf/camera/{name}.j2", facts)
        for name in _TEMPLATES
    }
    return {**files, f"{EXAMPLE_FOLDER}main/camera.c": (firmware_folder() / _SOURCE).read_bytes()}
