"""How many bytes of an image are the test harness, and how many the model's program."""

from dataclasses import replace

import pytest
from probe_firmware import TOOLCHAINS, require_toolchain, tiny_project

from edgekit.boards import load_board
from edgekit.projects.project import write_project
from edgekit.toolchains.build import compile_project

BOARD = load_board("virt-cortex-m4")

EXTRA = """
#include "edgekit/ek_port.h"
static const uint8_t extra_table[200] = {1, 2, 3};
__attribute__((noinline)) static void extra(const uint8_t *data) {
    ek_port_write((const uint8_t *)"a sentence that nobody else says", data[0]);
    ek_port_write(extra_table, extra_table[data[1]]);
}
"""

PLACES = {
    "link/main.c": "ek_port_init();",
    "engine/aot/ek_engine.c": "    arena = memory;\n",
}
"""A statement that every program runs, in a source of the harness and in one of the model's program."""


@pytest.fixture(params=TOOLCHAINS)
def toolchain(request):
    require_toolchain(request.param, BOARD)
    return request.param


def sizes(folder, toolchain, grown=None):
    """Code and constants of the harness, then of the rest. ``grown``: a source that gets EXTRA."""
    project = tiny_project(BOARD)
    if grown is not None:
        include, statement = '#include "edgekit/ek_port.h"\n', PLACES[grown]
        text = project.files[grown].decode()
        assert text.count(include) == text.count(statement) == 1
        text = text.replace(include, EXTRA).replace(statement, f"{statement} extra((const uint8_t *)arena);")
        project = replace(project, files={**project.files, grown: text.encode()})
    write_project(project, folder)
    built = compile_project(project, folder, BOARD, toolchain)
    harness = (built.harness_code_bytes, built.harness_constant_bytes)
    return (*harness, built.code_bytes - harness[0], built.constant_bytes - harness[1])


def test_the_harness_is_not_all_and_not_nothing(tmp_path, toolchain):
    code, constants, other_code, other_constants = sizes(tmp_path, toolchain)
    assert 3_000 < code < 8_000
    assert 500 < constants < 1_000
    assert other_code > 500
    assert other_constants > 100


@pytest.mark.parametrize("grown", PLACES)
def test_what_is_added_counts_where_it_belongs(tmp_path, toolchain, grown):
    """But for the gaps that alignment leaves."""
    before, after = sizes(tmp_path / "a", toolchain), sizes(tmp_path / "b", toolchain, grown)
    harness_code, harness_constants, other_code, other_constants = (
        new - old for old, new in zip(before, after, strict=True)
    )
    text_bytes = len("a sentence that nobody else says") + 1
    if grown.startswith("link/"):
        assert harness_code > 20
        assert harness_constants == 200 + text_bytes
        assert abs(other_code) < 16
        assert abs(other_constants) < 16
    else:
        assert (harness_code, harness_constants) == (0, 0)
        assert other_code > 20
        assert abs(other_constants - 200 - text_bytes) < 16
