"""Projects for Zephyr: an application with a west manifest of its own, the link on the console's UART."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.boards import Board, EngineName
from edgekit.firmware_project import EngineFiles, Project, Recipe
from edgekit.projects import sdk_sources

if TYPE_CHECKING:
    from edgekit.graph.ir import Graph

ZEPHYR_VERSION = "v4.2.0"

_MODULES = ("cmsis_6", "hal_nordic", "hal_stm32")
# tflite-micro is in Zephyr's group "optional"; cmsis-nn is what its fast kernels call.
_TFLM_MODULES = ("cmsis-nn", "tflite-micro")
# Zephyr's default of 1,024 bytes is too little for an inference.
_STACK_BYTES = 4096
# Zephyr's own stacks of interrupts, work queue and idle thread (defaults of kernel/Kconfig on Arm), and the
# port's ring of received bytes.
_KERNEL_RAM_BYTES = 2048 + 1024 + 320 + 1024
_DOCUMENTS = ("CMakeLists.txt", "README.md", "prj.conf", "sample.yaml", "west.yml")


def assemble(
    board: Board,
    graph: Graph,
    model: bytes,
    files: EngineFiles,
    engine: EngineName,
) -> Project:
    """The complete project of ``graph`` for ``board``; arguments as in the bare-metal assembler.

    Raises DoesNotFitError where the model cannot fit beside Zephyr.
    """
    stack_bytes = board.memory.stack_bytes if board.memory is not None else _STACK_BYTES
    sdk_sources.check_sdk_fit(board, files, stack_bytes + _KERNEL_RAM_BYTES)
    firmware = sdk_sources.sdk_firmware(board, model, files, ("zephyr", "dwt"))
    values = {
        **sdk_sources.facts(board, graph, model, engine),
        "sources": firmware.sources,
        "include_folders": firmware.include_folders,
        "defines": (),
        "zephyr_version": ZEPHYR_VERSION,
        "modules": sorted((*_MODULES, *(_TFLM_MODULES if engine == "tflm" else ()))),
        "stack_bytes": stack_bytes,
        "has_fpu": board.mcu.core.endswith("f"),
        "baud": board.serial.baud if board.serial is not None else 115200,
        "root": "",
        "port": "/dev/ttyACM0",
    }
    documents = {name: sdk_sources.render(f"zephyr/{name}.j2", values) for name in _DOCUMENTS}
    return Project(
        name=f"{graph.name}-{board.name}",
        files=dict(sorted({**firmware.files, **documents}.items())),
        recipe=Recipe(firmware.sources, firmware.include_folders),
    )
