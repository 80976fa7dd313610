"""What a Python bundle says about its model: the files beside the .tflite that the runner reads."""

from __future__ import annotations

import json
from collections.abc import Sequence

from edgekit import __version__
from edgekit.graph.ir import Graph

_NOT_SHOWN = -1


def generate_bundle(
    graph: Graph, board_name: str, kernels: str, class_names: Sequence[str] = ()
) -> dict[str, str]:
    """``bundle.json`` and, where ``class_names`` are known, ``labels.txt``: {file name: text}.

    ``kernels`` is one of :data:`edgekit.runner.bundle.KERNELS`, which the runner then takes unless told
    otherwise.

    The runner learns the model's inputs and outputs from its interpreter, but not which tensor an operator
    writes: interpreters number tensors as the .tflite does, and that is what ``op_outputs`` holds.
    """
    op_outputs = [_NOT_SHOWN] * (graph.ops[-1].index + 1)
    for op in graph.ops:
        op_outputs[op.index] = op.output
    settings = {
        "firmware_version": __version__,
        "board": board_name,
        "model_name": graph.name,
        "model_sha256": graph.sha256,
        "kernels": kernels,
        "op_outputs": op_outputs,
    }
    files = {"bundle.json": json.dumps(settings, indent=1) + "\n"}
    if class_names:
        files["labels.txt"] = "".join(f"{' '.join(name.split())}\n" for name in class_names)
    return files
