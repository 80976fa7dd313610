"""Who may differ, how far, and that a fault is never excused by it."""

import dataclasses
import json

import numpy as np
import pytest
from litert.models import rounding_model
from verification.test_verify import ExecutorDevice

from edgekit.device.device import RunResult
from edgekit.errors import EXIT_DIFFERS, EXIT_TOLERATED, DeviceError
from edgekit.golden import open_golden
from edgekit.graph.executor import execute
from edgekit.graph.litert import with_single_rounding
from edgekit.graph.tflite import read_tflite
from edgekit.reporting import describe_verdict
from edgekit.verification.judgement import Tolerance, agreement, judge_by_tolerance
from edgekit.verification.vectors import concatenate, noise_vectors, structured_vectors
from edgekit.verification.verify import Expectation, compute_reference, verify

HERE = Expectation("fake", "in this test")


class LitertDevice(ExecutorDevice):
    """Computes like LiteRT's reference kernels; ``spoil`` changes one byte of every output."""

    def __init__(self, graph, engine: str, spoil: int = 0) -> None:
        super().__init__(with_single_rounding(graph))
        self.engine, self.spoil = engine, spoil

    def info(self):
        return dataclasses.replace(super().info(), engine=self.engine)

    def run(self, inputs):
        (output,) = super().run(inputs).outputs
        output = output.copy()
        output[0, 0] ^= self.spoil
        return RunResult((output,), 10)


@pytest.fixture(scope="module")
def graph():
    return read_tflite(rounding_model(), "net")


@pytest.fixture(scope="module")
def reference(graph):
    vectors = concatenate([structured_vectors(graph), noise_vectors(graph, 40, seed=3)])
    return compute_reference(graph, open_golden(rounding_model(), graph), [], vectors)


def test_the_known_rounding_is_accepted_and_named(graph, reference):
    verdict = verify(LitertDevice(graph, "litert reference x 1"), graph, reference, HERE)
    assert (verdict.exact, verdict.outcome, verdict.exit_code) == (False, "tolerated", EXIT_TOLERATED)
    assert verdict.judgement.rule == "rounding"
    assert verdict.judgement.agreement.max_difference == 1
    first, sentence, figures, *_ = describe_verdict(verdict)
    assert first.startswith("accepted, though not bit-exact: fake")
    assert "FULLY_CONNECTED rounded once instead of twice" in sentence
    assert "of the bytes differ" in figures
    assert json.loads(json.dumps(verdict.to_json()))["outcome"] == "tolerated"


def test_one_wrong_byte_is_not_excused_by_rounding(graph, reference):
    verdict = verify(LitertDevice(graph, "litert reference x 1", spoil=1), graph, reference, HERE)
    assert (verdict.outcome, verdict.exit_code) == ("differs", EXIT_DIFFERS)
    assert "does not explain" in describe_verdict(verdict)[1]


@pytest.mark.parametrize("engine", ["aot", "tflm", "litertx reference"])
def test_other_engines_may_not_round_otherwise(graph, reference, engine):
    verdict = verify(LitertDevice(graph, engine), graph, reference, HERE)
    assert (verdict.outcome, verdict.judgement) == ("differs", None)
    assert describe_verdict(verdict)[0].startswith("NOT bit-exact")


def test_fast_kernels_within_tolerance_and_beyond(graph, reference):
    device = LitertDevice(graph, "litert fast x 1", spoil=1)
    verdict = verify(device, graph, reference, HERE)
    assert (verdict.outcome, verdict.judgement.rule) == ("tolerated", "tolerance")
    verdict = verify(device, graph, reference, HERE, tolerance=Tolerance(mean_difference=0.0))
    assert (verdict.outcome, verdict.exit_code) == ("differs", EXIT_DIFFERS)
    assert "bytes may differ by 0 on average" in describe_verdict(verdict)[1]


def test_fast_kernels_that_happen_to_be_exact_are_called_so(graph, reference):
    device = ExecutorDevice(graph)
    described = dataclasses.replace(device.info(), engine="litert fast x 1")
    device.info = lambda: described
    verdict = verify(device, graph, reference, HERE)
    assert (verdict.outcome, verdict.exit_code, verdict.judgement) == ("exact", 0, None)


def test_a_device_with_other_kernels_is_refused(graph, reference):
    device = LitertDevice(graph, "litert fast x 1")
    expected = dataclasses.replace(HERE, engine="litert", kernels="reference")
    with pytest.raises(DeviceError, match="not reference kernels"):
        verify(device, graph, reference, expected)


def test_agreement_is_over_all_bytes_and_top1_over_inputs():
    expected = [np.array([[1, 2, 3], [9, 0, 0]], np.int8), np.array([[5], [-128]], np.int8)]
    actual = [np.array([[1, 4, 3], [9, 0, 0]], np.int8), np.array([[5], [127]], np.int8)]
    found = agreement(expected, actual)
    assert (found.max_difference, found.top1_agreement) == (255, 0.5)
    assert (found.mean_difference, found.differing_share) == (257 / 8, 2 / 8)


@pytest.mark.parametrize(
    ("tolerance", "accepted"),
    [(Tolerance(1.0, 0.5), True), (Tolerance(0.9, 0.5), False), (Tolerance(1.0, 0.51), False)],
)
def test_both_bounds_count(tolerance, accepted):
    expected, actual = np.array([[0, 1], [0, 1]], np.int8), np.array([[0, 1], [3, 0]], np.int8)
    assert judge_by_tolerance(agreement([expected], [actual]), tolerance).accepted == accepted


def test_single_rounding_changes_fully_connected_only(graph):
    inputs = noise_vectors(graph, 200, seed=1).inputs
    golden, rounded = execute(graph, inputs)[0], execute(with_single_rounding(graph), inputs)[0]
    differences = np.abs(golden.astype(int) - rounded)
    assert 0 < (differences > 0).mean() < 0.01
    assert differences.max() == 1
