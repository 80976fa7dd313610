"""Board profiles are strict, and every error names the place and the nearest valid name."""

import os
from pathlib import Path

import pytest

from edgekit.boards import board_names, load_board, read_board
from edgekit.errors import UnknownNameError, UsageError
from edgekit.resources import boards_folder

VALID = (boards_folder() / "mps2-an386.toml").read_text()
VIRTUAL = (boards_folder() / "virt-cortex-m4.toml").read_text()
LINUX = (boards_folder() / "rpi4.toml").read_text()


@pytest.fixture
def write_profile(tmp_path):
    def write(text: str, name: str = "mps2-an386") -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", board_names())
def test_every_shipped_profile_is_valid(name):
    assert load_board(name).name == name


def test_unknown_board_names_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no board called 'rpi44'\. Did you mean 'rpi4'\?"):
        load_board("rpi44")


def test_unknown_board_unlike_any_lists_all():
    with pytest.raises(UnknownNameError, match=r"Known: .*host.*mps2-an386"):
        load_board("zzzzzz")


def test_a_user_board_beside_the_project(tmp_path):
    (tmp_path / "mine.toml").write_text(VALID.replace("mps2-an386", "mine", 1))
    assert "mine" in board_names(tmp_path)
    assert load_board("mine", tmp_path).mcu.core == "cortex-m4f"


def test_a_user_board_cannot_take_the_place_of_a_shipped_one(tmp_path):
    mine = tmp_path / "mps2-an386.toml"
    mine.write_text(VALID.replace("25_000_000", "24_000_000"))
    for look in (lambda: board_names(tmp_path), lambda: load_board("mps2-an386", tmp_path)):
        with pytest.raises(UsageError, match=r"a name of its own") as caught:
            look()
        assert str(mine) in str(caught.value)
        assert str(boards_folder() / "mps2-an386.toml") in str(caught.value)
    assert load_board(str(mine)).mcu.clock_hz == 24_000_000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_an_endless_file_is_no_profile(tmp_path):
    pipe, endless = tmp_path / "pipe.toml", tmp_path / "endless.toml"
    os.mkfifo(pipe)
    endless.write_bytes(b" " * (1 << 20) + b"\n")
    with pytest.raises(UsageError, match=r"pipe\.toml is not a file"):
        read_board(pipe)
    with pytest.raises(UsageError, match=r"endless\.toml is larger than 1,048,576 bytes"):
        read_board(endless)


def test_the_shipped_profiles_themselves_may_lie_in_the_workspace(tmp_path):
    (tmp_path / "mps2-an386.toml").write_text(VALID)
    assert board_names(tmp_path) == board_names()
    assert board_names(boards_folder()) == board_names()


def test_a_profile_by_its_file(write_profile):
    assert load_board(str(write_profile(VALID))).name == "mps2-an386"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ram_bytes", "ram_byte", r"no key called 'ram_byte'. Did you mean 'ram_bytes'\? .*mcu.ram_byte"),
        ("[emulator]", "[emulater]", r"Did you mean 'emulator'"),
        ("framework =", "framwork =", r"at 'engines.aot.framwork'"),
        ("cortex-m4f", "cortex-m4ff", r"no core called 'cortex-m4ff'. Did you mean 'cortex-m4f'"),
        ('"baremetal"', '"baremetl"', r"engines"),
        ("4_194_304", '"4 MB"', r"Expected `int.*mcu"),
        ('default_engine = "aot"', 'default_engine = "litert"', r"no \[engines.litert\]"),
        ('name = "mps2-an386"', 'name = "other"', r"name and file must agree"),
        ("[memory]", "[memory", r"not valid TOML"),
        ('["zig", "gcc"]', "[]", r"no toolchain in engines\.aot\.toolchains"),
        ('target = "mps2"', 'target = "../../x"', r"engines\.aot\.target '\.\./\.\./x'"),
        ("25_000_000", "0", r"needs mcu\.clock_hz"),
        ("25_000_000", "5_000_000_000", r"Expected `int` <= 4294967295.*clock_hz"),
        ("0x0000_0000", "0x0000_0040", r"flash_origin 0x40.*multiple of 128"),
        ("0x2000_0000", "0x2000_0004", r"ram_origin.*multiples of 8"),
        ("0x2000_0000", "0x003f_0000", r"overlap: 0x0 to 0x400000 and 0x3f0000 to 0x7f0000"),
        ("0x2000_0000", "0xfff0_0000", r"RAM that ends at 0x100300000, beyond 0xe0000000"),
        ("0x2000_0000", "0x2000_0000\nstack_bytes = 8_000_000", r"8,000,000 bytes of stack in 4,194,304"),
        ('machine = "mps2-an386"', 'machine = "-monitor"', r"emulator\.machine '-monitor'"),
        ('machine = "mps2-an386"', 'machine = "virt,dumpdtb=/x"', r"emulator\.machine 'virt,dumpdtb=/x'"),
        ('machine = "mps2-an386"', "", r"emulator\.machine ''"),
    ],
)
def test_a_wrong_profile_is_named_with_its_place(write_profile, old, new, message):
    assert old in VALID
    path = write_profile(VALID.replace(old, new, 1))
    with pytest.raises(UsageError, match=message) as caught:
        read_board(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0x0000_0000", "0x0000_0100", r"flash_origin 0x100.*multiple of 0x1000"),
        ("0x2000_0000", "0x2000_0800", r"ram_origin 0x20000800.*multiple of 0x1000"),
        ("1_048_576", "3_000_000_000", r"ram_bytes 3,000,000,000.*at most 268,435,456"),
        ("0x2000_0000", "0x3ff8_0000", r"ram where the virtual board has its device, at 0x40000000"),
        ('"baremetal"', '"linux"', r"baremetal engines only"),
    ],
)
def test_unicorn_is_given_only_memories_that_it_can_map(write_profile, old, new, message):
    assert old in VIRTUAL
    with pytest.raises(UsageError, match=message):
        read_board(write_profile(VIRTUAL.replace(old, new, 1), "virt-cortex-m4"))


@pytest.mark.parametrize(
    "machine",
    [
        "/opt/x/evil.sh",
        "evil.sh",
        "./qemu-x",
        "qemu-/x",
        "../qemu-arm",
        "qemu-",
        "qemu-a b",
        "qemu-arm\\n",
        "",
    ],
)
def test_only_programs_of_qemu_run_firmware(write_profile, machine):
    path = write_profile(LINUX.replace('"qemu-aarch64"', f'"{machine}"'), "rpi4")
    with pytest.raises(UsageError, match=r"emulator\.machine '.*a program of QEMU"):
        read_board(path)


@pytest.mark.parametrize("name", ["model", "Model"])
def test_no_board_shares_the_folder_of_the_model(write_profile, name):
    with pytest.raises(UsageError, match="the model's own artefacts"):
        read_board(write_profile(VALID.replace("mps2-an386", name, 1), name))


def test_a_bare_metal_board_needs_its_memory_map(write_profile):
    start, rest = VALID.split("[memory]")
    without = start + rest[rest.index("[engines") :]
    with pytest.raises(UsageError, match=r"needs \[memory\]"):
        read_board(write_profile(without))


def test_a_missing_profile_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read the board profile .*none\.toml: No such file"):
        load_board(str(tmp_path / "none.toml"))
