"""Board profiles are strict, and every error names the place and the nearest valid name."""

from pathlib import Path

import pytest

from edgekit.boards import board_names, load_board, read_board
from edgekit.errors import UnknownNameError, UsageError
from edgekit.resources import boards_folder

VALID = (boards_folder() / "mps2-an386.toml").read_text()


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
        ('default_engine = "aot"', 'default_engine = "tflm"', r"no \[engines.tflm\]"),
        ('name = "mps2-an386"', 'name = "other"', r"name and file must agree"),
        ("[memory]", "[memory", r"not valid TOML"),
    ],
)
def test_a_wrong_profile_is_named_with_its_place(write_profile, old, new, message):
    assert old in VALID
    path = write_profile(VALID.replace(old, new, 1))
    with pytest.raises(UsageError, match=message) as caught:
        read_board(path)
    assert str(path) in str(caught.value)


def test_a_bare_metal_board_needs_its_memory_map(write_profile):
    start, rest = VALID.split("[memory]")
    without = start + rest[rest.index("[engines") :]
    with pytest.raises(UsageError, match=r"needs \[memory\]"):
        read_board(write_profile(without))


def test_a_missing_profile_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read the board profile .*none\.toml: No such file"):
        load_board(str(tmp_path / "none.toml"))
