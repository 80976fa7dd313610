"""The examples of the generated projects, built as their README says and run on raw frames."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from emulators.small_network import small_mobilenet
from kernels.compiling import compile_program
from PIL import Image
from probe_firmware import require_program, require_toolchain

from edgekit.boards import EngineName, load_board
from edgekit.data.frames import FrameFormat, frame_picture
from edgekit.data.preprocessing import quantize_pixels
from edgekit.device.emulators import open_emulator
from edgekit.engines import engine_files
from edgekit.firmware_project import EngineFiles, Project
from edgekit.graph import arithmetic
from edgekit.graph.executor import execute
from edgekit.graph.ir import FullyConnected, Graph, Requantization, Reshape, Softmax, Tensor
from edgekit.graph.tflite import read_tflite
from edgekit.projects.assembler import assemble
from edgekit.projects.project import write_project
from edgekit.toolchains.zig import find_zig

NAMES = ("bar", "circle", 'a "star"', "frame", "ring")
SIDE = 16
FRAMES = 12
ANSWER_TIMEOUT_S = 60.0


def picture_graph(channels: int = 3) -> Graph:
    """A classifier whose scores depend on every pixel: flatten, fully connected, softmax."""
    values = SIDE * SIDE * channels
    shapes = [
        ("image", (1, SIDE, SIDE, channels), 1 / 128, 0),
        ("flat", (1, values), 1 / 128, 0),
        ("logits", (1, len(NAMES)), 0.1, 0),
        ("scores", (1, len(NAMES)), 1 / 256, -128),
    ]
    tensors = {index: Tensor(index, *fields) for index, fields in enumerate(shapes)}
    multiplier, shift = arithmetic.quantize_multiplier(0.002)
    softmax, left_shift, diff_min = arithmetic.softmax_input_scaling(1.0, 0.1)
    dense = FullyConnected(
        index=1,
        inputs=(1,),
        output=2,
        filter=np.random.default_rng(5).integers(-40, 41, (len(NAMES), values)).astype(np.int8),
        bias=np.zeros(len(NAMES), np.int32),
        input_zero_point=0,
        filter_zero_point=0,
        output_zero_point=0,
        requantization=Requantization(np.array([multiplier], np.int32), np.array([shift], np.int32)),
        activation_min=-128,
        activation_max=127,
    )
    classify = Softmax(2, (2,), 3, multiplier=softmax, left_shift=left_shift, diff_min=diff_min)
    return Graph("pictures", "cd" * 32, tensors, (Reshape(0, (0,), 1), dense, classify), (0,), (3,))


def project_for(
    board_name: str, graph: Graph, engine: EngineName = "aot", *, stream_input: bool = False
) -> Project:
    board = load_board(board_name)
    files = EngineFiles(dict, (), 1 << 14, 1 << 14, 0)
    if engine == "aot":
        files = engine_files("aot", graph, b"stands in", board, stream_input=stream_input)
    return assemble(board, graph, b"stands in", files, engine, NAMES)


def frames_of(frame_format: FrameFormat, seed: int = 0) -> list[bytes]:
    """Blurred noise, so that resizing leaves something to tell the frames apart by."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (FRAMES, frame_format.size_bytes // 64 + 1), dtype=np.uint8)
    return [row.repeat(64)[: frame_format.size_bytes].tobytes() for row in coarse]


def scores_of(graph: Graph, frame: bytes, frame_format: FrameFormat) -> np.ndarray:
    _, side, _, channels = graph.tensors[graph.inputs[0]].shape
    pixels = frame_picture(frame, frame_format, side, channels)
    return execute(graph, [quantize_pixels(pixels[np.newaxis], 1 / 128, 0)])[0].reshape(-1).astype(int)


def top_three(scores: np.ndarray, names: Sequence[str] = NAMES) -> str:
    best = np.argsort(-scores, kind="stable")[:3]
    return ", ".join(f"{names[index]} {(scores[index] + 128) / 256:.3f}" for index in best)


def make_example(project: Project, folder: Path, toolchain: str, board_name: str) -> None:
    require_program("make")
    require_toolchain(toolchain, load_board(board_name))
    write_project(project, folder)
    done = subprocess.run(
        ["make", "-j2", "example", f"TOOLCHAIN={toolchain}", f"ZIG={find_zig()}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("board_name", "toolchain"), [("host", "gcc"), ("rpi4", "zig")])
def test_linux_camera_names_what_python_names(
    tmp_path: Path, board_name: str, toolchain: str, channels: int
) -> None:
    graph = picture_graph(channels)
    make_example(project_for(board_name, graph), tmp_path, toolchain, board_name)
    program = [str(tmp_path / "build" / "camera")]
    if board_name == "rpi4":
        require_program("qemu-aarch64")
        program = ["qemu-aarch64", *program]
    answers = set()
    for arguments, frame_format in (
        (["64", "48"], FrameFormat("yuv420", 64, 48)),
        (["40", "60", "yuyv"], FrameFormat("yuyv", 40, 60)),
        (["1280", "16"], FrameFormat("yuv420", 1280, 16, "bt709")),
        (["33", "17", "bgr"], FrameFormat("bgr888", 33, 17)),
    ):
        frames = frames_of(frame_format)
        done = subprocess.run(
            [*program, *arguments], input=b"".join(frames) + b"cut off", capture_output=True, check=True
        )
        expected = [top_three(scores_of(graph, frame, frame_format)) for frame in frames]
        assert done.stdout.decode().splitlines() == expected
        answers |= set(expected)
    assert len(answers) > 2 * FRAMES


def test_a_real_network_sees_real_photos(tmp_path: Path, shared_folder: Path) -> None:
    """Visual wake words on photos as a Raspberry Pi's camera would send them."""
    model = (shared_folder / "models" / "mlperf_tiny" / "vww_96_int8.tflite").read_bytes()
    graph, board, names = read_tflite(model, "vww"), load_board("host"), ("nobody", "person")
    project = assemble(board, graph, model, engine_files("aot", graph, model, board), "aot", names)
    make_example(project, tmp_path, "gcc", "host")
    frame_format = FrameFormat("yuv420", 320, 240)
    photos = sorted((shared_folder / "data" / "cats_dogs" / "test" / "cats").glob("*.jpg"))[:FRAMES]
    frames = [as_yuv420(photo, frame_format) for photo in photos]
    program = tmp_path / "build" / "camera"
    done = subprocess.run([program, "320", "240"], input=b"".join(frames), capture_output=True, check=True)
    expected = [top_three(scores_of(graph, frame, frame_format), names) for frame in frames]
    assert done.stdout.decode().splitlines() == expected
    assert len(set(expected)) > FRAMES // 2


def as_yuv420(photo: Path, frame_format: FrameFormat) -> bytes:
    """A photo as a frame, Y from 16 to 235."""
    with Image.open(photo) as image:
        resized = image.convert("YCbCr").resize((frame_format.width, frame_format.height))
    y, u, v = np.asarray(resized).astype(int).transpose(2, 0, 1)
    chroma = [128 + (plane[::2, ::2] - 128) * 224 // 255 for plane in (u, v)]
    return b"".join(plane.astype(np.uint8).tobytes() for plane in (16 + y * 219 // 255, *chroma))


@pytest.mark.parametrize(
    "arguments", [[], ["64"], ["0", "48"], ["64", "x"], ["64", "48", "mp4"], ["9999", "48"]]
)
def test_linux_camera_refuses_nonsense(camera: Path, arguments: list[str]) -> None:
    done = subprocess.run([camera, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"usage" in done.stderr or b"cannot be used" in done.stderr


@pytest.fixture(scope="session")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("camera")
    make_example(project_for("host", picture_graph()), folder, "gcc", "host")
    return folder / "build" / "camera"


@pytest.mark.parametrize(
    ("board_name", "toolchain", "stream_input"),
    [
        ("virt-cortex-m4", "zig", False),
        ("virt-cortex-m0", "gcc", False),
        ("virt-rv32", "zig", False),
        ("virt-cortex-m4", "gcc", True),
    ],
)
def test_bare_metal_board_reads_rows(
    tmp_path: Path, board_name: str, toolchain: str, stream_input: bool
) -> None:
    """On virtual boards, which never hold more of a frame than a row; of a streamed picture neither."""
    pytest.importorskip("unicorn", reason="unicorn is not installed")
    graph, board = picture_graph(), load_board(board_name)
    if stream_input:
        graph = read_tflite(small_mobilenet(SIDE, classes=len(NAMES)), "streamed")
    project = project_for(board.name, graph, stream_input=stream_input)
    make_example(project, tmp_path, toolchain, board.name)
    frame_format = FrameFormat("rgb565be", 160, 120)
    transport = open_emulator(board, tmp_path / "build" / "rows.elf")
    try:
        for frame in frames_of(frame_format)[:4]:
            scores = scores_of(graph, frame, frame_format)
            best = int(scores.argmax())
            transport.write(b"?F" + frame)
            received, deadline = b"", time.monotonic() + ANSWER_TIMEOUT_S
            while not received.endswith(b"\n"):
                assert time.monotonic() < deadline, received
                received += transport.read(1.0)
            assert received.decode() == f"{NAMES[best]} {(scores[best] + 128) * 100 // 256}\n"
    finally:
        transport.close()


def test_a_pico_gets_a_file_for_its_drive(tmp_path: Path) -> None:
    project = project_for("pico", picture_graph())
    make_example(project, tmp_path, "gcc", "pico")
    assert "make build/rows.uf2" in (tmp_path / "README.md").read_text()
    subprocess.run(["make", "build/rows.uf2", "TOOLCHAIN=gcc"], cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "build" / "rows.uf2").read_bytes()[:4] == b"UF2\n"


@pytest.mark.parametrize("board_name", ["host", "mps2-an385"])
def test_the_lines_of_the_readme_compile(tmp_path: Path, board_name: str) -> None:
    write_project(project_for(board_name, picture_graph()), tmp_path)
    readme = (tmp_path / "README.md").read_text()
    program, camera_lines = re.findall(r"```c\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "own.c").write_text(program + camera_lines)
    sources = [
        *tmp_path.glob("model/*.c"),
        *tmp_path.glob("kernels/**/*.c"),
        *tmp_path.glob("engine/aot/*.c"),
        *tmp_path.glob("application/*.c"),
    ]
    flags = ("-Wno-conversion", f"-I{tmp_path / 'model'}")
    compile_program(tmp_path / "own", [tmp_path / "own.c", *sources], flags)


@pytest.mark.parametrize("board_name", ["host", "virt-cortex-m4"])
def test_only_models_of_pictures_get_an_example(board_name: str) -> None:
    from probe_firmware import tiny_project

    assert any(name.startswith("examples/") for name in project_for(board_name, picture_graph()).files)
    other = tiny_project(load_board(board_name)).files
    assert not any(name.startswith("examples/") for name in other)
    assert b"example" not in other["Makefile"]
    assert "model/labels.h" in other
    assert "model/picture.h" not in other


def test_names_of_the_classes_reach_the_project() -> None:
    labels = project_for("host", picture_graph()).files["model/labels.h"].decode()
    assert re.findall(r'^    "(.*)",$', labels, re.MULTILINE) == [name.replace('"', '\\"') for name in NAMES]
