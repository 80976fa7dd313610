"""A network on which LiteRT's rounding of FULLY_CONNECTED shows, and bundles."""

import numpy as np
from graph import tflite_builder as build
from graph.tflite_builder import Quantized

from edgekit.boards import KernelsName, load_board
from edgekit.engines import engine_files
from edgekit.firmware_project import Project
from edgekit.graph.tflite import read_tflite
from edgekit.projects.assembler import assemble


def rounding_model() -> bytes:
    """(1, 64) → FULLY_CONNECTED, per tensor → (1, 600)."""
    rng = np.random.default_rng(7)
    return build.fully_connected(
        (1, 64),
        rng.integers(-127, 128, (600, 64), dtype=np.int8),
        bias=rng.integers(-9000, 9000, 600).astype(np.int32),
        filter_scales=(0.0137,),
        input_quantized=Quantized(0.05, -7),
        output_quantized=Quantized(2.1, 5),
    )


def bundle_project(model: bytes, board: str = "rpi4", kernels: KernelsName = "reference") -> Project:
    """The project of ``model``, called "net", with two classes."""
    profile, graph = load_board(board), read_tflite(model, "net")
    names = ("cat", "dog")
    files = engine_files("litert", graph, model, profile, kernels=kernels, class_names=names)
    return assemble(profile, graph, model, files, "litert", names)
