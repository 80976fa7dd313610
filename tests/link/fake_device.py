"""The fake device of these tests: its model in NumPy, how it is built, and a transport to its process."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekit.errors import DeviceError
from edgekit.resources import firmware_folder

HERE = Path(__file__).parent
INPUT_SHAPES = ((1, 4, 5, 3), (1, 7))
OUTPUT_SHAPES = ((1, 10), (1, 300))
OP_BYTES = (60, 1, 0, 300, 10)
OP_TICKS = (1000, 2000, 3000, 4000, 5000)
RUN_TICKS = sum(OP_TICKS)
FIRMWARE_VERSION = "9.8.7"

Int8Array = NDArray[np.int8]


def op_output(op_index: int, inputs: Sequence[Int8Array]) -> Int8Array:
    """What operator ``op_index`` of fake_model.c writes."""
    stream = np.concatenate([array.reshape(-1) for array in inputs]).astype(np.int64)
    k = np.arange(OP_BYTES[op_index])
    return ((op_index + 1) * stream[k % 67] + 3 * k + op_index).astype(np.int8)


def outputs(inputs: Sequence[Int8Array]) -> tuple[Int8Array, ...]:
    """What the model computes."""
    return op_output(4, inputs).reshape(1, 10), op_output(3, inputs).reshape(1, 300)


def random_inputs(seed: int) -> tuple[Int8Array, ...]:
    """Inputs for the model."""
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(-128, 128, shape, dtype=np.int8) for shape in INPUT_SHAPES)


def compile_c(
    program: Path, sources: Sequence[Path], flags: Sequence[str] = (), compiler: str | None = None
) -> Path:
    """Compiles ``sources`` into ``program`` with sanitizers; skips where there is no compiler for it."""
    found = compiler or shutil.which("gcc") or shutil.which("clang")
    if found is None:
        pytest.skip("no C compiler with sanitizers (gcc or clang) on this computer")
    command = [
        *(found, "-std=c11", "-O1", "-g1", "-Wall", "-Wextra", "-Werror", "-pedantic"),
        *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
        *(f"-I{firmware_folder() / 'include'}", f"-I{HERE}", *flags),
        *(str(source) for source in sources),
        *("-o", str(program)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def link_sources(replaced: Mapping[str, Path] | None = None) -> list[Path]:
    """The link's C files, those in ``replaced`` taken from elsewhere."""
    names = ("ek_frame.c", "ek_link.c")
    return [(replaced or {}).get(name, firmware_folder() / "link" / name) for name in names]


def build_fake_device(
    folder: Path, max_body_bytes: int = 512, replaced: Mapping[str, Path] | None = None
) -> Path:
    """Compiles the fake device; ``replaced`` maps names of the link's C files to other versions of them."""
    sources = [HERE / "fake_device.c", HERE / "fake_model.c", *link_sources(replaced)]
    flags = [
        "-Wl,--wrap=ek_crc32",
        f"-DEK_LINK_MAX_BODY_BYTES={max_body_bytes}",
        f'-DEK_LINK_FIRMWARE_VERSION="{FIRMWARE_VERSION}"',
    ]
    return compile_c(folder / f"fake_device_{max_body_bytes}", sources, flags)


class ProcessTransport:
    """A transport to a child process that speaks the link on stdin and stdout."""

    def __init__(self, program: Path, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error

    def read(self, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        if not select.select([descriptor], [], [], timeout_s)[0]:
            return b""
        data = os.read(descriptor, 65536)
        if not data:
            raise self._ended()
        return data

    def close(self) -> None:
        """Ends the process by closing its input, and fails the test if a sanitizer had something to say."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        try:
            _, complaints = self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        assert not complaints, complaints.decode()

    def _ended(self) -> DeviceError:
        return DeviceError("the fake device has ended")
