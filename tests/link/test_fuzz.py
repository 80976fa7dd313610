"""The C decoder and command loop under sanitizers: random and mutated frames, and planted faults."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from link.fake_device import HERE, compile_c, link_sources

from edgekit.device import messages
from edgekit.device.messages import ErrorCode, Message
from edgekit.resources import firmware_folder

PROGRAMS = 800
FUZZ_SOURCES = (HERE / "fuzz_link.c", HERE / "fake_model.c")


@pytest.fixture(scope="module")
def fuzz_objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The fuzzer without the link, compiled once for the smallest body size."""
    folder = tmp_path_factory.mktemp("fuzz")
    return [compile_c(folder / f"{source.stem}.o", [source], ["-c", *SMALLEST]) for source in FUZZ_SOURCES]


SMALLEST = ("-DEK_LINK_MAX_BODY_BYTES=64",)


def findings(program: Path, seed: int = 1) -> list[str]:
    """What is wrong after a few seconds of seeded random programs; a fuzzer that reaches nothing is, too."""
    done = subprocess.run([program, str(PROGRAMS), str(seed)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return [done.stderr[:2000]]
    seen = dict(re.findall(r"^(\w+ \d+)(?: (\d+))?$", done.stdout, re.MULTILINE))
    replies = [kind.type | messages.REPLY for kind in Message.__subclasses__() if kind.type < messages.REPLY]
    errors = [int(code) for code in ErrorCode if code is not ErrorCode.MODEL] + [15]
    wanted = [f"reply {type_}" for type_ in replies] + [f"error {code}" for code in errors] + ["reset 1"]
    return [f"never seen: {name}" for name in wanted if name not in seen]


@pytest.mark.parametrize("max_body_bytes", [64, 512])
def test_random_programs_find_nothing(tmp_path: Path, max_body_bytes: int):
    flags = [f"-DEK_LINK_MAX_BODY_BYTES={max_body_bytes}"]
    program = compile_c(tmp_path / "fuzz_link", [*FUZZ_SOURCES, *link_sources()], flags)
    for seed in (1, 2, 3):
        assert findings(program, seed) == []


FAULTS = {
    "a frame's CRC is not checked": (
        "ek_frame.c",
        "decoder->crc == EK_CRC32_RESIDUE",
        "1",
    ),
    "a frame's length is not checked": (
        "ek_frame.c",
        "ek_get_u16(decoder->packet + 4) == decoder->size_bytes - EK_FRAME_OVERHEAD_BYTES",
        "ek_get_u16(decoder->packet + 4) < 32768",
    ),
    "a frame may exceed the buffer": (
        "ek_frame.c",
        "decoder->size_bytes == decoder->capacity_bytes",
        "decoder->size_bytes == 65535",
    ),
    "a repeated request runs again": (
        "ek_link.c",
        "if (is_last && link->reply_at != 0 &&",
        "if (link->reset_due > 1 &&",
    ),
    "a request need not be all there": (
        "ek_link.c",
        "in_session && packet_bytes <= link->decoder.room_bytes && number == link->number &&",
        "in_session && packet_bytes > EK_LINK_SHORT_PACKET_BYTES + number - link->number &&",
    ),
    "noise displaces the kept reply": (
        "ek_link.c",
        "makes_way ? EK_LINK_PACKET_BYTES",
        "makes_way || 1 ? 74",
    ),
    "a reply that is gone is sent": (
        "ek_link.c",
        "ek_crc32(0, reply, link->reply_bytes) == EK_CRC32_RESIDUE",
        "reply[0] != link->reset_due",
    ),
    "a request makes no room": ("ek_link.c", "(header_is_there && is_due(link))", "header_is_there > 1"),
    "a write may exceed its input": (
        "ek_link.c",
        "data_bytes == 0 || data_bytes > model->inputs[index].size_bytes - offset",
        "data_bytes == 0",
    ),
    "a row may be written beyond its end": (
        "ek_link.c",
        "size_bytes < room_bytes ? size_bytes : room_bytes",
        "size_bytes < 2 * room_bytes ? size_bytes : room_bytes",
    ),
    "a read may exceed its tensor": (
        "ek_link.c",
        "offset > size_bytes || length > size_bytes - offset ||",
        "size_bytes == 0 ||",
    ),
    "a read may exceed the reply": ("ek_link.c", "|| length > EK_LINK_MAX_BODY_BYTES", ""),
    "outputs may exceed the reply": ("ek_link.c", "size_bytes <= room_bytes", "size_bytes < 65535"),
    "inputs need not be complete": (
        "ek_link.c",
        "return link->next_input == ek_model_get_info()->input_count;",
        "return link->next_input < 255;",
    ),
    "a profile may exceed the reply": (
        "ek_link.c",
        "p.op_count > EK_LINK_MAX_BODY_BYTES / PROFILE_RECORD_BYTES",
        "p.op_count > EK_LINK_MAX_BODY_BYTES",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_noticed(tmp_path: Path, fuzz_objects: list[Path], fault: str):
    name, text, replacement = FAULTS[fault]
    source = (firmware_folder() / "link" / name).read_text()
    assert source.count(text) == 1, "the planted fault no longer fits the source: plant it anew"
    faulty = tmp_path / name
    faulty.write_text(source.replace(text, replacement))
    program = compile_c(tmp_path / "fuzz_link", [*fuzz_objects, *link_sources({name: faulty})], SMALLEST)
    assert findings(program) != []


def test_libfuzzer_finds_nothing(tmp_path: Path):
    clang = shutil.which("clang")
    if clang is None:
        pytest.skip("clang, which brings libFuzzer, is not on this computer")
    probe = tmp_path / "probe.c"
    probe.write_text("int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d[n] * 0; }\n")
    command = [clang, "-fsanitize=fuzzer", str(probe), "-o", str(tmp_path / "probe")]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this clang comes without libFuzzer")
    sources = [*FUZZ_SOURCES, *link_sources()]
    program = compile_c(tmp_path / "fuzzer", sources, ["-fsanitize=fuzzer", "-DEK_LIBFUZZER"], clang)
    done = subprocess.run(
        [program, "-seed=1", "-runs=2000", "-max_len=600"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
