"""Vendors' SDKs: how each is found, which commands build a project with it, and where the image then lies.

A project is built in ``build/edgekit`` inside its folder, apart from what its user builds there by hand.
:mod:`edgekit.toolchains.sdk_build` runs the commands.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from edgekit.boards import Board, EngineName, FrameworkName, SdkName, ToolchainName
from edgekit.errors import NotCompiledError, ToolchainError, UsageError
from edgekit.firmware_project import Project
from edgekit.toolchains.toolchain import first_line_of

SDK_BUILD_FOLDER = "build/edgekit"

_ENVIRONMENT_TIMEOUT_S = 120.0

Environment = Mapping[str, str]
Command = tuple[str, ...]


@dataclass(frozen=True)
class Installation:
    """An SDK that was found. ``command`` starts its build tool, ``root`` is its folder where it has one.

    ``environment`` is what its tools want to find in their environment, besides ours.
    """

    sdk: SdkName
    version: str
    command: Command
    root: Path | None = None
    environment: Environment = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """What is built: ``project`` in ``folder``, an absolute path; the SDK calls the ``board`` ``name``."""

    project: Project
    folder: Path
    board: Board
    name: str

    @property
    def build_folder(self) -> Path:
        """Where the SDK writes."""
        return self.folder / SDK_BUILD_FOLDER

    @property
    def sketch(self) -> str:
        """The Arduino sketch, relative to the project's folder. Raises UsageError where there is none."""
        sketches = sorted(name for name in self.project.files if name.endswith(".ino"))
        if not sketches:
            raise UsageError(f"{self.folder} holds no Arduino sketch. Build the project again.")
        return sketches[0]


@dataclass(frozen=True)
class Images:
    """What a build made: ELF file, program for flash, UF2 file, relative to where the SDK writes."""

    elf: str
    binary: str | None = None
    uf2: str | None = None


@dataclass(frozen=True)
class Sdk:
    """What edgekit knows of one SDK.

    ``find`` looks for it in an environment, without starting anything; ``prepare`` completes what it
    found, starting programs of the SDK; ``commands`` build a target; ``by_hand`` is what a person types in
    the project's folder for the board that the SDK calls so.
    """

    name: SdkName
    title: str
    framework: FrameworkName
    how_to_get: str
    find: Callable[[Environment], Installation | None]
    prepare: Callable[[Installation], Installation]
    commands: Callable[[Installation, Target], Sequence[Command]]
    images: Callable[[Target], Images]
    by_hand: Callable[[str], str]


def is_sdk(toolchain: ToolchainName) -> bool:
    """Whether ``toolchain`` is an SDK that builds whole projects, not a compiler that edgekit drives."""
    return toolchain in get_args(SdkName)


def find_sdk(name: SdkName, environment: Environment | None = None) -> Installation | None:
    """The SDK called ``name``, or None where it is not installed. Starts no program."""
    return SDKS[name].find(os.environ if environment is None else environment)


def board_sdks(board: Board, engine: EngineName, toolchain: ToolchainName | None = None) -> tuple[Sdk, ...]:
    """The SDKs that build the board's projects, best first; none where edgekit drives a compiler itself.

    ``toolchain`` is the user's choice among them. Raises UsageError for one that cannot build the project.
    """
    listed = board.engines[engine].toolchains
    if not any(map(is_sdk, listed)) and (toolchain is None or not is_sdk(toolchain)):
        return ()
    if toolchain is not None and toolchain not in listed:
        raise UsageError(
            f"{toolchain} does not build a project of {board.name} with engine {engine}; "
            f"{' or '.join(listed)} does. Leave --toolchain out, or choose that."
        )
    wanted = listed if toolchain is None else (toolchain,)
    return tuple(sdk for name in wanted for sdk in SDKS.values() if sdk.name == name)


def first_installed(sdks: Sequence[Sdk]) -> Installation | None:
    """The first of ``sdks`` that is installed, or None."""
    found = (find_sdk(sdk.name) for sdk in sdks)
    return next((installation for installation in found if installation is not None), None)


def not_compiled(sdks: Sequence[Sdk], folder: Path, target: str) -> NotCompiledError:
    """The error that says why the project in ``folder`` was not compiled, and how it can be."""
    names = " or ".join(sdk.title for sdk in sdks)
    return NotCompiledError(
        f"the project is in {folder}, but it was not compiled: {names} is not installed here. "
        f"{sdks[0].how_to_get} Then run this command again, or in that folder: {sdks[0].by_hand(target)}"
    )


def _on_path(program: str, environment: Environment) -> str | None:
    return shutil.which(program, path=environment.get("PATH", ""))


def _folder(variable: str, environment: Environment, holds: str) -> Path | None:
    """The folder that an environment variable names, where it holds the file ``holds``."""
    folder = Path(environment.get(variable) or os.devnull)
    return folder if (folder / holds).is_file() else None


def _numbers(path: Path, *patterns: str) -> str:
    """The version whose parts the ``patterns`` find in a file, joined by dots; "unknown" without them."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "unknown"
    parts = [match[1] for match in (re.search(pattern, text) for pattern in patterns) if match]
    return ".".join(parts) if len(parts) == len(patterns) else "unknown"


def _as_found(installation: Installation) -> Installation:
    return installation


# ---- ESP-IDF ----


def _find_esp_idf(environment: Environment) -> Installation | None:
    """``idf.py`` on PATH (after ``. export.sh``), else the one in IDF_PATH."""
    root = _folder("IDF_PATH", environment, "tools/idf.py")
    on_path = _on_path("idf.py", environment)
    if on_path is not None:
        root = root or Path(on_path).resolve().parent.parent
        return Installation("esp-idf", _esp_idf_version(root), (on_path,), root)
    if root is None:
        return None
    return Installation("esp-idf", _esp_idf_version(root), (), root)


def _esp_idf_version(root: Path) -> str:
    parts = (rf"set\(IDF_VERSION_{part} (\d+)\)" for part in ("MAJOR", "MINOR", "PATCH"))
    return _numbers(root / "tools" / "cmake" / "version.cmake", *parts)


def _prepare_esp_idf(installation: Installation) -> Installation:
    """Asks IDF_PATH's own tool for the environment of its tools, where no export.sh did."""
    if installation.command or installation.root is None:
        return installation
    tools = installation.root / "tools"
    command = (sys.executable, str(tools / "idf_tools.py"), "export", "--format", "key-value")
    try:
        completed = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ENVIRONMENT_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip()
        raise ToolchainError(
            f"ESP-IDF in {installation.root} has no tools that are ready for use ({said}). Run its "
            "install.sh, then `. export.sh`, and this command again."
        ) from error
    pairs = (line.partition("=") for line in completed.stdout.splitlines() if "=" in line)
    environment = {key.strip(): _with_our_path(value.strip()) for key, _, value in pairs}
    python = Path(environment.get("IDF_PYTHON_ENV_PATH", "")) / (
        "Scripts/python.exe" if os.name == "nt" else "bin/python"
    )
    interpreter = str(python) if python.is_file() else sys.executable
    return Installation(
        installation.sdk,
        installation.version,
        (interpreter, str(tools / "idf.py")),
        installation.root,
        environment,
    )


def _with_our_path(value: str) -> str:
    for ours in ("$PATH", "%PATH%"):
        value = value.replace(ours, os.environ.get("PATH", ""))
    return value


def _esp_idf_commands(installation: Installation, target: Target) -> Sequence[Command]:
    # Settings are made anew from the defaults: an older sdkconfig would outvote them.
    sdkconfig = f"{SDK_BUILD_FOLDER}/sdkconfig"
    (target.folder / sdkconfig).unlink(missing_ok=True)
    options = ("-B", SDK_BUILD_FOLDER, "-D", f"SDKCONFIG={sdkconfig}")
    idf = (*installation.command, *options)
    return ((*idf, "reconfigure"), (*idf, "build"))


# ---- Raspberry Pi Pico SDK ----


def _find_pico_sdk(environment: Environment) -> Installation | None:
    root = _folder("PICO_SDK_PATH", environment, "pico_sdk_init.cmake")
    cmake = _on_path("cmake", environment)
    if root is None or cmake is None or _on_path("arm-none-eabi-gcc", environment) is None:
        return None
    parts = (rf"PICO_SDK_VERSION_{part} (\d+)" for part in ("MAJOR", "MINOR", "REVISION"))
    version = _numbers(root / "pico_sdk_version.cmake", *parts)
    return Installation("pico-sdk", version, (cmake,), root)


def _pico_sdk_commands(installation: Installation, target: Target) -> Sequence[Command]:
    cmake = installation.command
    # Without picotool the SDK would fetch and compile it; edgekit writes UF2 files itself.
    without = "OFF" if _on_path("picotool", os.environ) else "ON"
    options = (f"-DPICO_BOARD={target.name}", "-DCMAKE_BUILD_TYPE=Release", f"-DPICO_NO_PICOTOOL={without}")
    return (
        (*cmake, "-S", ".", "-B", SDK_BUILD_FOLDER, *options),
        (*cmake, "--build", SDK_BUILD_FOLDER, "--parallel"),
    )


# ---- Zephyr ----


def _find_west(environment: Environment) -> Installation | None:
    west = _on_path("west", environment)
    root = _folder("ZEPHYR_BASE", environment, "VERSION")
    if west is None or root is None:
        return None
    parts = (rf"{part}\s*=\s*(\d+)" for part in ("VERSION_MAJOR", "VERSION_MINOR", "PATCHLEVEL"))
    return Installation("west", _numbers(root / "VERSION", *parts), (west,), root)


def _west_commands(installation: Installation, target: Target) -> Sequence[Command]:
    return ((*installation.command, "build", "-p", "auto", "-b", target.name, "-d", SDK_BUILD_FOLDER, "."),)


# ---- Arduino ----


def _find_arduino_cli(environment: Environment) -> Installation | None:
    program = _on_path("arduino-cli", environment)
    return None if program is None else Installation("arduino-cli", "", (program,))


def _prepare_arduino(installation: Installation) -> Installation:
    argument = "version" if installation.sdk == "arduino-cli" else "-version"
    version = first_line_of((*installation.command, argument))
    return Installation(installation.sdk, version, installation.command)


def _arduino_cli_commands(installation: Installation, target: Target) -> Sequence[Command]:
    """The profile in the sketch's sketch.yaml, named after the board, pins platform and libraries."""
    options = ("--profile", target.board.name, "--build-path", str(target.build_folder))
    return ((*installation.command, "compile", *options, str(Path(target.sketch).parent)),)


# Where Debian has the AVR core, and what arduino-builder itself needs (arduino-core-avr, arduino-builder).
_ARDUINO_HARDWARE = ("/usr/share/arduino/hardware", "/usr/share/arduino-builder")
# avr-libc's float.h has no such name for the C++ of the AVR core's compiler flags; the compiler has.
_ARDUINO_DEFINE = "-DDECIMAL_DIG=__DECIMAL_DIG__"


def _find_arduino_builder(environment: Environment) -> Installation | None:
    program = _on_path("arduino-builder", environment)
    if program is None or not all(Path(folder).is_dir() for folder in _ARDUINO_HARDWARE):
        return None
    return Installation("arduino-builder", "", (program,))


def _arduino_builder_commands(installation: Installation, target: Target) -> Sequence[Command]:
    hardware = (option for folder in _ARDUINO_HARDWARE for option in ("-hardware", folder))
    flags = (f"-prefs=compiler.{language}.extra_flags={_ARDUINO_DEFINE}" for language in ("c", "cpp"))
    return (
        (
            *installation.command,
            "-compile",
            *hardware,
            *("-tools", "/usr/bin"),
            *("-fqbn", target.name),
            *("-build-path", str(target.build_folder)),
            *flags,
            target.sketch,
        ),
    )


def _arduino_images(target: Target) -> Images:
    name = Path(target.sketch).name
    made = [f"{name}.{suffix}" for suffix in ("bin", "hex")]
    binary = next((file for file in made if (target.build_folder / file).is_file()), None)
    return Images(f"{name}.elf", binary, f"{name}.uf2")


SDKS: Mapping[SdkName, Sdk] = {
    sdk.name: sdk
    for sdk in (
        Sdk(
            "esp-idf",
            "ESP-IDF",
            "esp_idf",
            "Install ESP-IDF 5.3 or later (ESP-IDF Programming Guide, Get Started: "
            "https://docs.espressif.com/projects/esp-idf) and run `. export.sh` in its folder.",
            _find_esp_idf,
            _prepare_esp_idf,
            _esp_idf_commands,
            # The application; flasher_args.json beside it tells of bootloader and partition table, too.
            lambda _: Images("firmware.elf", "firmware.bin"),
            lambda _: "idf.py build",
        ),
        Sdk(
            "arduino-cli",
            "arduino-cli",
            "arduino",
            "Install arduino-cli (https://arduino.github.io/arduino-cli/latest/installation); it fetches the "
            "board's platform and the libraries that the sketch names.",
            _find_arduino_cli,
            _prepare_arduino,
            _arduino_cli_commands,
            _arduino_images,
            lambda _: "arduino-cli compile and the sketch's folder, as its README.md says",
        ),
        Sdk(
            "arduino-builder",
            "arduino-builder with the AVR core",
            "arduino",
            "Install both (Debian, Ubuntu: `apt install arduino-builder arduino-core-avr`).",
            _find_arduino_builder,
            _prepare_arduino,
            _arduino_builder_commands,
            _arduino_images,
            lambda _: "arduino-builder, as its README.md says",
        ),
        Sdk(
            "pico-sdk",
            "the Pico SDK",
            "pico_sdk",
            "Clone https://github.com/raspberrypi/pico-sdk with its submodules, set PICO_SDK_PATH to it, and "
            "install CMake and the Arm compiler (Debian, Ubuntu: `apt install cmake gcc-arm-none-eabi "
            "libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib`).",
            _find_pico_sdk,
            _as_found,
            _pico_sdk_commands,
            lambda _: Images("firmware.elf", "firmware.bin", "firmware.uf2"),
            lambda board: f"cmake -S . -B build -DPICO_BOARD={board} && cmake --build build",
        ),
        Sdk(
            "west",
            "Zephyr",
            "zephyr",
            "Install west (`pip install west`) and the Zephyr SDK, fetch Zephyr with west "
            "(https://docs.zephyrproject.org/latest/develop/getting_started), and set ZEPHYR_BASE to it.",
            _find_west,
            _as_found,
            _west_commands,
            lambda _: Images("zephyr/zephyr.elf", "zephyr/zephyr.bin", "zephyr/zephyr.uf2"),
            lambda board: f"west build -b {board}",
        ),
    )
}
