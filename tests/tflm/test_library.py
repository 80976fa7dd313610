"""The folder that --tflm-root names, and what is said where it is missing or wrong."""

import json

import pytest

from edgekit.errors import UsageError
from edgekit.stages.arena import ARENA_RECORD
from edgekit.toolchains.tflm import ARCHIVE, INT8_KERNELS_SYMBOL, LOG_SYMBOL, open_tflm


@pytest.fixture
def root(tmp_path):
    """A folder that looks like a generated tree of TFLite Micro."""
    for header in (
        "tensorflow/lite/micro/micro_interpreter.h",
        "third_party/flatbuffers/include/flatbuffers/flatbuffers.h",
        "third_party/gemmlowp/fixedpoint/fixedpoint.h",
    ):
        (tmp_path / header).parent.mkdir(parents=True)
        (tmp_path / header).touch()
    (tmp_path / ARCHIVE).write_bytes(b"!<arch>\n" + LOG_SYMBOL.encode())
    return tmp_path


def test_a_generated_tree(root):
    library = open_tflm(root)
    assert library.archive == root / ARCHIVE
    assert library.include_folders == (
        root,
        root / "third_party/flatbuffers/include",
        root / "third_party/gemmlowp",
    )
    assert library.defines == ("TF_LITE_STATIC_MEMORY",)


def test_a_checkout_that_was_built(root):
    downloads = root / "tensorflow/lite/micro/tools/make/downloads"
    downloads.parent.mkdir(parents=True)
    (root / "third_party").rename(downloads)
    built = root / "gen/cortex_m_generic_cortex-m4+fp_default_gcc/lib" / ARCHIVE
    built.parent.mkdir(parents=True)
    (root / ARCHIVE).rename(built)
    library = open_tflm(root)
    assert library.archive == built
    assert downloads / "flatbuffers/include" in library.include_folders


def test_how_it_was_built_shows_in_its_symbols(root):
    (root / ARCHIVE).write_bytes(b"!<arch>\n" + INT8_KERNELS_SYMBOL.encode())
    assert open_tflm(root).defines == ("TF_LITE_STATIC_MEMORY", "CMSIS_NN", "TF_LITE_STRIP_ERROR_STRINGS")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: (root / "tensorflow").rename(root / "elsewhere"), "holds no TFLite Micro"),
        (lambda root: (root / ARCHIVE).unlink(), f"but no {ARCHIVE}"),
        (lambda root: (root / ARCHIVE).write_bytes(b"text"), "is not a library"),
        (lambda root: (root / "third_party").rename(root / "elsewhere"), "lacks the headers of FlatBuffers"),
    ],
)
def test_what_is_wrong_is_named(root, spoil, said):
    spoil(root)
    with pytest.raises(UsageError, match=said):
        open_tflm(root)


def test_two_libraries_are_not_guessed_between(root):
    (root / "lib").mkdir()
    (root / "lib" / ARCHIVE).write_bytes((root / ARCHIVE).read_bytes())
    with pytest.raises(UsageError, match="several libraries"):
        open_tflm(root)


@pytest.fixture
def build(edgekit, tmp_path, network, monkeypatch):
    monkeypatch.delenv("EDGEKIT_TFLM_ROOT", raising=False)
    model = tmp_path / "network.tflite"
    model.write_bytes(network)

    def run(*arguments):
        return edgekit("build", "-w", tmp_path, "-b", "mps2-an386", "-m", model, *arguments)

    return run


def test_without_a_library_the_project_is_there_and_the_exit_code_says_so(build, tmp_path):
    outcome = build("--engine", "tflm")
    assert outcome.exit_code == 5
    assert "--tflm-root or EDGEKIT_TFLM_ROOT" in outcome.err
    project = tmp_path / "out/mps2-an386/project"
    names = ("engine/tflm/ek_tflm.cc", "model/model_ops.h", "model/model_data.c", "port/newlib/sections.ld")
    assert all((project / name).is_file() for name in names)
    assert "TFLM_ROOT" in (project / "Makefile").read_text()
    assert str(tmp_path) not in "".join(path.read_text() for path in project.rglob("*.[ch]"))


def test_the_environment_names_the_folder(build, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKIT_TFLM_ROOT", str(tmp_path / "nowhere"))
    outcome = build("--engine", "tflm")
    assert (outcome.exit_code, "nowhere holds no TFLite Micro" in outcome.err) == (2, True)
    assert build("--engine", "aot", "--toolchain", "gcc").exit_code in {0, 4}  # the other engine ignores it


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--engine", "aot", "--arena", "auto"), "leave --arena out"),
        (("--engine", "tflm", "--arena", "64"), "activations alone take"),
        (("--engine", "tflm", "--arena", "much"), "neither a number of bytes nor 'auto'"),
        (("--engine", "tflm", "--arena", "0"), "Expected `int` >= 1"),
    ],
)
def test_an_arena_that_makes_no_sense(build, arguments, said):
    outcome = build(*arguments)
    assert (outcome.exit_code, said in outcome.err) == (2, True), outcome.err


def test_auto_takes_what_a_verified_device_reported(build, tmp_path, network):
    def arena_bytes():
        build("--engine", "tflm", "--arena", "auto")
        return json.loads((tmp_path / "out/mps2-an386/build.json").read_text())["arena_bytes"]

    outcome = build("--engine", "tflm", "--arena", "auto")
    assert "has reported its arena" in outcome.err + outcome.out
    estimated = arena_bytes()
    import hashlib

    record = {"model_sha256": hashlib.sha256(network).hexdigest(), "arena_used_bytes": 4_000}
    path = tmp_path / "out/mps2-an386" / ARENA_RECORD
    path.write_text(json.dumps(record))
    assert 4_016 <= arena_bytes() < estimated
    path.write_text(json.dumps({**record, "model_sha256": "of another model"}))
    assert arena_bytes() == estimated
