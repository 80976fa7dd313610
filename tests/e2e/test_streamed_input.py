"""A model that takes its input row by row, built, verified and measured by the commands that a user types."""

import json

import pytest
from codegen.models import two_branches
from emulators.small_network import small_mobilenet
from graph import tflite_builder
from probe_firmware import require_toolchain

from edgekit.boards import load_board
from edgekit.engines import engine_files
from edgekit.errors import UsageError
from edgekit.graph.tflite import read_tflite

BOARD = "virt-cortex-m4"
ON_BOARD = ("-b", BOARD, "--toolchain", "gcc", "--stream-input")


@pytest.fixture(autouse=True)
def _needs_emulator() -> None:
    pytest.importorskip("unicorn", reason="unicorn is not installed")
    require_toolchain("gcc", load_board(BOARD))


def test_visual_wake_words_is_bit_exact_within_16_kilobytes(edgekit, shared_folder, tmp_path) -> None:
    model = shared_folder / "models" / "mlperf_tiny" / "vww_96_int8.tflite"
    outcome = edgekit(
        "verify", "-w", tmp_path, "-m", model, *ON_BOARD, "--noise", 6, "--no-structured", "--json"
    )
    assert outcome.exit_code == 0, outcome.err
    verdict = json.loads(outcome.out)
    assert (verdict["exact"], verdict["inputs"]) == (True, 6)
    assert verdict["layer_check"]["generated"]
    assert verdict["layer_check"]["operators"] == verdict["layer_check"]["operators_total"]
    outcome = edgekit("bench", "-w", tmp_path, "-m", model, *ON_BOARD, "--json")
    cost = json.loads(outcome.out)
    assert cost["exact"]
    assert cost["ram_bytes"] <= 16 * 1024
    assert all(layer["instructions"] for layer in cost["layers"])


def test_the_build_says_what_streaming_saves(edgekit, tmp_path) -> None:
    model = tmp_path / "small.tflite"
    model.write_bytes(small_mobilenet(24))
    (tmp_path / "edgekit.toml").write_text("[build]\nstream_input = true\n")
    outcome = edgekit("verify", "-w", tmp_path, "-m", model, *ON_BOARD[:-1], "--noise", 4)
    assert outcome.exit_code == 0, outcome.err
    assert "the input is streamed: an arena of " in outcome.out + outcome.err
    assert "inputs that the device made itself (it takes its input row by row)" in outcome.out + outcome.err


def test_a_wrong_layer_of_a_streamed_model_is_named(edgekit, tmp_path, monkeypatch) -> None:
    """A firmware of other weights under the model's digest."""
    import edgekit.stages.build as stage
    from edgekit.codegen import c_model

    model = tmp_path / "small.tflite"
    model.write_bytes(small_mobilenet(24))
    original = c_model._weights_source

    def with_a_wrong_bias(graph, steps):
        text = original(graph, steps)
        place = text.index("{\n", text.index("_bias[", text.index("Operator 2 "))) + 2
        end = text.index(",", place)
        return f"{text[:place]}    99999{text[end:]}"

    monkeypatch.setattr(c_model, "_weights_source", with_a_wrong_bias)
    monkeypatch.setattr(stage, "sources_digest", lambda *_: "another")
    outcome = edgekit("verify", "-w", tmp_path, "-m", model, *ON_BOARD, "--noise", 4, "--optimize", "size")
    assert outcome.exit_code == 1
    assert "first differing layer: operator 2 CONV_2D" in outcome.out + outcome.err


def test_what_cannot_be_streamed_is_refused(edgekit, tmp_path) -> None:
    model = tmp_path / "flat.tflite"
    model.write_bytes(tflite_builder.softmax((1, 4)))
    outcome = edgekit("build", "-w", tmp_path, "-m", model, *ON_BOARD)
    assert outcome.exit_code == 2
    assert "which is no image of several rows" in outcome.err


@pytest.mark.parametrize("engine", ["tflm", "litert"])
def test_engines_that_need_the_whole_input_say_so(engine: str) -> None:
    graph = read_tflite(small_mobilenet(24), "small")
    with pytest.raises(UsageError, match=f"the engine {engine} needs its input as a whole; only aot"):
        engine_files(engine, graph, b"", load_board("rpi4"), stream_input=True)


def test_several_inputs_cannot_be_streamed() -> None:
    with pytest.raises(UsageError, match="only a single one can come row by row"):
        engine_files("aot", two_branches(), b"", load_board(BOARD), stream_input=True)
