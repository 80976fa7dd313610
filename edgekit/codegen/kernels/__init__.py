"""Which kernel runs an operator on which core: the bridge from the graph to firmware/kernels/.

Each module knows the kernels of one instruction set, and says of an operator whether they can run it. The
portable kernels run whatever the others do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from edgekit.codegen.kernels import dsp, mve, neon, packed, portable, softmax
from edgekit.codegen.kernels.values import KernelCall
from edgekit.graph.ir import AveragePool2D, Graph, Mean, Op, Reshape

KERNELS_VERSION = 3
"""EK_KERNELS_VERSION of the headers that the parameters are for."""

_Kernels: TypeAlias = Callable[[Graph, Op], KernelCall | None]

TABLES = "tables"
"""No feature of a core, but of a build: it may spend flash on tables where they spare instructions."""

_PACKED = ("armv6", "armv7m", "rv32", "xtensa")

_BY_FEATURE: Mapping[str, _Kernels] = {
    "mve": mve.kernel_call,
    "dsp": dsp.kernel_call,
    "dotprod": neon.dot_kernel_call,
    "aarch64": neon.kernel_call,
    "neon": neon.aarch32_kernel_call,
    "armv6m": packed.armv6m_kernel_call,
    **dict.fromkeys(_PACKED, packed.kernel_call),
    TABLES: softmax.table_call,
}
"""The kernels for a feature of a core (``edgekit.toolchains.cores``), the most capable first."""

_ACCUMULATE: Mapping[str, Callable[[Graph, AveragePool2D | Mean], KernelCall | None]] = {
    "mve": mve.accumulate_call,
    "dsp": dsp.accumulate_call,
    "neon": neon.accumulate_call,
    **dict.fromkeys(("armv6m", *_PACKED), packed.accumulate_call),
}
"""The same for the first half of a mean over an image."""


def kernel_call(graph: Graph, op: Op, features: frozenset[str] = frozenset()) -> KernelCall | None:
    """How ``op`` runs on a core of those ``features``, :data:`TABLES` among them or not; None for RESHAPE,
    which moves no byte.

    Raises ModelError where a number does not fit the kernel's parameters.
    """
    if isinstance(op, Reshape):
        return None
    for feature, kernels in _BY_FEATURE.items():
        call = kernels(graph, op) if feature in features else None
        if call is not None:
            return call
    return softmax.of_two_call(graph, op) or portable.kernel_call(graph, op)


def accumulate_call(
    graph: Graph, op: AveragePool2D | Mean, features: frozenset[str] = frozenset()
) -> KernelCall:
    """How a mean over an image takes up a row of it on a core of those ``features``."""
    for feature, accumulate in _ACCUMULATE.items():
        call = accumulate(graph, op) if feature in features else None
        if call is not None:
            return call
    return portable.accumulate_call(graph, op)
