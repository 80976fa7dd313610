"""labels.h, picture.h and top-k: what is generated, compiled and read back."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from codegen.models import tiny_model
from kernels.compiling import SANITIZERS, compile_program, run

from edgekit.codegen.labels import generate_labels
from edgekit.codegen.picture import generate_picture, reads_pixels
from edgekit.data.preprocessing import pixel_table
from edgekit.graph.ir import Graph
from edgekit.resources import firmware_folder

TOP_K = firmware_folder() / "application" / "ek_top_k.c"
PREPROCESS = sorted((firmware_folder() / "application").glob("*.c"))

PRINT_LABELS = """
#include <stdio.h>
#include "labels.h"
int main(void) {
    for (int i = 0; i < EK_CLASS_COUNT; ++i) {
        fputs(ek_class_names[i], stdout);
        putchar('|');
    }
    return 0;
}
"""


def with_input(graph: Graph, shape: tuple[int, ...], scale: float, zero_point: int) -> Graph:
    tensor = replace(graph.tensors[0], shape=shape, scale=scale, zero_point=zero_point)
    return replace(graph, tensors={**graph.tensors, 0: tensor})


def compiled(folder: Path, main: str, headers: dict[str, str], sources: list[Path]) -> Path:
    (folder / "main.c").write_text(main)
    for name, text in headers.items():
        (folder / name).write_text(text)
    return compile_program(
        folder / "main", [folder / "main.c", *sources], (*SANITIZERS, f"-I{folder}", "-Wno-conversion")
    )


@pytest.mark.parametrize(
    "names",
    [
        ("cat", "dog", "nobody"),
        ('"; int evil; "', "a\\", "??/"),
        ("Ätzkalk", "猫", "*/ end"),
        ("line\nbreak", "tab\t", "%s%n"),
    ],
)
def test_names_survive_c(tmp_path: Path, names: tuple[str, ...]) -> None:
    program = compiled(tmp_path, PRINT_LABELS, generate_labels(tiny_model(), names), [])
    assert run([str(program)]).decode().split("|")[:-1] == list(names)


@pytest.mark.parametrize("names", [(), ("cat", "dog")])
def test_unknown_classes_have_generic_names(names: tuple[str, ...]) -> None:
    text = generate_labels(tiny_model(), names)["labels.h"]
    assert re.findall(r'^    "(.*)",$', text, re.MULTILINE) == ["class 0", "class 1", "class 2"]
    assert "#define EK_CLASS_COUNT 3\n" in text


def test_headers_are_deterministic() -> None:
    for _ in range(2):
        assert generate_labels(tiny_model(), "abc") == generate_labels(tiny_model(), "abc")
        assert generate_picture(tiny_model()) == generate_picture(tiny_model())


def test_picture_of_a_model_that_reads_pixels() -> None:
    text = generate_picture(tiny_model())["picture.h"]
    assert "#define EK_PICTURE_SIDE     6\n#define EK_PICTURE_CHANNELS 1\n" in text
    assert "#define EK_PICTURE_TABLE NULL\n" in text
    assert reads_pixels(tiny_model())


def test_picture_of_a_model_whose_pixels_are_unknown() -> None:
    graph = with_input(tiny_model(), (1, 6, 6, 3), 0.0186, -14)
    assert "EK_PICTURE_TABLE NULL" not in generate_picture(graph)["picture.h"]
    assert not reads_pixels(graph)


@pytest.mark.parametrize("shape", [(1, 6), (1, 6, 7, 3), (1, 6, 6, 2), (2, 6, 6, 3), (1, 49, 10, 1)])
def test_no_picture_for_other_inputs(shape: tuple[int, ...]) -> None:
    graph = with_input(tiny_model(), shape, 1 / 128, 0)
    assert generate_picture(graph) == {}
    assert not reads_pixels(graph)


@pytest.mark.parametrize(
    ("scale", "zero_point", "black", "white"),
    [
        (float(np.float32(0.0186)), -14, -2.1179, 2.2489),
        (float(np.float32(2 / 255)), -1, -1.0, 1.0),
        (0.5, 3, 100.0, -100.0),
    ],
)
def test_the_table_that_the_header_makes_is_pythons(
    tmp_path: Path, scale: float, zero_point: int, black: float, white: float
) -> None:
    main = f"""
    #include <stdio.h>
    #include "edgekit/ek_preprocess.h"
    #include "picture.h"
    int main(void) {{
        static int8_t table[256];
        ek_pixel_table(table, EK_PIXEL_Q16({black}), EK_PIXEL_Q16({white}));
        return fwrite(table, 1, sizeof table, stdout) != sizeof table;
    }}"""
    graph = with_input(tiny_model(), (1, 6, 6, 3), scale, zero_point)
    program = compiled(tmp_path, main, generate_picture(graph), PREPROCESS)
    assert run([str(program)]) == pixel_table(scale, zero_point, (black, white)).tobytes()


def test_top_k(tmp_path: Path) -> None:
    """Against a stable sort: ties, more wanted than there are, none, all of 1000 classes."""
    main = """
    #include <stdio.h>
    #include <stdlib.h>
    #include "edgekit/ek_top_k.h"
    int main(void) {
        int32_t job[2];
        while (fread(job, sizeof *job, 2, stdin) == 2) {
            int8_t *scores = malloc((size_t)job[0] + 1);
            uint16_t *top = malloc(sizeof *top * (size_t)(job[1] < job[0] ? job[1] : job[0]) + 1);
            if (scores == NULL || top == NULL) { return 1; }
            if (fread(scores, 1, (size_t)job[0], stdin) != (size_t)job[0]) { return 1; }
            const size_t count = ek_top_k(scores, (size_t)job[0], top, (size_t)job[1]);
            fwrite(top, sizeof *top, count, stdout);
            free(scores);
            free(top);
        }
        return 0;
    }"""
    program = compiled(tmp_path, main, {}, [TOP_K])
    random = np.random.default_rng(3)
    data, expected = b"", b""
    for count, wanted, spread in [
        (10, 3, 128),
        (10, 3, 2),
        (2, 5, 128),
        (5, 0, 128),
        (1000, 1000, 9),
        (1, 1, 1),
    ]:
        scores = random.integers(-spread, spread, count).astype(np.int8)
        data += np.array([count, wanted], "<i4").tobytes() + scores.tobytes()
        expected += np.argsort(-scores.astype(int), kind="stable")[:wanted].astype("<u2").tobytes()
    assert run([str(program)], data) == expected
