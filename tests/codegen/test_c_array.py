"""The .tflite as a C array."""

import hashlib
import shutil
from pathlib import Path

import pytest
from kernels.compiling import compile_program, run

from edgekit.codegen.c_array import generate_c_array
from edgekit.errors import ModelError

MAIN = """\
#include "model_data.h"

#include <stdio.h>

int main(void) {
    if ((uintptr_t)model_data % 16 != 0) {
        return 1;
    }
    fwrite(model_data_sha256, 1, sizeof model_data_sha256, stdout);
    fwrite(model_data, 1, MODEL_DATA_BYTES, stdout);
    return 0;
}
"""


@pytest.mark.parametrize("size", [1, 15, 16, 17, 5000])
def test_array_holds_the_model_and_its_digest(size: int, tmp_path: Path) -> None:
    model = bytes(number * 7 % 256 for number in range(size))
    files = generate_c_array(model, "name */ int intruder; /*")
    (tmp_path / "main.c").write_text(MAIN)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    program = compile_program(tmp_path / "main", sorted(tmp_path.glob("*.c")), [f"-I{tmp_path}"])
    assert run([str(program)]) == hashlib.sha256(model).digest() + model


def test_header_is_valid_cpp(tmp_path: Path) -> None:
    if not shutil.which("g++"):
        pytest.skip("g++ is not installed")
    (tmp_path / "model_data.h").write_text(generate_c_array(b"model", "name")["model_data.h"])
    source = tmp_path / "main.cpp"
    source.write_text('#include "model_data.h"\nint main() { return model_data[0] == 0; }\n')
    run(["g++", "-std=c++17", "-Wall", "-Werror", "-pedantic", "-fsyntax-only", str(source)])


def test_same_model_gives_the_same_text() -> None:
    assert generate_c_array(b"model", "name") == generate_c_array(b"model", "name")


def test_empty_model_is_refused() -> None:
    with pytest.raises(ModelError, match="empty"):
        generate_c_array(b"", "nothing")
