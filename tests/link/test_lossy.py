"""Over a link that loses, damages, repeats and delays bytes, an operation succeeds or says that it
failed. It never gives a wrong result, and the device never runs a request twice."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from link.fake_device import (
    INPUT_SHAPES,
    OP_BYTES,
    OP_TICKS,
    ProcessTransport,
    op_output,
    outputs,
    random_inputs,
)
from link.lossy_transport import Faults, LossyTransport

from edgekit.device.device import Device, GeneratedInput, Timeouts
from edgekit.device.generator import generate_inputs
from edgekit.errors import DeviceError

KINDS = {
    "drops": Faults(drop_byte=0.15, drop_piece=0.1),
    "damages": Faults(damage=0.25),
    "duplicates": Faults(duplicate_byte=0.1, duplicate_piece=0.4),
    "delays": Faults(delay=0.3),
    "text": Faults(text_between=0.5, text_inside=0.2),
    "everything": Faults(0.04, 0.04, 0.05, 0.04, 0.1, 0.08, 0.1, 0.05),
}
STUBBORN = Timeouts(
    answer_s=0.004, attempts=400, start_s=4.0, start_answer_s=0.01, run_s=4.0, longest_wait_s=0.008
)
HASTY = Timeouts(answer_s=0.002, attempts=3, start_s=0.1, start_answer_s=0.005, run_s=0.006)


def lossy_device(
    program: Path, faults: Faults, seed: int, timeouts: Timeouts
) -> tuple[Device, LossyTransport]:
    transport = LossyTransport(ProcessTransport(program), faults, seed)
    return Device(transport, timeouts=timeouts), transport


def check_run(device: Device, seed: int) -> int:
    inputs = random_inputs(seed)
    for got, expected in zip(device.run(inputs).outputs, outputs(inputs), strict=True):
        np.testing.assert_array_equal(got, expected)
    return 1


def check_generated(device: Device, seed: int) -> int:
    expected = b"".join(array.tobytes() for array in outputs(generate_inputs(seed, INPUT_SHAPES)))
    assert device.run_generated(seed).output_crc32 == zlib.crc32(expected)
    return 1


def check_profile(device: Device, seed: int) -> int:
    inputs = generate_inputs(seed, INPUT_SHAPES)
    profiles = device.profile(GeneratedInput(seed))
    expected = [
        (zlib.crc32(op_output(op_index, inputs).tobytes()), OP_BYTES[op_index], OP_TICKS[op_index])
        for op_index in range(5)
    ]
    assert [(profile.output_crc32, profile.size_bytes, profile.ticks) for profile in profiles] == expected
    return 1 if device.max_body_bytes >= 80 else 2


def check_op_output(device: Device, seed: int) -> int:
    inputs = random_inputs(seed)
    np.testing.assert_array_equal(device.op_output(3, inputs), op_output(3, inputs))
    return 1


def check_echo(device: Device, seed: int) -> int:
    device.echo(np.random.default_rng(seed).bytes(device.max_body_bytes))
    return 0


CHECKS = (check_run, check_generated, check_profile, check_op_output, check_echo)


@pytest.mark.parametrize("kind", KINDS)
def test_every_operation_succeeds_and_nothing_runs_twice(fake_device_program: Path, kind: str):
    device, transport = lossy_device(fake_device_program, KINDS[kind], zlib.crc32(kind.encode()), STUBBORN)
    runs = sum(check(device, seed) for seed in range(2) for check in CHECKS)
    assert device.status().stack_used_bytes == runs, "the device counts its runs; each was asked for once"
    assert transport.faults_made > 10
    assert device.statistics.retries + device.statistics.stale_replies + device.statistics.log_lines > 0
    device.close()


@pytest.mark.parametrize("seed", range(6))
def test_a_link_too_bad_gives_errors_and_no_wrong_result(fake_device_program: Path, seed: int):
    """Sessions break off in every place here. Each check compares; an operation may raise DeviceError."""
    device, _ = lossy_device(fake_device_program, Faults(*[0.12] * 8), seed, HASTY)
    succeeded = failed = runs = 0
    for step in range(20):
        try:
            runs += CHECKS[step % len(CHECKS)](device, step)
            succeeded += 1
        except DeviceError:
            failed += 1
    assert failed > 0, "the link was meant to be too bad"
    device.close()
