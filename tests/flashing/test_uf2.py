"""Boards that show themselves as a drive: which drive, and what a copy that breaks off means."""

import errno
import os
import shutil
import struct
import threading
import time

import msgspec
import numpy as np
import pytest
from graph import tflite_builder
from probe_firmware import require_toolchain
from serial.tools import list_ports

from edgekit import flashing
from edgekit.boards import load_board
from edgekit.errors import DeviceError, DoesNotFitError, UsageError
from edgekit.flashing import uf2
from edgekit.flashing.uf2 import find_drive, flash_with_uf2, mount_points
from edgekit.toolchains.uf2 import ABSOLUTE_FAMILY, FAMILIES, uf2_image

BOARD = load_board("pico")
INFO = "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: {board}\r\n"


@pytest.fixture
def image(tmp_path):
    """A UF2 file of four pieces as they are copied, beside the ELF file that flashing is given."""
    path = tmp_path / "firmware.elf"
    path.with_suffix(".uf2").write_bytes(uf2_image(bytes(28 * 1024), 0x1000_0000, FAMILIES["RP2040"]))
    return path


def drive(folder, board="RPI-RP2"):
    folder.mkdir(parents=True)
    (folder / "INFO_UF2.TXT").write_text(INFO.format(board=board))
    return folder


@pytest.fixture
def restarting(monkeypatch):
    """Boards that take a whole file, keep a copy of it, and take their drive away."""
    monkeypatch.setattr(uf2, "_RESTART_TIMEOUT_S", 5.0)
    taken = {}

    def watch(folder, size_bytes):
        def wait():
            file = folder / "firmware.uf2"
            while not (file.exists() and file.stat().st_size == size_bytes):
                time.sleep(0.01)
            taken[folder] = file.read_bytes()
            shutil.rmtree(folder)

        threading.Thread(target=wait, daemon=True).start()

    watch.taken = taken
    return watch


def test_the_file_is_copied_whole_to_the_boards_drive(tmp_path, image, restarting):
    mine = drive(tmp_path / "media" / "RPI-RP2")
    places = [tmp_path / "none", drive(tmp_path / "media" / "OTHER", "Arduino"), mine]
    content = image.with_suffix(".uf2").read_bytes()
    restarting(mine, len(content))
    said = []
    flash_with_uf2(BOARD, image, None, said.append, places)
    assert restarting.taken[mine] == content
    assert said[-1] == "the board has taken it and restarts"


def test_the_command_builds_and_flashes_a_pico(tmp_path, edgekit, restarting, monkeypatch):
    require_toolchain("zig", BOARD)
    monkeypatch.setattr(flashing, "_PORT_TIMEOUT_S", 0.1)
    monkeypatch.setattr(list_ports, "comports", list)
    filters = np.random.default_rng(0).integers(-127, 128, (8, 3, 3, 3), dtype=np.int8)
    model = tmp_path / "small.tflite"
    model.write_bytes(tflite_builder.convolution("CONV_2D", (1, 8, 8, 3), filters, strides=(2, 2)))
    options = ["-w", tmp_path, "-b", "pico", "-m", model]
    assert edgekit("build", *options).exit_code == 0
    content = (tmp_path / "out" / "pico" / "firmware.uf2").read_bytes()
    mine = drive(tmp_path / "RPI-RP2")
    restarting(mine, len(content))
    outcome = edgekit("flash", *options, "--drive", mine)
    assert outcome.exit_code == 0, outcome.err
    assert restarting.taken[mine] == content
    assert "pico is flashed, but nobody has asked it" in outcome.out


def test_no_drive_says_how_to_get_one(tmp_path, image):
    other = drive(tmp_path / "OTHER", "RP2350")
    with pytest.raises(DeviceError, match=r"no boot drive of pico \(RPI-RP2\).*OTHER is RP2350.*BOOTSEL"):
        flash_with_uf2(BOARD, image, None, print, [tmp_path, other])


def test_two_drives_are_listed_and_one_can_be_named(tmp_path, image, restarting):
    both = [drive(tmp_path / name) for name in ("one", "two")]
    with pytest.raises(UsageError, match=r"2 drives could be pico: .*one, .*two\. Name one with --drive"):
        flash_with_uf2(BOARD, image, None, print, both)
    restarting(both[1], image.with_suffix(".uf2").stat().st_size)
    flash_with_uf2(BOARD, image, both[1], print)
    assert not (both[0] / "firmware.uf2").exists()


def test_a_named_folder_must_be_the_boards_drive(tmp_path, image):
    with pytest.raises(UsageError, match=r"is no boot drive: it has no INFO_UF2\.TXT"):
        flash_with_uf2(BOARD, image, tmp_path, print)
    other = drive(tmp_path / "OTHER", "RP2350")
    with pytest.raises(UsageError, match=r"of the board 'RP2350', but pico is 'RPI-RP2'"):
        flash_with_uf2(BOARD, image, other, print)
    assert not (other / "firmware.uf2").exists()


def lose_drive_at(monkeypatch, folder, piece: int) -> None:
    """The drive vanishes while that piece (from 1) is written through."""
    pieces = iter(range(1, 100))
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        if next(pieces) == piece:
            shutil.rmtree(folder)
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(uf2.os, "fsync", fsync)


def test_a_drive_that_vanishes_mid_copy_is_a_reason_to_try_again(tmp_path, image, monkeypatch):
    mine = drive(tmp_path / "RPI-RP2")
    lose_drive_at(monkeypatch, mine, 2)
    with pytest.raises(DeviceError, match=r"vanished after 32,768 of 57,344 bytes.*repeat `edgekit flash`"):
        flash_with_uf2(BOARD, image, None, print, [mine])


def test_a_drive_that_vanishes_with_the_last_piece_has_taken_it(tmp_path, image, monkeypatch):
    mine = drive(tmp_path / "RPI-RP2")
    lose_drive_at(monkeypatch, mine, 4)
    flash_with_uf2(BOARD, image, None, print, [mine])


def test_a_board_that_does_not_restart_is_told(tmp_path, image, monkeypatch):
    monkeypatch.setattr(uf2, "_RESTART_TIMEOUT_S", 0.1)
    with pytest.raises(DeviceError, match="did not restart"):
        flash_with_uf2(BOARD, image, drive(tmp_path / "RPI-RP2"), print)


def test_a_refused_write_is_told(tmp_path, image, monkeypatch):
    def refuse(descriptor: int) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(uf2.os, "fsync", refuse)
    with pytest.raises(DeviceError, match=r"may not write to .*: Permission denied\. Mount the drive"):
        flash_with_uf2(BOARD, image, drive(tmp_path / "RPI-RP2"), print)


@pytest.mark.parametrize("damage", ["shorter", "odd", "magic", "end", "empty"])
def test_a_damaged_file_is_not_copied(tmp_path, image, damage):
    file = image.with_suffix(".uf2")
    content = file.read_bytes()
    damaged = {
        "shorter": content[:-512],
        "odd": content[:-1],
        "magic": b"X" + content[1:],
        "end": content[:-1] + b"X",
        "empty": b"",
    }[damage]
    file.write_bytes(damaged)
    with pytest.raises(UsageError, match="is damaged"):
        flash_with_uf2(BOARD, image, drive(tmp_path / "RPI-RP2"), print)


def test_a_file_for_another_chip_is_refused(tmp_path, image):
    image.with_suffix(".uf2").write_bytes(uf2_image(bytes(4096), 0x1000_0000, 0xE48BFF59))
    with pytest.raises(UsageError, match=r"family 0xe48bff59, which pico ignores; it takes 0xe48bff56"):
        flash_with_uf2(BOARD, image, drive(tmp_path / "RPI-RP2"), print)


def test_a_file_for_an_rp2350_is_taken_with_the_block_that_its_erratum_asks_for(tmp_path, image, restarting):
    """Header and bytes are picotool's (elf2uf2.cpp, gen_abs_block); RP2350-E10 in the data sheet."""
    content = uf2_image(bytes(5000), 0x1000_0000, FAMILIES["RP2350"])
    assert struct.unpack("<8I", content[:32]) == (
        *(0x0A324655, 0x9E5D5157),
        *(0xA000, 0x10FFFF00, 256, 0, 2, ABSOLUTE_FAMILY),
    )
    assert content[32:292] == b"\xef" * 256 + struct.pack("<I", 0x9957E304)
    numbers = [struct.unpack_from("<2I", content, start + 20) for start in range(512, len(content), 512)]
    assert numbers == [(number, 32) for number in range(32)]
    image.with_suffix(".uf2").write_bytes(content)
    mine = drive(tmp_path / "RP2350", "RP2350")
    restarting(mine, len(content))
    flash_with_uf2(load_board("pico2"), image, mine, print)
    assert restarting.taken[mine] == content
    image.with_suffix(".uf2").write_bytes(content[:-512])
    with pytest.raises(UsageError, match="is damaged"):
        flash_with_uf2(load_board("pico2"), image, drive(tmp_path / "again", "RP2350"), print)


def test_a_drive_that_is_gone_but_still_mounted_has_restarted(tmp_path, image, monkeypatch):
    """Linux keeps the mount of a stick that was pulled out: asking for a file there is an error."""
    mine = drive(tmp_path / "RPI-RP2")
    real = os.stat

    def stat(path, *arguments, **options):
        if str(path).startswith(str(mine)) and (mine / "firmware.uf2") in written:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return real(path, *arguments, **options)

    written = []
    copy = uf2._copy
    monkeypatch.setattr(uf2, "_copy", lambda content, target: (copy(content, target), written.append(target)))
    monkeypatch.setattr(os, "stat", stat)
    flash_with_uf2(BOARD, image, None, print, [mine])


def test_a_file_larger_than_the_flash_is_refused(tmp_path, image):
    mcu = msgspec.structs.replace(BOARD.mcu, flash_bytes=28 * 1024 - 1)
    small = msgspec.structs.replace(BOARD, mcu=mcu)
    with pytest.raises(DoesNotFitError, match="1 bytes are missing"):
        flash_with_uf2(small, image, drive(tmp_path / "RPI-RP2"), print)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*firmware\.uf2"):
        flash_with_uf2(BOARD, tmp_path / "firmware.elf", None, print, [])


def test_drives_are_found_in_the_kernels_list_of_mounts(tmp_path):
    table = tmp_path / "mounts"
    table.write_text(
        f"proc /proc proc rw 0 0\n/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 {tmp_path}/with\\040space vfat rw 0 0\n"
    )
    mine = drive(tmp_path / "with space")
    assert mount_points(table) == [str(mine)]
    assert mount_points(tmp_path / "none") == []
    assert find_drive(BOARD, [mine]) == mine
