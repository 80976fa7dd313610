"""Espressif chips: what is written where, and all that is refused before anything is written."""

import json
import struct

import msgspec
import pytest

from edgekit.boards import load_board
from edgekit.errors import DeviceError, DoesNotFitError, ToolchainError, UsageError
from edgekit.flashing.esptool import (
    DIRECT_BOOT_MAGIC,
    check_images,
    flash_with_esptool,
    plan_flash,
    read_partitions,
)
from edgekit.flashing.tool import find_tool

BOARD = load_board("esp32c3")
PORT = "/dev/ttyFAKE0"
FLASH_ID = "esptool v5\nConnected to {chip} on /dev/ttyFAKE0:\nChip type: {chip} (QFN32)\n{size}"


def flash_id(chip: str = "ESP32-C3", size: str = "4MB") -> str:
    return FLASH_ID.format(chip=chip, size=f"Detected flash size: {size}" if size else "")


def partition(label: str, offset: int, size_bytes: int) -> bytes:
    return struct.pack("<HBBII16sI", 0x50AA, 0, 0, offset, size_bytes, label.encode(), 0)


@pytest.fixture
def project(tmp_path):
    """A project that ESP-IDF has built: bootloader, partition table, application of 5,000 bytes."""
    build = tmp_path / "project" / "build"
    (build / "bootloader").mkdir(parents=True)
    (build / "partition_table").mkdir()
    (build / "bootloader" / "bootloader.bin").write_bytes(b"boot" * 100)
    table = partition("nvs", 0x9000, 0x6000) + partition("factory", 0x10000, 0x2000)
    (build / "partition_table" / "partition-table.bin").write_bytes(table.ljust(0xC00, b"\xff"))
    (build / "app.bin").write_bytes(bytes(5000))
    write_listing(build)
    return tmp_path / "project"


def write_listing(build, **changes) -> None:
    listing = {
        "write_flash_args": ["--flash-mode", "dio"],
        "flash_settings": {"flash_mode": "dio", "flash_size": "4MB", "flash_freq": "80m"},
        "flash_files": {
            "0x0": "bootloader/bootloader.bin",
            "0x8000": "partition_table/partition-table.bin",
            "0x10000": "app.bin",
        },
        "extra_esptool_args": {"after": "hard_reset", "before": "default_reset", "stub": True},
        **changes,
    }
    (build / "flasher_args.json").write_text(json.dumps(listing))


@pytest.fixture
def esptool(fake_tool):
    fake = fake_tool("esptool")
    fake.answers("flash-id", flash_id())
    fake.answers("write-flash", "Hash of data verified.")
    return fake


def flash(project, board=BOARD, port=PORT, said=None):
    image = project.parent / "firmware.elf"
    flash_with_esptool(board, "esp_idf", image, project, port, (said if said is not None else []).append)


def test_what_esp_idf_built_is_written_where_it_says(project, esptool):
    said = []
    flash(project, port=f"{PORT}:921600", said=said)
    (call,) = esptool.calls_with("write-flash")
    build = project / "build"
    assert call == [
        *("--chip", "esp32c3", "--port", PORT, "--baud", "460800"),
        *("--before", "default-reset", "--after", "hard-reset", "write-flash", "--no-progress"),
        *("--flash-mode", "dio", "--flash-size", "4MB", "--flash-freq", "80m"),
        *("0x0", str(build / "bootloader" / "bootloader.bin")),
        *("0x8000", str(build / "partition_table" / "partition-table.bin")),
        *("0x10000", str(build / "app.bin")),
    ]
    assert "esp32c3" in said[0]


def test_another_chip_is_refused_by_both_names_and_nothing_is_written(project, esptool):
    esptool.answers("flash-id", flash_id("ESP32-S3"))
    with pytest.raises(DeviceError, match=rf"{PORT} is an esp32s3, but esp32c3 has an esp32c3"):
        flash(project)
    assert not esptool.calls_with("write-flash")


@pytest.mark.parametrize(
    ("output", "hint"),
    [
        ("Could not open X, the port is busy or doesn't exist.\n([Errno 13] Permission denied)", "dialout"),
        ("Could not open X, the port is busy or doesn't exist.\n([Errno 16] Resource busy)", "is busy"),
        (
            "Could not open X, the port is busy or doesn't exist.\n(Could not exclusively lock port)",
            "is busy",
        ),
        ("Could not open X, the port is busy or doesn't exist.\n([Errno 2] No such file)", "is not there"),
        ("Could not open COM7, the port is busy\n(PermissionError(13, 'Access is denied'))", "is busy"),
        ("Failed to connect to ESP32: Wrong boot mode detected (0x13)!", "hold its BOOT button"),
        ("Failed to connect to Espressif device: No serial data received.", "hold its BOOT button"),
        ("Error: No such command 'flash-id'.", "esptool 5"),
    ],
)
def test_what_goes_wrong_before_writing_is_explained(project, esptool, output, hint):
    esptool.answers("flash-id", f"A fatal error occurred: {output}", exit_code=2)
    with pytest.raises(DeviceError, match=r"esptool failed on /dev/ttyFAKE0 \(exit code 2\)") as caught:
        flash(project)
    assert hint in str(caught.value)
    assert output.splitlines()[-1] in str(caught.value)
    assert not esptool.calls_with("write-flash")


def test_an_unplugged_board_is_tried_once_more_slowly_then_told_how_to_go_on(project, esptool):
    lost = "Writing at 0x10000 [=>   ] 12%\nA serial exception error occurred: [Errno 5] Input/output error"
    esptool.answers("write-flash", lost, exit_code=2)
    said = []
    with pytest.raises(DeviceError, match=r"was lost while it was written to.*repeat `edgekit flash`"):
        flash(project, said=said)
    bauds = [call[call.index("--baud") + 1] for call in esptool.calls_with("write-flash")]
    assert bauds == ["460800", "115200"]
    assert any("trying once more at 115200" in line for line in said)


def test_an_adapter_that_is_not_fast_enough_gets_the_slow_rate(project, esptool):
    esptool.fails_once("write-flash", "A fatal error occurred: The chip stopped responding.")
    flash(project)
    assert len(esptool.calls_with("write-flash")) == 2


def test_a_failure_that_no_rate_mends_is_not_tried_again(project, esptool):
    esptool.answers("write-flash", "A fatal error occurred: This chip is ESP32, not ESP32-C3.", exit_code=2)
    with pytest.raises(DeviceError, match="not the board's"):
        flash(project)
    assert len(esptool.calls_with("write-flash")) == 1


def test_a_chip_with_less_flash_than_the_board_is_refused(project, esptool):
    esptool.answers("flash-id", flash_id(size="64KB"))
    with pytest.raises(DoesNotFitError, match=r"the chip at .* needs 70,536 bytes of flash.*has 65,536"):
        flash(project)
    assert not esptool.calls_with("write-flash")


def test_an_image_larger_than_the_boards_flash_is_refused(project, esptool):
    mcu = msgspec.structs.replace(BOARD.mcu, flash_bytes=0x10000 + 4999)
    with pytest.raises(DoesNotFitError, match="1 bytes are missing"):
        flash(project, msgspec.structs.replace(BOARD, mcu=mcu))
    assert not esptool.calls


def test_an_image_larger_than_its_partition_is_refused(project, esptool):
    (project / "build" / "app.bin").write_bytes(bytes(0x2001))
    with pytest.raises(DoesNotFitError, match=r"the partition 'factory' of esp32c3.*1 bytes are missing"):
        flash(project)
    assert not esptool.calls


@pytest.mark.parametrize(
    "changes",
    [
        {"flash_files": {"0x0": "../../secret"}},
        {"flash_files": {"zero": "app.bin"}},
        {"flash_files": {}},
        {"flash_files": ["app.bin"]},
        {"flash_settings": {"flash_mode": "--erase-all"}},
        {"extra_esptool_args": {"after": "--x"}},
    ],
)
def test_a_listing_that_esp_idf_did_not_write_is_refused(project, changes):
    (project.parent / "secret").write_text("x")
    write_listing(project / "build", **changes)
    with pytest.raises(UsageError, match="is not usable"):
        plan_flash(BOARD, "esp_idf", project / "firmware.elf", project)


def test_a_project_that_was_not_built_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"ESP-IDF has not built.*idf\.py build"):
        plan_flash(BOARD, "esp_idf", tmp_path / "firmware.elf", tmp_path)


def test_a_direct_boot_image_goes_to_the_start_of_flash(tmp_path):
    image = tmp_path / "firmware.elf"
    with pytest.raises(UsageError, match="cannot read the raw image"):
        plan_flash(BOARD, "baremetal", image, None)
    image.with_suffix(".bin").write_bytes(DIRECT_BOOT_MAGIC + bytes(1000))
    assert plan_flash(BOARD, "baremetal", image, None).files == {0: image.with_suffix(".bin")}
    image.with_suffix(".bin").write_bytes(bytes(1000))
    with pytest.raises(UsageError, match="magic numbers of direct boot"):
        plan_flash(BOARD, "baremetal", image, None)


def test_a_missing_esptool_is_named_with_the_extra(monkeypatch, project):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolchainError, match=r"pip install 'edgekit\[esp\]'"):
        flash(project)


def test_partitions_are_read_up_to_the_first_entry_that_is_none():
    table = partition("a", 0x9000, 0x1000) + partition("b", 0xA000, 0x2000)
    assert read_partitions(table.ljust(0xC00, b"\xff")) == [("a", 0x9000, 0x1000), ("b", 0xA000, 0x2000)]
    assert read_partitions(b"firmware of another kind" * 9) == []


def test_the_real_esptool_finds_a_damaged_image(tmp_path):
    bin_image = pytest.importorskip("esptool.bin_image", reason="esptool: pip install 'edgekit[esp]'")
    image = bin_image.ESP32C3FirmwareImage()
    image.entrypoint = 0x40380000
    image.segments = [bin_image.ELFSection(b".text", 0x40380000, bytes(range(256)), 0)]
    (tmp_path / "build").mkdir()
    path = tmp_path / "build" / "app.bin"
    image.save(str(path))
    (tmp_path / "build" / "flasher_args.json").write_text(json.dumps({"flash_files": {"0x0": "app.bin"}}))
    plan = plan_flash(BOARD, "esp_idf", tmp_path / "firmware.elf", tmp_path)
    tool = find_tool("esptool", "esp")
    check_images(tool, plan)
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(DeviceError, match="is damaged"):
        check_images(tool, plan)
