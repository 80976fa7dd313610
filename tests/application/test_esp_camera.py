"""The camera example of ESP-IDF projects: its files fit together, and its program runs on a fake camera."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from application.test_examples import NAMES, frames_of, picture_graph, project_for, scores_of
from kernels.compiling import compile_program
from probe_firmware import tiny_project

from edgekit.boards import load_board
from edgekit.data.frames import FrameFormat
from edgekit.projects.project import write_project

CAMERA_BOARDS = ("esp32cam", "esp32s3")

# What the example uses of the camera driver and of ESP-IDF, with frames from standard input.
STUBS = {
    "esp_attr.h": "#define EXT_RAM_BSS_ATTR\n",
    "freertos/FreeRTOS.h": "typedef unsigned TickType_t;\n",
    "freertos/task.h": "void vTaskDelay(TickType_t ticks);\n",
    "esp_camera.h": """
#include <stddef.h>
#include <stdint.h>
typedef int esp_err_t;
#define ESP_OK 0
typedef enum { LEDC_TIMER_0 } ledc_timer_t;
typedef enum { LEDC_CHANNEL_0 } ledc_channel_t;
typedef enum { PIXFORMAT_RGB565, PIXFORMAT_YUV422, PIXFORMAT_YUV420, PIXFORMAT_GRAYSCALE } pixformat_t;
typedef enum { FRAMESIZE_QQVGA, FRAMESIZE_QVGA } framesize_t;
typedef enum { CAMERA_GRAB_WHEN_EMPTY, CAMERA_GRAB_LATEST } camera_grab_mode_t;
typedef enum { CAMERA_FB_IN_PSRAM, CAMERA_FB_IN_DRAM } camera_fb_location_t;
typedef struct {
    int pin_pwdn, pin_reset, pin_xclk, pin_sccb_sda, pin_sccb_scl;
    int pin_d7, pin_d6, pin_d5, pin_d4, pin_d3, pin_d2, pin_d1, pin_d0;
    int pin_vsync, pin_href, pin_pclk, xclk_freq_hz;
    ledc_timer_t ledc_timer;
    ledc_channel_t ledc_channel;
    pixformat_t pixel_format;
    framesize_t frame_size;
    int jpeg_quality;
    size_t fb_count;
    camera_fb_location_t fb_location;
    camera_grab_mode_t grab_mode;
} camera_config_t;
typedef struct { uint8_t *buf; size_t len, width, height; pixformat_t format; } camera_fb_t;
esp_err_t esp_camera_init(const camera_config_t *config);
camera_fb_t *esp_camera_fb_get(void);
void esp_camera_fb_return(camera_fb_t *fb);
""",
}
FAKE_CAMERA = """
#include <stdio.h>
#include <stdlib.h>
#include "esp_camera.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
void app_main(void);
static uint8_t data[320 * 240 * 2];
static camera_fb_t frame = {data, 0, 320, 240, PIXFORMAT_RGB565};
static int taken;
esp_err_t esp_camera_init(const camera_config_t *config) {
    frame.format = config->pixel_format;
    frame.len = (size_t)(config->pixel_format == PIXFORMAT_GRAYSCALE ? 320 * 240 : 320 * 240 * 2);
    return config->frame_size == FRAMESIZE_QVGA && config->fb_count == 1 ? ESP_OK : 1;
}
camera_fb_t *esp_camera_fb_get(void) {
    if (taken++ != 0 || fread(data, 1, frame.len, stdin) != frame.len) { exit(taken == 1 ? 0 : 1); }
    return &frame;
}
void esp_camera_fb_return(camera_fb_t *fb) { taken -= fb == &frame; }
void vTaskDelay(TickType_t ticks) { (void)ticks; }
int main(void) { app_main(); return 1; }
"""


def write_stubs(folder: Path, config: str) -> None:
    for name, text in {**STUBS, "sdkconfig.h": config}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("board_name", CAMERA_BOARDS)
def test_the_program_names_what_python_names(tmp_path: Path, board_name: str, channels: int) -> None:
    graph = picture_graph(channels)
    write_project(project_for(board_name, graph), tmp_path / "project")
    target = load_board(board_name).engines["aot"].target.upper()
    in_psram = "#define CONFIG_SPIRAM_ALLOW_BSS_SEG_EXTERNAL_MEMORY 1\n" if channels == 3 else ""
    write_stubs(tmp_path / "stubs", f"#define CONFIG_IDF_TARGET_{target} 1\n{in_psram}")
    (tmp_path / "fake.c").write_text(FAKE_CAMERA)
    main = tmp_path / "project" / "examples" / "camera" / "main"
    sources, folders = listed(main)
    program = compile_program(
        tmp_path / "camera",
        [*sources, tmp_path / "fake.c"],
        ("-Wno-conversion", f"-I{tmp_path / 'stubs'}", *(f"-I{folder}" for folder in folders)),
    )
    frame_format = FrameFormat("gray8" if channels == 1 else "rgb565be", 320, 240)
    frames = frames_of(frame_format)[:4]
    done = subprocess.run([program], input=b"".join(frames), capture_output=True, check=True)
    expected = [top_three(scores_of(graph, frame, frame_format)) for frame in frames]
    assert done.stdout.decode().splitlines() == expected
    assert len(set(expected)) > 1


def top_three(scores: np.ndarray) -> str:
    best = np.argsort(-scores, kind="stable")[:3]
    return ", ".join(f"{NAMES[index]} {(scores[index] + 128) * 100 // 256}" for index in best)


def listed(main: Path) -> tuple[list[Path], list[Path]]:
    """Sources and include folders of the component in ``main``, as its CMakeLists.txt lists them."""
    text = (main / "CMakeLists.txt").read_text()
    (firmware,) = re.findall(r'set\(firmware "(.*)"\)', text)
    paths = [
        main / path.replace("${firmware}", firmware) for path in re.findall(r'^ +"(.*)"$', text, re.MULTILINE)
    ]
    return [path for path in paths if path.suffix], [path for path in paths if not path.suffix]


@pytest.mark.parametrize("board_name", CAMERA_BOARDS)
@pytest.mark.parametrize("engine", ["aot", "tflm"])
def test_files_that_are_named_are_there(tmp_path: Path, board_name: str, engine: str) -> None:
    project = project_for(board_name, picture_graph(), engine)
    write_project(project, tmp_path)
    example = tmp_path / "examples" / "camera"
    sources, folders = listed(example / "main")
    assert all(path.is_file() for path in sources)
    assert all(path.is_dir() for path in folders)
    assert not any({"link", "port"} & set(PurePosixPath(path).parts) for path in sources)
    settings = (example / "sdkconfig.defaults").read_text()
    (partitions,) = re.findall(r'CUSTOM_FILENAME="(.*)"', settings)
    assert (example / partitions).is_file()
    manifest = (example / "main" / "idf_component.yml").read_text()
    assert ("esp-tflite-micro" in manifest) == (engine == "tflm")


@pytest.mark.parametrize("board_name", CAMERA_BOARDS)
def test_manifest_is_valid(tmp_path: Path, board_name: str) -> None:
    manager = pytest.importorskip("idf_component_tools.manager", reason="idf-component-manager is missing")
    write_project(project_for(board_name, picture_graph()), tmp_path)
    manifest = manager.ManifestManager(str(tmp_path / "examples" / "camera" / "main"), "main").validate()
    assert not manifest.validation_errors


@pytest.mark.parametrize("board_name", ["esp32", "esp32c3"])
def test_boards_without_psram_get_no_camera(board_name: str) -> None:
    files = project_for(board_name, picture_graph(), "tflm").files
    assert not any("examples/" in name for name in files)


def test_models_of_other_things_get_no_camera() -> None:
    project = tiny_project(load_board("esp32cam"))
    assert not any("examples/" in name for name in project.files)
    assert b"camera" not in project.files["README.md"].lower().replace(b"esp32-cam", b"")
