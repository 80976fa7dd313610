"""The camera's preprocessing in C against the one in Python, byte by byte, under the sanitizers."""

from __future__ import annotations

import itertools
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from kernels.compiling import INCLUDE, SANITIZERS, compile_object, compile_program, host_compiler, run
from PIL import Image
from probe_firmware import require_program

from edgekit.boards import load_board
from edgekit.data.frames import PIXEL_FORMATS, YUV, FrameFormat, frame_picture
from edgekit.data.preprocessing import pixel_table, quantize_pixels
from edgekit.errors import DataError
from edgekit.resources import firmware_folder
from edgekit.toolchains.cores import CORES
from edgekit.toolchains.flags import compile_flags, link_flags
from edgekit.toolchains.zig import find_zig

DRIVER = Path(__file__).with_name("driver.c")
SOURCES = sorted((firmware_folder() / "application").glob("*.c"))
PLANES = {"nv12", "yuv420"}


@dataclass(frozen=True)
class Job:
    """A frame, and what is to be made of it."""

    frame: FrameFormat
    side: int
    channels: int
    by_rows: bool = False
    quantization: tuple[float, int, tuple[float, float]] | None = None

    def bytes(self) -> bytes:
        """Half of the frames have extreme values, which noise seldom has next to each other."""
        seed = abs(hash((self.frame.width, self.frame.height, self.side, self.channels)))
        noise = np.random.default_rng(seed).integers(0, 256, self.frame.size_bytes, dtype=np.uint8)
        return (noise if seed % 2 else (noise > 127) * np.uint8(255)).astype(np.uint8).tobytes()

    def expected(self) -> bytes:
        pixels = frame_picture(self.bytes(), self.frame, self.side, self.channels)
        if self.quantization is None:
            return quantize_pixels(pixels, 1 / 128, 0).tobytes()
        scale, zero_point, real_range = self.quantization
        return quantize_pixels(pixels, scale, zero_point, real_range).tobytes()

    def words(self) -> list[int]:
        scale, zero_point, real_range = self.quantization or (1.0, 0, (0.0, 0.0))
        ends = [math.floor((real / scale + zero_point) * 65536 + 0.5) for real in real_range]
        frame = self.frame
        place = [PIXEL_FORMATS.index(frame.pixels), YUV.index(frame.yuv), frame.width, frame.height]
        return [*place, self.side, self.channels, 0, self.by_rows, self.quantization is not None, *ends]


# Frame sizes: wide, high, odd, smaller than the picture, of its size, many times larger.
SIZES = [
    (20, 20),
    (21, 20),
    (20, 23),
    (7, 5),
    (2, 2),
    (3, 9),
    (33, 65),
    (64, 40),
    (64, 48),
    (160, 120),
    (97, 240),
]
SIDES = [2, 3, 20, 32, 48]
QUANTIZATIONS = [
    (1 / 255, -128, (0.0, 1.0)),
    (2 / 255, -1, (-1.0, 1.0)),
    (0.0186, -14, (-2.1179, 2.2489)),
    (0.05, 90, (0.0, 10.0)),
    (1.0, -128, (255.0, 0.0)),
]


def jobs() -> list[Job]:
    sizes = [
        Job(FrameFormat("rgb888", width, height), side, channels, by_rows=by_rows)
        for (width, height), side, channels, by_rows in itertools.product(SIZES, SIDES, (1, 3), (True, False))
    ]
    formats = [
        Job(FrameFormat(pixels, width, height, yuv), side, channels)
        for pixels, (width, height), yuv, side, channels in itertools.product(
            PIXEL_FORMATS, [(64, 48), (31, 37)], YUV, (16, 40), (1, 3)
        )
    ]
    rows = [replace(job, by_rows=True) for job in formats if job.frame.pixels not in PLANES]
    quantized = [
        Job(FrameFormat("rgb888", 40, 40), 16, 3, quantization=quantization) for quantization in QUANTIZATIONS
    ]
    large = [Job(FrameFormat("yuv420", 640, 480), 96, 3), Job(FrameFormat("rgb565be", 320, 240), 96, 1)]
    return [*sizes, *formats, *rows, *quantized, *large]


JOBS = jobs()


def run_jobs(command: Sequence[str], chosen: Sequence[Job]) -> bytes:
    """What the driver makes of all ``chosen``, one after the other."""
    return run(
        command,
        b"".join(np.array([*job.words(), len(job.bytes())], "<i4").tobytes() + job.bytes() for job in chosen),
    )


@pytest.fixture(scope="session")
def expected() -> bytes:
    return b"".join(job.expected() for job in JOBS)


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_program(tmp_path_factory.mktemp("application") / "driver", [DRIVER, *SOURCES])


def test_frames_become_the_very_bytes_of_python(driver: Path, expected: bytes) -> None:
    received = run_jobs([str(driver)], JOBS)
    at = 0
    for job in JOBS:
        size_bytes = job.side * job.side * job.channels
        assert received[at : at + size_bytes] == expected[at : at + size_bytes], job
        at += size_bytes
    assert at == len(received) == len(expected)


def test_a_32_bit_processor_makes_the_same_bytes(tmp_path: Path, expected: bytes) -> None:
    require_program("qemu-arm")
    if find_zig() is None:
        pytest.skip("zig is not installed")
    program = tmp_path / "driver"
    core = CORES[load_board("rpi3-32bit").mcu.core]
    flags = (*compile_flags("zig", core, "size", freestanding=False), *link_flags("zig", core, "size", None))
    command = (sys.executable, "-m", "ziglang", "cc", *flags, f"-I{INCLUDE}")
    run([*command, *map(str, [DRIVER, *SOURCES]), "-o", str(program)])
    assert run_jobs(["qemu-arm", str(program)], JOBS) == expected


def test_the_largest_frame(driver: Path) -> None:
    job = Job(FrameFormat("gray8", 8192, 8192), 96, 1)
    assert run_jobs([str(driver)], [job]) == job.expected()


def test_rows_with_gaps(driver: Path) -> None:
    """A stride longer than the row, for each kind of layout."""
    for pixels in PIXEL_FORMATS:
        job = Job(FrameFormat(pixels, 24, 18), 12, 3)
        row_bytes = job.frame.size_bytes // 18 if pixels not in PLANES else 24
        rows = job.bytes()
        padded = b"".join(rows[at : at + row_bytes] + bytes(8) for at in range(0, 18 * row_bytes, row_bytes))
        chroma, half = rows[18 * row_bytes :], row_bytes if pixels == "nv12" else row_bytes // 2
        gap = bytes(8 if pixels == "nv12" else 4)
        padded += b"".join(chroma[at : at + half] + gap for at in range(0, len(chroma), half))
        words = job.words()
        words[6] = row_bytes + 8
        data = np.array([*words, len(padded)], "<i4").tobytes() + padded
        assert run([str(driver)], data) == job.expected(), pixels


@pytest.mark.parametrize("side", [2, 3, 13, 32, 48, 96, 128])
def test_resizing_is_pillows(side: int) -> None:
    """The contract in integers, as the C states it, against the Pillow that is installed."""
    for square in [*range(2, 50), 96, 120, 240, 480, 1080]:
        longer = max(square, side)
        source, output = np.arange(square), np.arange(side)[:, np.newaxis]
        weights = np.maximum(0, 2 * longer - abs((2 * source + 1) * side - (2 * output + 1) * square))
        rounded = ((weights << 23) // weights.sum(axis=1, keepdims=True) + 1) >> 1
        picture = np.random.default_rng(square).integers(0, 256, (square, square), dtype=np.uint8)
        columns = (picture.astype(np.int64) @ rounded.T + (1 << 21)) >> 22
        resized = (rounded @ columns + (1 << 21)) >> 22
        pillow = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(resized, np.asarray(pillow))


def test_colours_are_what_they_should_be() -> None:
    """Known values, so that C and Python are not wrong alike: (Y, U, V) of BT.601 and BT.709 colour bars."""
    bars = {
        "bt601": {(235, 128, 128): (255, 255, 255), (81, 90, 240): (255, 0, 0), (41, 240, 110): (0, 0, 255)},
        "bt709": {(235, 128, 128): (255, 255, 255), (63, 102, 240): (255, 0, 0), (32, 240, 118): (0, 0, 255)},
        "bt601_full": {
            (255, 128, 128): (255, 255, 255),
            (76, 85, 255): (255, 0, 0),
            (0, 128, 128): (0, 0, 0),
        },
    }
    for yuv, colours in bars.items():
        for (y, u, v), rgb in colours.items():
            frame = bytes([y, u, y, v] * 4)
            found = frame_picture(frame, FrameFormat("yuyv", 4, 2, yuv), 2, 3)[0, 0].astype(int)
            assert abs(found - rgb).max() <= 2, (yuv, rgb)
    red = np.full((2, 2), 0xF800, ">u2").tobytes()
    assert frame_picture(red, FrameFormat("rgb565be", 2, 2), 2, 3)[0, 0].tolist() == [255, 0, 0]


def test_full_range_yuv_is_what_jpeg_decoders_make_of_it() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    ycbcr = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    y, u, v = ycbcr[:, ::2].reshape(16, 8, 3).transpose(2, 0, 1)
    frame = np.stack([y, u, y, v], axis=-1).tobytes()
    made = frame_picture(frame, FrameFormat("yuyv", 16, 16, "bt601_full"), 16, 3)
    decoded = np.asarray(Image.fromarray(ycbcr, "YCbCr").convert("RGB")).astype(int)
    assert abs(made[:, ::2].astype(int) - decoded[:, ::2]).max() <= 1


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(DataError, match=r"the frame has 3 bytes; 2×2 pixels of rgb565le are 8"):
        frame_picture(b"abc", FrameFormat("rgb565le", 2, 2), 8, 3)


def test_pixel_tables_reach_both_ends() -> None:
    table = pixel_table(1 / 255, -128, (0.0, 1.0))
    np.testing.assert_array_equal(table, np.arange(256) - 128)
    assert pixel_table(0.01, 0, (-9.0, 9.0))[[0, 255]].tolist() == [-128, 127]


# One slip each, such as a person could make in that place: file, what is right, what is wrong.
FAULTS = {
    "centre of a pixel": ("ek_preprocess.c", "(2 * source + 1) * output_side", "2 * source * output_side"),
    "weights rounded down": ("ek_preprocess.c", "/ total + 1) >> 1", "/ total) >> 1"),
    "rows rounded down": ("ek_preprocess.c", "(sum + WEIGHT_HALF)", "(sum)"),
    "sums kept": ("ek_preprocess.c", "sums[i] = 0;", ""),
    "first row too early": ("ek_preprocess.c", "(tap[2] & ADVANCES) != 0", "(tap[0] & ADVANCES) != 0"),
    "chunk border": ("ek_preprocess.c", "pixels[c] = pixel[c];", "pixels[c] = pixels[c];"),
    "crop to the left": (
        "ek_preprocess.c",
        "(format->width - square) / 2",
        "(format->width - square + 1) / 2",
    ),
    "rows of V": ("ek_preprocess.c", "y / 2 * half", "y / 4 * half"),
    "table: rounding of negatives": ("ek_preprocess.c", " - (numerator % one < 0)", ""),
    "byte order": ("ek_pixels.c", "format->pixels == EK_PIXELS_RGB565_LE", "0"),
    "red and blue": ("ek_pixels.c", "source[2 - red]", "source[2]"),
    "bits not repeated": ("ek_pixels.c", "g << 2 | g >> 4", "g << 2"),
    "luma: weight of green": ("ek_pixels.c", "38470", "38469"),
    "yuv: black": ("ek_pixels.c", "- constants->y_of_black", ""),
    "yuv: matrix": ("ek_pixels.c", "yuv_table[format->yuv]", "yuv_table[0]"),
    "yuv: one step of U": ("ek_pixels.c", "132201", "132202"),
    "pairs of a chunk": (
        "ek_pixels.c",
        "layout->v[x / 2 * layout->uv_step]",
        "layout->v[(x + 1) / 2 * layout->uv_step]",
    ),
}


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("objects")
    return {source.name: compile_object(folder / f"{source.stem}.o", source) for source in [DRIVER, *SOURCES]}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_noticed(
    fault: str, tmp_path: Path, objects: dict[str, Path], expected: bytes
) -> None:
    file_name, right, wrong = FAULTS[fault]
    folder = tmp_path / "application"
    shutil.copytree(firmware_folder() / "application", folder)
    text = (folder / file_name).read_text()
    assert right in text
    (folder / file_name).write_text(text.replace(right, wrong))
    faulty = compile_object(tmp_path / "faulty.o", folder / file_name, flags=("-Wno-error",))
    program = tmp_path / "driver"
    run([host_compiler(), *map(str, {**objects, file_name: faulty}.values()), "-o", str(program)])
    assert run_jobs([str(program)], JOBS) != expected


def test_what_is_not_possible_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "refused.c"
    source.write_text(
        """#include "edgekit/ek_preprocess.h"
        static int init(int pixels, int yuv, int width, int side, int channels, size_t words) {
            static uint32_t memory[4096];
            static ek_preprocess preprocess;
            const ek_frame_format format = {(ek_pixel_format)pixels, (ek_yuv)yuv, (uint16_t)width, 64};
            const ek_picture picture = {(uint16_t)side, (uint8_t)channels, 0};
            return ek_preprocess_init(&preprocess, &format, &picture, words != 0 ? memory : 0, words);
        }
        int main(void) {
            const size_t words = EK_PREPROCESS_WORDS(64, 64, 32, 3);
            return init(0, 0, 64, 32, 3, words) == EK_PREPROCESS_OK &&
                   init(9, 0, 64, 32, 3, words) == EK_PREPROCESS_ERR_FORMAT &&
                   init(5, 3, 64, 32, 3, words) == EK_PREPROCESS_ERR_FORMAT &&
                   init(0, 0, 1, 32, 3, words) == EK_PREPROCESS_ERR_SIZE &&
                   init(0, 0, 8193, 32, 3, words) == EK_PREPROCESS_ERR_SIZE &&
                   init(0, 0, 64, 0, 3, words) == EK_PREPROCESS_ERR_SIZE &&
                   init(0, 0, 64, 32, 2, words) == EK_PREPROCESS_ERR_SIZE &&
                   init(0, 0, 64, 32, 3, words - 1) == EK_PREPROCESS_ERR_MEMORY &&
                   init(0, 0, 64, 32, 3, 0) == EK_PREPROCESS_ERR_MEMORY ? 0 : 1;
        }"""
    )
    program = compile_program(tmp_path / "refused", [source, *SOURCES], (*SANITIZERS, "-Wno-conversion"))
    run([str(program)])


def test_header_is_cplusplus_too(tmp_path: Path) -> None:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler for this machine (g++ or clang++)")
    source = tmp_path / "own.cpp"
    source.write_text(
        '#include "edgekit/ek_preprocess.h"\n#include "edgekit/ek_top_k.h"\n'
        "static uint32_t memory[EK_PREPROCESS_WORDS(320, 240, 96, 3)];\nuint32_t *own() { return memory; }\n"
    )
    run(
        [
            compiler,
            "-Wall",
            "-Wextra",
            "-Werror",
            f"-I{INCLUDE}",
            "-c",
            str(source),
            "-o",
            str(tmp_path / "o"),
        ]
    )
