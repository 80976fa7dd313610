"""The C that README.md and docs/application.md show compiles against a generated project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from application.test_examples import picture_graph, project_for
from kernels.compiling import compile_program

from edgekit.projects.project import write_project

ROOT = Path(__file__).resolve().parents[2]
HEADERS = ("edgekit/ek_preprocess.h", "edgekit/ek_top_k.h", "labels.h", "model.h", "picture.h")


@pytest.mark.parametrize("document", ["README.md", "docs/application.md"])
def test_shown_lines_compile(tmp_path: Path, document: str) -> None:
    (lines,) = re.findall(r"```c\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    write_project(project_for("host", picture_graph()), tmp_path)
    includes = "".join(f'#include "{header}"\n' for header in HEADERS)
    main = "\nint main(void) { return name_of((const uint8_t *)0) == 0; }\n"
    (tmp_path / "own.c").write_text(includes + lines + main)
    sources = [
        *tmp_path.glob("model/*.c"),
        *tmp_path.glob("kernels/*.c"),
        *tmp_path.glob("engine/aot/*.c"),
        *tmp_path.glob("application/*.c"),
    ]
    flags = ("-Wno-conversion", f"-I{tmp_path / 'model'}")
    compile_program(tmp_path / "own", [tmp_path / "own.c", *sources], flags)
