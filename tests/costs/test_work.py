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
    # Filters run in two groups of four, neighbouring columns as one run.
    assert work["products"] == 16 * 13 * 4 * 2
    assert work["runs"] == 16 * 5 * 2
    assert (work["rows"], work["taps"], work["outputs"]) == (6, 18, 6 * 5 * 8)


def test_columns_that_are_no_neighbours_are_runs_of_their_own():
    dilated = Window(3, 3, 1, 1, 2, 2, 2, 2, 2, 2)
    work = work_of(convolution(5, dilated))
    # 6 rows see 2 + 2 + 3 + 3 + 2 + 2 rows, 5 pixels 2 + 2 + 3 + 2 + 2 columns.
    assert work["products"] == 14 * 11 * 4 * 2
    assert work["runs"] == 14 * 11 * 2


def test_three_filters_more_are_a_group_more():
    work = work_of(convolution(5, POINT, filters=7))
    assert (work["groups"], work["outputs"]) == (6 * 5 * 2, 6 * 5 * 7)


def test_a_kernel_with_tiles_walks_through_its_weights_once_a_tile():
    work = work_of(convolution(8, POINT), "dsp")
    assert (work["tiles_of_3"], work["tiles_of_2"]) == (6 * 2, 6)
    assert (work["tiles_of_3_channels"], work["tiles_of_2_channels"]) == (6 * 2 * 8, 6 * 8)
    assert "edges" not in work


def test_a_single_pixel_is_a_tile_of_two():
    work = work_of(convolution(1, POINT), "dsp")
    assert (work["tiles_of_2"], "tiles_of_3" in work) == (6, False)


def test_tiles_that_hang_over_are_counted():
    work = work_of(convolution(8, SAME), "dsp")
    assert work["edges"] == 6 * 2 * 3  # the first and the last of each row, by rows of the window
    assert work["window_words"] == 6 * 8 * 3 * 3


def test_a_convolution_that_sees_the_image_as_a_single_row_has_no_edges():
    graph = convolution(8, POINT)
    (layer,) = lower(graph, frozenset({"dsp"}), merged=frozenset({0})).layers
    assert layer.rows.height == 1
    work = layer_work(layer, graph)
    assert (work["tiles_of_3"], work["rows"], "edges" in work) == (16, 1, False)


def test_pixels_that_are_left_out_of_tiles_of_four_are_a_pair():
    work = work_of(convolution(6, SAME), "armv6m")
    assert (work["tiles"], work["pairs"]) == (6, 6)
    assert work["words"] == 6 * 2 * 36
    # The filters are ones: nine quads each, in one run.
    assert (work["tiles_quads"], work["tiles_runs"]) == (6 * 8 * 9, 6 * 8)


def test_channels_that_fill_half_a_vector_or_less_are_a_narrow_tile():
    work = work_of(convolution(5, POINT, filters=20), "neon", "aarch64")
    assert (work["wide_tiles"], work["wide_singles"]) == (6, 6)
    assert (work["narrow_tiles"], work["narrow_singles"], work["odd_pixels"]) == (6, 6, 6 * 5)
    assert work_of(convolution(5, POINT, filters=20), "neon")["wide_tiles"] == 6 * 2


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
