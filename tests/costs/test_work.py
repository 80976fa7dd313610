"""The work of layers, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from codegen.models import tiny_model

from edgekit.codegen.layers import lower
from edgekit.codegen.memory_plan import plan_memory
from edgekit.codegen.schedule import one_by_one
from edgekit.costs.work import engine_work, layer_work
from edgekit.graph.ir import Conv2D, Graph, Requantization, Tensor, Window


def convolution(width: int, window: Window, channels: int = 4, filters: int = 8) -> Graph:
    shape = (1, 6, width, channels)
    weights = np.ones((filters, window.height, window.width, channels), np.int8)
    factor = Requantization(np.full(filters, 1 << 30, np.int32), np.full(filters, -6, np.int32))
    tensors = {0: Tensor(0, "in", shape, 1.0, 0), 1: Tensor(1, "out", (1, 6, width, filters), 1.0, -128)}
    op = Conv2D(0, (0,), 1, weights, np.zeros(filters, np.int32), window, 0, -128, factor, -128, 127)
    return Graph("convolution", "ab" * 32, tensors, (op,), (0,), (1,))


SAME = Window(3, 3, 1, 1, 1, 1, 1, 1, 1, 1)
POINT = Window(1, 1, 1, 1, 1, 1, 0, 0, 0, 0)


def work_of(graph: Graph, *features: str):
    (layer,) = lower(graph, frozenset(features)).layers
    return layer_work(layer, graph)


def test_a_kernel_that_clips_windows_leaves_out_what_is_outside():
    work = work_of(convolution(5, SAME))
    # 6 rows see 2 + 3 + 3 + 3 + 3 + 2 rows, 5 pixels 2 + 3 + 3 + 3 + 2 columns.
    assert work["products"] == 16 * 13 * 4 * 8
    assert work["runs"] == 16 * 5 * 8
    assert (work["rows"], work["taps"], work["outputs"]) == (6, 18, 6 * 5 * 8)


def test_channels_beyond_a_multiple_of_four_count_apart():
    work = work_of(convolution(5, POINT, filters=7))
    assert (work["products"], work["odd_products"]) == (6 * 5 * 4 * 4, 6 * 5 * 4 * 3)


def test_a_kernel_with_tiles_walks_through_its_weights_once_a_tile():
    graph = convolution(8, POINT)
    (layer,) = lower(graph, frozenset({"dsp"})).layers
    pixels = layer.call.tile_pixels
    work = layer_work(layer, graph)
    assert work["tiles"] == 6 * (8 // pixels)
    assert work["tiles_channels"] == 6 * (8 // pixels) * 8
    assert work[f"tiles_of_{8 % pixels}"] == 6
    assert "edges" not in work


def test_tiles_that_hang_over_are_counted():
    work = work_of(convolution(8, SAME), "dsp")
    assert work["edges"] == 6 * 2 * 36  # the first and the last of each row


@pytest.mark.parametrize("index", range(len(tiny_model().ops)))
def test_every_operator_has_work_but_reshape(index):
    program = lower(tiny_model())
    layer = program.layers[index]
    assert bool(layer_work(layer, program.graph)) == (layer.op.opcode != "RESHAPE")


def test_the_engine_looks_in_vain_only_where_layers_take_turns():
    program = lower(tiny_model())
    plan = plan_memory(program, fuse=False)
    assert plan.segments == one_by_one(program)
    assert engine_work(program, plan) == {}
