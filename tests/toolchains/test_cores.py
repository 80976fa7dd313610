"""What a core is said to do is what its compiler flags switch on."""

import shutil
import subprocess
from typing import get_args

import pytest

from edgekit.toolchains.cores import CORES, CoreFeature
from edgekit.toolchains.flags import link_flags, machine_flags
from edgekit.toolchains.zig import find_zig

# The macro by which the compiler says that it has the instructions.
MACROS = {
    "armv6": "__ARM_ARCH_6KZ__",
    "armv6m": "__ARM_ARCH_6M__",
    "armv7m": "__ARM_ARCH_7M__",
    "dsp": "__ARM_FEATURE_DSP",
    "mve": "__ARM_FEATURE_MVE",
    "aarch64": "__aarch64__",
    "neon": "__ARM_NEON",
    "dotprod": "__ARM_FEATURE_DOTPROD",
    "rv32": "__riscv_mul",
    "xtensa": "__XTENSA__",
}
# Without "native", whose flags are those of the computer that compiles, and cores for SDKs only.
PAIRS = [
    (core.name, toolchain)
    for core in CORES.values()
    for toolchain, known in (("zig", core.zig_target), ("gcc", core.gcc))
    if known is not None and core.name != "native"
]


def test_every_feature_has_its_macro():
    assert set(MACROS) == set(get_args(CoreFeature))


@pytest.mark.parametrize(("name", "toolchain"), PAIRS)
def test_features_are_those_of_the_compiler(name, toolchain):
    core = CORES[name]
    found = find_zig() if toolchain == "zig" else shutil.which(core.gcc)
    if found is None:
        pytest.skip(f"{toolchain} for {name} is not installed")
    compiler = [found, "cc"] if toolchain == "zig" else [found]
    command = [*compiler, *machine_flags(toolchain, core), "-dM", "-E", "-x", "c", "/dev/null"]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    defined = {line.split()[1] for line in text.splitlines()}
    if "__ARM_NEON" in defined:
        defined.discard("__ARM_FEATURE_DSP")  # "dsp" means Cortex-M; here NEON is what counts
    assert {feature for feature, macro in MACROS.items() if macro in defined} == core.features


def test_zig_compiles_its_c_library_once_for_all_64_bit_cores():
    """It takes a minute each."""
    cores = [core for core in CORES.values() if "aarch64" in core.features]
    assert len({link_flags("zig", core, "size", None) for core in cores}) == 1
    cortex_a7, arm1176 = (link_flags("zig", CORES[name], "size", None) for name in ("cortex-a7", "arm1176"))
    assert cortex_a7 == arm1176
