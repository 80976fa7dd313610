"""The few string functions of the freestanding C library, against Python's own bytes."""

import ctypes
import random
import shutil
import subprocess

import pytest

from edgekit.resources import firmware_folder

FUNCTIONS = ("memcpy", "memmove", "memset", "memcmp", "strlen")
SIZE_BYTES = 96


@pytest.fixture(scope="module", params=["-O0", "-O2", "-Os"])
def library(request, tmp_path_factory):
    """string.c as a shared library, its functions renamed so that the system's stay out of it."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler for this computer")
    port = firmware_folder() / "port" / "freestanding"
    path = tmp_path_factory.mktemp("library") / "string.so"
    renamed = [f"-D{name}=tested_{name}" for name in FUNCTIONS]
    flags = ["-std=c11", request.param, "-ffreestanding", "-shared", "-fPIC", "-Werror", "-Wall", "-Wextra"]
    subprocess.run(
        [compiler, *flags, *renamed, f"-I{port / 'libc'}", port / "string.c", "-o", path], check=True
    )
    loaded = ctypes.CDLL(str(path))
    for name in FUNCTIONS:
        getattr(loaded, f"tested_{name}").restype = ctypes.c_int if name == "memcmp" else ctypes.c_size_t
    return loaded


def cases(count: int):
    """Two offsets and a size, so that both areas lie in SIZE_BYTES; aligned and odd ones alike."""
    draw = random.Random(7)
    for _ in range(count):
        size = draw.choice([0, 1, 3, 4, 8, 15, 16, 17, 32, draw.randrange(40)])
        yield draw.randrange(SIZE_BYTES - size), draw.randrange(SIZE_BYTES - size), size


def buffer():
    content = bytearray(random.Random(3).randbytes(SIZE_BYTES))
    memory = (ctypes.c_uint8 * SIZE_BYTES).from_buffer(content)
    return content, ctypes.addressof(memory), memory


def pointer(address: int) -> ctypes.c_void_p:
    return ctypes.c_void_p(address)


@pytest.mark.parametrize("name", ["memcpy", "memmove"])
def test_copies(library, name):
    copy = getattr(library, f"tested_{name}")
    for to, start, size in cases(2000):
        if name == "memcpy" and abs(to - start) < size:
            continue
        content, address, _ = buffer()
        expected = bytearray(content)
        expected[to : to + size] = bytes(content[start : start + size])
        assert copy(pointer(address + to), pointer(address + start), ctypes.c_size_t(size)) == address + to
        assert content == expected, (to, start, size)


def test_fill(library):
    for to, value, size in cases(1000):
        content, address, _ = buffer()
        expected = bytearray(content)
        expected[to : to + size] = bytes([value]) * size
        library.tested_memset(pointer(address + to), value + 256, ctypes.c_size_t(size))
        assert content == expected


def test_compare(library):
    for left, right in [(b"", b""), (b"a", b"a"), (b"a", b"b"), (b"\xff", b"\x01"), (b"ab", b"aa")]:
        sign = library.tested_memcmp(left, right, ctypes.c_size_t(len(left)))
        assert (sign > 0) - (sign < 0) == (left > right) - (left < right)


def test_length(library):
    for text in (b"", b"x", b"edgekit", b"a\0b"):
        assert library.tested_strlen(text) == len(text.partition(b"\0")[0])
