"""The monitor: logs, results and a verification through it, all at the same time on one link."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import zlib
from contextlib import contextmanager

import numpy as np
import pytest
from graph import tflite_builder
from probe_firmware import require_toolchain, tiny_graph, tiny_project
from rich.console import Console

from edgekit.boards import load_board
from edgekit.data.preprocessing import quantize_pixels
from edgekit.data.shapes import shapes_test_pictures
from edgekit.device.device import Device
from edgekit.device.link import Packet, encode_frame
from edgekit.device.messages import DeviceInfo, TensorInfo, TickUnit
from edgekit.device.monitor import Sample
from edgekit.device.ports import open_port
from edgekit.device.watch import LinkWatcher, LogLine, Result
from edgekit.graph.executor import execute
from edgekit.graph.tflite import read_tflite
from edgekit.monitor_views import LiveView, rank
from edgekit.projects.project import write_project
from edgekit.toolchains.build import compile_project

INFO = DeviceInfo(
    contract_version=1,
    tick_unit=TickUnit.CYCLES,
    clock_hz=1_000_000,
    op_count=1,
    arena_bytes=16,
    model_sha256="ab" * 32,
    firmware_version="1",
    board="host",
    engine="aot",
    model_name="tiny",
    inputs=(TensorInfo("in", (1, 4), 4, 0.5, 0),),
    outputs=(TensorInfo("out", (1, 3), 3, 1 / 256, -128),),
    input_row_bytes=4,
)


@contextmanager
def running(*arguments):
    """`edgekit monitor` as a process; yields it and a function that gives the next JSON line."""
    command = [sys.executable, "-m", "edgekit", "monitor", "--json", *map(str, arguments)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:

        def event():
            line = process.stdout.readline()
            assert line, process.stderr.read()
            return json.loads(line)

        try:
            yield process, event
        finally:
            process.kill()


def until(event, kind):
    """Events up to the first of that kind, which is the last."""
    events = [event()]
    while events[-1]["event"] != kind:
        events.append(event())
    return events


def url_of(note) -> str:
    return re.search(r"socket://127\.0\.0\.1:\d+", note["text"]).group()


def test_a_verification_through_the_monitor_is_exact_while_results_pass(edgekit, workspace, small_model):
    with running("-w", workspace, "-m", small_model, "--run", "noise", "--interval", "0") as (process, event):
        url = url_of(event())
        assert until(event, "device")[-1]["board"] == "virt-cortex-m4"
        assert until(event, "result")[-1]["origin"] == "noise 0"
        outcome = edgekit("verify", "-w", workspace, "-m", small_model, "-p", url, "--json")
        assert outcome.exit_code == 0, outcome.err
        verdict = json.loads(outcome.out)
        assert verdict["exact"]
        assert verdict["link"]["retries"] == verdict["link"]["damaged_frames"] == 0
        came = until(event, "client")
        assert came[-1]["connected"]
        served = until(event, "client")
        assert not served[-1]["connected"]
        assert sum(one["event"] == "result" for one in served) == verdict["inputs"]
        assert {one["origin"] for one in served if one["event"] == "result"} == {"client"}
        assert until(event, "result")[-1]["origin"].startswith("noise")
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "Traceback" not in error


def test_pictures_are_shown_with_their_classes(workspace):
    """The workspace's own model names the classes; a result is that of the very picture."""
    filters = np.random.default_rng(0).integers(-127, 128, (8, 3, 3, 3), dtype=np.int8)
    pixels = tflite_builder.Quantized(1 / 128, 0)
    data = tflite_builder.convolution(
        "CONV_2D", (1, 8, 8, 3), filters, strides=(2, 2), input_quantized=pixels
    )
    model = workspace / "out" / "model"
    model.mkdir(parents=True)
    (model / "model.tflite").write_bytes(data)
    graph = read_tflite(data, "small")
    names = [f"kind {index}" for index in range(graph.tensors[graph.outputs[0]].size_bytes)]
    (model / "training.json").write_text(json.dumps({"class_names": names}))
    own = ["-w", workspace, "-m", model / "model.tflite", "--max-images", 20]
    with running(*own, "--run", "pictures", "--interval", "0", "--results", 3, "--top", 2) as (_, event):
        results = [until(event, "result")[-1] for _ in range(3)]
    assert [one["origin"] for one in results] == ["picture 0", "picture 1", "picture 2"]
    assert all(one["label"] is not None for one in results)

    pictures = shapes_test_pictures(20, 8, 3, 0).images[:3]
    outputs = execute(graph, [quantize_pixels(pictures, pixels.scale, pixels.zero_point)])[0].reshape(3, -1)
    for result, output in zip(results, outputs, strict=True):
        best = int(output.astype(int).argmax())
        assert result["top"][0]["class"] == f"kind {best}"
        assert result["top"][0]["quantized"] == int(output[best])


def test_the_devices_text_is_shown_while_the_link_is_used(tmp_path):
    """A program that prints between and within its replies, behind a port; two clients, one by one."""
    with chatting_board(tmp_path) as port, running("-w", tmp_path, "-b", "host", "-p", port) as (_, event):
        first = until(event, "device")
        url = url_of(first[0])
        assert {"event": "log", "text": "the board starts"} in first
        for _ in range(2):
            with Device(open_port(url)) as device:
                for seed in range(3):
                    device.run_generated(seed)
                assert device.statistics.damaged_frames == 0
            events = until(event, "client")
            assert events[-1]["connected"]
            events = until(event, "client")
            assert sum(one["event"] == "result" for one in events) == 3
            assert {one["text"] for one in events if one["event"] == "log"} == {"still here"}


@contextmanager
def chatting_board(folder):
    """Firmware that prints before each reply, listening on a TCP port: its URL."""
    board = load_board("host")
    require_toolchain("gcc", board)
    project = tiny_project(board)
    write_project(project, folder / "project")
    main = folder / "project" / "port" / "posix" / "main.c"
    main.write_text(
        main.read_text()
        .replace("int main(", CHATTER + "int main(")
        .replace("ek_link_run(&serial_link, ek_model_init(arena, sizeof arena));", CHATTING_LOOP)
    )
    image = compile_project(project, folder / "project", board, "gcc").image
    with subprocess.Popen([image, "--listen", "0"], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield f"socket://{process.stderr.readline().strip().rpartition(' ')[2]}"
        finally:
            process.kill()


CHATTER = """
#include <string.h>
static void say(const char *text) {
    ek_port_write((const uint8_t *)text, strlen(text));
    ek_port_flush();
}
"""
CHATTING_LOOP = """
    ek_link_init(&serial_link, ek_model_init(arena, sizeof arena));
    for (int byte; (byte = ek_port_read_byte()) >= 0;) {
        static int bytes, delimiters;
        if (bytes++ == 0) {
            say("the board starts\\n");
        }
        if (byte == 0 && ++delimiters % 6 == 0) {
            say("still here\\n");
        }
        ek_link_receive(&serial_link, (uint8_t)byte);
    }
"""


def test_ctrl_c_before_the_device_answers_ends_cleanly(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = f"socket://127.0.0.1:{silent.getsockname()[1]}"
        with running("-w", tmp_path, "-b", "host", "-p", port) as (process, event):
            assert event()["event"] == "note"
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in error) == (0, False)


def test_a_device_that_is_lost_is_an_error(tmp_path):
    with chatting_board(tmp_path) as port:
        monitor = running("-w", tmp_path, "-b", "host", "-p", port)
        process, event = monitor.__enter__()
        until(event, "device")
    _, error = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "closed the connection" in error or "was lost" in error
    monitor.__exit__(None, None, None)


# ---- what a watcher makes of bytes ----


def exchange(watcher, request_type, request, reply, number=7):
    watcher.sent(encode_frame(Packet(request_type, number, request)))
    return watcher.received(encode_frame(Packet(request_type | 0x80, number, reply)))


def described() -> LinkWatcher:
    watcher = LinkWatcher()
    data = INFO.pack()
    events = exchange(watcher, 0x02, bytes(4), len(data).to_bytes(4, "little") + data)
    assert [event.info.board for event in events] == ["host"]
    return watcher


def generated(output: bytes) -> bytes:
    return (5).to_bytes(8, "little") + zlib.crc32(output).to_bytes(4, "little") + output


def test_a_repeated_reply_is_one_result():
    watcher = described()
    (result,) = exchange(watcher, 0x14, bytes(4), generated(b"\x01\x02\x03"), number=9)
    assert (result.output.tolist(), result.ticks) == ([1, 2, 3], 5)
    assert not watcher.received(encode_frame(Packet(0x94, 9, generated(b"\x01\x02\x03"))))


def test_a_result_that_is_read_in_pieces_is_one_result():
    watcher = described()
    assert not exchange(watcher, 0x12, (1).to_bytes(4, "little"), (44).to_bytes(8, "little"), number=1)
    assert not exchange(watcher, 0x13, bytes([0, 0, 0, 0, 0, 2, 0]), b"\x80\x7f", number=2)
    (result,) = exchange(watcher, 0x13, bytes([0, 2, 0, 0, 0, 1, 0]), b"\xff", number=3)
    assert (result.output.tolist(), result.ticks) == ([-128, 127, -1], 44)


def test_replies_of_the_wrong_number_type_or_form_say_nothing():
    watcher = described()
    watcher.sent(encode_frame(Packet(0x14, 9, bytes(4))))
    assert not watcher.received(encode_frame(Packet(0x94, 8, generated(b"abc"))))
    assert not watcher.received(encode_frame(Packet(0xFF, 9, b"\x01\x00\x14no")))
    assert not watcher.received(encode_frame(Packet(0x94, 9, b"short")))
    assert not exchange(LinkWatcher(), 0x14, bytes(4), generated(b"abc")), "the model is not known yet"


def test_text_is_shown_after_a_silence_and_a_frame_on_its_way_is_left_alone():
    watcher = described()
    assert not watcher.received(b"no newline yet")
    assert watcher.silence() == [LogLine("no newline yet")]
    frame = encode_frame(Packet(0x94, 9, generated(b"\x01\x02\x03")))
    watcher.sent(encode_frame(Packet(0x14, 9, bytes(4))))
    for end in range(1, len(frame) - 1):
        assert not watcher.received(frame[end - 1 : end])
        assert not watcher.silence()
    assert [type(event) for event in watcher.received(frame[-2:])] == [Result]


def test_escape_sequences_of_a_device_are_spelled_out():
    assert LinkWatcher().received(b"\x1b[2Jgone\0") == [LogLine("\\x1b[2Jgone")]


# ---- what a person sees ----


def result(*values: int) -> Result:
    return Result(np.array(values, dtype=np.int8), 2500)


def test_classes_are_ranked_and_dequantized():
    ranked = rank(INFO, result(0, 127, 127), ("a", "b", "c"), 2)
    assert [(one.name, one.quantized, one.score) for one in ranked] == [
        ("b", 127, 255 / 256),
        ("c", 127, 255 / 256),
    ]
    assert rank(INFO, result(-128, 127, 0), ("a", "b"), 9)[0].name == "class 1"


@pytest.mark.parametrize("width", [40, 120])
def test_the_live_table_shows_the_last_result_below_the_text(width):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, color_system=None)
    with LiveView("host", lambda info: ("circle", "bar", "star"), 2, console) as view:
        view.device(INFO)
        view.result(result(127, -128, 0), Sample([], "picture 4", 2))
        view.log("a line of text")
        view.result(result(-128, 127, 0), None)
    shown = screen.getvalue()
    assert "[host] a line of text" in shown
    last = shown.rpartition("result 2 (of a client)")[2]
    assert "bar" in last
    assert "0.996" in last
    assert "circle" not in last
    assert "result 1 (picture 4, a star)" in shown
    assert "2.50 ms" in shown
    assert shown.rstrip().endswith("\x1b[?25h"), "the cursor comes back"


def test_the_tiny_model_has_what_these_tests_assume():
    assert tiny_graph().tensors[1].size_bytes == 3
