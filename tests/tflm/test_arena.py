"""The arena of the tflm engine: computed alike on every host, never too small, tightened on request."""

import re
from collections.abc import Callable

import pytest
from tflm.conftest import tflm_project

from edgekit.boards import load_board
from edgekit.codegen.tflm_arena import estimate_arena, least_bytes, tightened_bytes
from edgekit.engines import engine_files, tflm_arena
from edgekit.errors import UsageError
from edgekit.graph.tflite import read_tflite, stored_tensor_count

# Bytes in use that devices reported: reference kernels, then CMSIS-NN on a Cortex-M4F; CMSIS-NN on an M55.
REPORTED = {
    "vww_96_int8": (100_660, 100_708, 100_772),
    "pretrainedResnet_quant": (54_340, 54_996, 55_028),
    "kws_ref_model": (22_772, 22_820, 27_348),
    "ad01_int8": (2_260, 2_580, 9_268),
}
# TFLite Micro needs more than it reports for the autoencoder, whose head is small: measured on a Cortex-M4F.
MOST_BEYOND_REPORTED = 492


@pytest.fixture
def recorded(capfd: pytest.CaptureFixture[str]) -> Callable[[bytes], tuple[int, int]]:
    """Head and tail in bytes that TFLite Micro itself records for a model on this computer."""
    tflite_micro = pytest.importorskip("tflite_micro", reason="its wheels are for Linux on x86-64")

    def record(model: bytes) -> tuple[int, int]:
        interpreter = tflite_micro.runtime.Interpreter.from_bytes(model, arena_size=1 << 22)
        capfd.readouterr()
        interpreter.print_allocations()
        said = capfd.readouterr().err
        head, tail = (re.search(rf"allocation {part} (\d+) bytes", said)[1] for part in ("head", "tail"))
        return int(head), int(tail)

    return record


def check_against_recorded(model: bytes, recorded: Callable[[bytes], tuple[int, int]]) -> None:
    graph = read_tflite(model, "network")
    estimate = estimate_arena(graph, stored_tensor_count(model), "reference")
    head, tail = recorded(model)
    assert estimate.head_bytes == head
    assert tail <= estimate.tail_bytes <= 1.3 * tail + 1024


def test_head_is_exact_and_tail_is_enough(mlperf_tiny_model, recorded):
    check_against_recorded(mlperf_tiny_model.read_bytes(), recorded)


def test_head_is_exact_and_tail_is_enough_with_every_operator(network, recorded):
    check_against_recorded(network, recorded)


@pytest.mark.parametrize(("column", "kernels"), [(0, "reference"), (1, "cmsis_nn"), (2, "cmsis_nn_mve")])
def test_the_estimate_suffices_what_devices_reported(mlperf_tiny_model, column, kernels):
    model = mlperf_tiny_model.read_bytes()
    graph = read_tflite(model, mlperf_tiny_model.stem)
    estimate = estimate_arena(graph, stored_tensor_count(model), kernels)
    needed_bytes = REPORTED[mlperf_tiny_model.stem][column] + MOST_BEYOND_REPORTED
    assert needed_bytes <= estimate.total_bytes <= 1.25 * needed_bytes + 3_072


def test_a_reported_figure_tightens_the_arena(mlperf_tiny_model):
    model = mlperf_tiny_model.read_bytes()
    graph, board = read_tflite(model, mlperf_tiny_model.stem), load_board("mps2-an386")
    used_bytes = REPORTED[mlperf_tiny_model.stem][1]
    estimate = tflm_arena(graph, model, board)
    tight_bytes = tightened_bytes(used_bytes, estimate, 768)
    assert used_bytes + 16 <= tight_bytes < estimate.total_bytes
    if mlperf_tiny_model.stem == "ad01_int8":
        assert tight_bytes >= used_bytes + MOST_BEYOND_REPORTED


def test_an_arena_that_cannot_work_is_refused(network):
    graph, board = read_tflite(network, "network"), load_board("mps2-an386")
    smallest = least_bytes(tflm_arena(graph, network, board))
    with pytest.raises(UsageError, match=r"too small for network: its activations alone take [\d,]+"):
        engine_files("tflm", graph, network, board, arena_bytes=smallest - 1)
    assert engine_files("tflm", graph, network, board, arena_bytes=smallest).arena_bytes == smallest


def test_the_same_model_gives_the_same_project(network):
    assert tflm_project(network, "network")[2].files == tflm_project(network, "network")[2].files
