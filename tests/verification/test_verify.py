"""The verdict: exact only when every byte agrees, and a planted fault is located."""

import dataclasses
import json
import zlib

import numpy as np
import pytest

from edgekit.device.device import LinkStatistics, OpProfile, RunResult
from edgekit.device.messages import DeviceInfo, StatusReply, TensorInfo, TickUnit
from edgekit.errors import DeviceError, ModelError, WrongModelError
from edgekit.golden import NumpyInterpreter, RefusedInterpreter
from edgekit.graph.executor import execute, execute_all
from edgekit.graph.ir import FullyConnected, Graph, Requantization, Reshape, Tensor
from edgekit.reporting import describe_verdict
from edgekit.verification.vectors import concatenate, noise_vectors, picture_vectors, structured_vectors
from edgekit.verification.verify import Expectation, compute_reference, verify

FAKE = Expectation("fake", "in this test")
ONE = Requantization(np.array([1 << 30], np.int32), np.array([-7], np.int32))


def small_graph() -> Graph:
    """(1, 2, 3, 1) → reshape → fully connected 6 → 4 → fully connected 4 → 3."""
    generator = np.random.default_rng(1)
    shapes = {0: (1, 2, 3, 1), 1: (1, 6), 2: (1, 4), 3: (1, 3)}
    tensors = {index: Tensor(index, f"t{index}", shape, 0.5, 0) for index, shape in shapes.items()}

    def dense(index: int, source: int, outputs: int, inputs: int) -> FullyConnected:
        return FullyConnected(
            index=index,
            inputs=(source,),
            output=source + 1,
            filter=generator.integers(-127, 128, (outputs, inputs), dtype=np.int8),
            bias=np.zeros(outputs, np.int32),
            input_zero_point=0,
            filter_zero_point=0,
            output_zero_point=0,
            requantization=ONE,
            activation_min=-128,
            activation_max=127,
        )

    ops = (Reshape(0, (0,), 1), dense(1, 1, 4, 6), dense(2, 2, 3, 4))
    return Graph("small", "ab" * 32, tensors, ops, (0,), (3,))


class Golden(NumpyInterpreter):
    """Stands in for the interpreter that is independent of edgekit."""

    independent = True


class ExecutorDevice:
    """A device that computes with the NumPy executor of ``graph``, which may carry a planted fault."""

    statistics = LinkStatistics()

    def __init__(self, graph: Graph, sha256: str | None = None) -> None:
        self.graph = graph
        self.sha256 = sha256 or graph.sha256
        self.runs = 0

    def info(self) -> DeviceInfo:
        def describe(indices):
            return tuple(
                TensorInfo(t.name, t.shape, t.size_bytes, t.scale, t.zero_point)
                for t in (self.graph.tensors[i] for i in indices)
            )

        return DeviceInfo(
            contract_version=1,
            tick_unit=TickUnit.CYCLES,
            clock_hz=1000,
            op_count=len(self.graph.ops),
            arena_bytes=64,
            model_sha256=self.sha256,
            firmware_version="0",
            board="fake",
            engine="aot",
            model_name="small",
            inputs=describe(self.graph.inputs),
            outputs=describe(self.graph.outputs),
            input_row_bytes=1,
        )

    def status(self):
        return StatusReply(0, 64, 0)

    def run(self, inputs):
        self.runs += 1
        return RunResult(tuple(execute(self.graph, inputs)), 10)

    def profile(self, inputs):
        tensors = execute_all(self.graph, inputs)
        return tuple(
            OpProfile(op.index, zlib.crc32(tensors[op.output].tobytes()), tensors[op.output].size, 1)
            for op in self.graph.ops
        )

    def op_output(self, op_index, inputs):
        return execute_all(self.graph, inputs)[self.graph.ops[op_index].output].ravel()


def with_changed_weight(graph: Graph, op_index: int) -> Graph:
    op = graph.ops[op_index]
    weights = op.filter.copy()
    weights[0, 0] += 40 if weights[0, 0] < 0 else -40
    ops = list(graph.ops)
    ops[op_index] = dataclasses.replace(op, filter=weights)
    return dataclasses.replace(graph, ops=tuple(ops))


@pytest.fixture(scope="module")
def graph():
    return small_graph()


@pytest.fixture(scope="module")
def reference(graph):
    vectors = concatenate([structured_vectors(graph), noise_vectors(graph, 40, seed=3)])
    return compute_reference(graph, Golden(graph), [], vectors)


def test_an_equal_device_is_exact(graph, reference):
    device = ExecutorDevice(graph)
    verdict = verify(device, graph, reference, FAKE)
    assert verdict.exact
    assert verdict.inputs == device.runs == len(reference.vectors)
    assert verdict.differing_inputs == 0
    assert verdict.distinct_outputs > 8
    assert verdict.conclusive
    assert (verdict.layer_check.operators, verdict.layer_check.operators_total) == (3, 3)
    assert verdict.warnings == ()
    assert (verdict.latency.median, verdict.latency.unit, verdict.latency.milliseconds) == (
        10,
        "cycles",
        10.0,
    )


@pytest.mark.parametrize("op_index", [1, 2])
def test_a_fault_is_caught_and_located(graph, reference, op_index):
    verdict = verify(ExecutorDevice(with_changed_weight(graph, op_index)), graph, reference, FAKE)
    assert not verdict.exact
    assert verdict.differing_inputs > 0
    first = verdict.first_difference
    assert first.layer.op_index == op_index
    assert first.layer.opcode == "FULLY_CONNECTED"
    assert first.output.expected != first.output.actual
    assert first.origin == reference.vectors.origins[first.input_index]
    text = "\n".join(describe_verdict(verdict))
    assert "NOT bit-exact" in text
    assert f"operator {op_index} FULLY_CONNECTED" in text


def test_a_fault_that_never_reaches_the_output_is_still_found(graph, reference):
    hidden = ExecutorDevice(with_changed_weight(graph, 1))
    hidden.run = lambda inputs: RunResult(tuple(execute(graph, inputs)), 10)
    verdict = verify(hidden, graph, reference, FAKE)
    assert not verdict.exact
    assert verdict.differing_inputs == 0
    assert verdict.layer_check.first_difference.op_index == 1


def test_another_model_is_refused_before_any_vector(graph, reference):
    device = ExecutorDevice(graph, sha256="cd" * 32)
    with pytest.raises(
        WrongModelError, match="runs model cdcdcdcdcdcd…, but the model to verify is abababababab"
    ):
        verify(device, graph, reference, FAKE)
    assert device.runs == 0


def test_a_device_that_computes_differently_each_time_is_named(graph, reference):
    device = ExecutorDevice(graph)
    wrong_digest = OpProfile(1, 0, 4, 1)
    profile = device.profile
    device.profile = lambda inputs: (profile(inputs)[0], wrong_digest, profile(inputs)[2])
    with pytest.raises(DeviceError, match="does not compute the same twice"):
        verify(device, graph, reference, FAKE)


def test_few_distinct_outputs_are_said(graph):
    vectors = noise_vectors(graph, 40, seed=3)
    constant = dataclasses.replace(vectors, inputs=tuple(np.zeros_like(values) for values in vectors.inputs))
    reference = compute_reference(graph, Golden(graph), [], constant)
    verdict = verify(ExecutorDevice(graph), graph, reference, FAKE)
    assert verdict.distinct_outputs == 1
    assert not verdict.conclusive
    assert "answers the same to all 40 inputs" in verdict.warnings[0]


def test_a_golden_that_disagrees_with_the_executor_stops_everything(graph, reference):
    class Wrong(NumpyInterpreter):
        def run(self, inputs):
            return [output ^ 1 for output in super().run(inputs)]

    with pytest.raises(ModelError, match="disagree on 52 of 52 inputs"):
        compute_reference(graph, Wrong(graph), [], reference.vectors)


def test_comparators_are_counted_and_refusals_kept(graph, reference):
    class OffByTwo(NumpyInterpreter):
        def run(self, inputs):
            outputs = [output.copy() for output in super().run(inputs)]
            outputs[0][0, 0] ^= 2
            return outputs

    refused = RefusedInterpreter("other", "1", "no such operator")
    result = compute_reference(graph, NumpyInterpreter(graph), [OffByTwo(graph), refused], reference.vectors)
    assert (result.comparators[0].differing_inputs, result.comparators[0].max_difference) == (1, 2)
    assert result.comparators[1].refused == "no such operator"


def test_accuracy_counts_device_and_golden(graph):
    pictures = noise_vectors(graph, 30, seed=5).inputs[0]
    expected = execute(graph, [pictures])[0].argmax(axis=1)
    labels = [int(label) for label in expected]
    labels[:10] = [(label + 1) % 3 for label in labels[:10]]
    vectors = concatenate([picture_vectors(pictures, labels), structured_vectors(graph)])
    reference = compute_reference(graph, Golden(graph), [], vectors)
    accuracy = verify(ExecutorDevice(graph), graph, reference, FAKE, ["a", "b", "c"]).accuracy
    assert (accuracy.pictures, accuracy.device_correct, accuracy.golden_correct) == (30, 20, 20)
    assert sum(map(sum, accuracy.confusion)) == 30
    assert sum(accuracy.confusion[index][index] for index in range(3)) == 20


def test_the_verdict_is_json(graph, reference):
    values = json.loads(json.dumps(verify(ExecutorDevice(graph), graph, reference, FAKE).to_json()))
    assert {
        "exact", "inputs", "distinct_outputs", "differing_inputs", "first_difference", "accuracy", "engine",
        "board", "model_sha256", "golden", "comparators",
    } <= values.keys()  # fmt: skip


def test_vectors_are_seeded(graph):
    one, same, other = (noise_vectors(graph, 20, seed).inputs[0] for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_structured_vectors_reach_both_ends(graph):
    values = structured_vectors(graph).inputs[0]
    assert values.min() == -128
    assert values.max() == 127
    assert len({vector.tobytes() for vector in values}) > 8


class LyingDevice(ExecutorDevice):
    """Computes rightly but describes itself wrongly: ``changed`` replaces fields of what it says."""

    def __init__(self, graph, **changed):
        super().__init__(graph)
        self.changed = changed

    def info(self):
        return dataclasses.replace(super().info(), **self.changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"board": "other"}, "says that it is the board 'other', not 'fake'"),
        ({"engine": "tflm"}, "runs the engine 'tflm', not 'aot'"),
        ({"op_count": 2}, "describes its model as"),
        ({"op_count": 4}, "describes its model as"),
        ({"inputs": (TensorInfo("t0", (1, 3, 2, 1), 6, 0.5, 0),)}, "describes its model as"),
        ({"inputs": (TensorInfo("t0", (1, 2, 3, 1), 6, 0.25, 0),)}, "describes its model as"),
        ({"outputs": (TensorInfo("t3", (1, 3), 3, 0.5, 1),)}, "describes its model as"),
    ],
)
def test_a_device_that_is_not_what_it_must_be_is_refused_before_any_vector(
    graph, reference, changed, message
):
    device = LyingDevice(graph, **changed)
    with pytest.raises(DeviceError, match=message):
        verify(device, graph, reference, Expectation("fake", "in this test", "aot"))
    assert device.runs == 0


def test_a_layer_of_another_size_is_refused(graph, reference):
    device = ExecutorDevice(graph)
    profile = device.profile
    device.profile = lambda inputs: tuple(dataclasses.replace(p, size_bytes=1) for p in profile(inputs))
    with pytest.raises(DeviceError, match=r"operator 0 \(RESHAPE\) writes 1 bytes; the model has 6"):
        verify(device, graph, reference, FAKE)


def test_a_device_that_shows_no_layer_is_said_to_show_none(graph, reference):
    device = ExecutorDevice(graph)
    device.profile = lambda inputs: tuple(OpProfile(op.index, 0, 0, 1) for op in graph.ops)
    verdict = verify(device, graph, reference, FAKE)
    assert verdict.layer_check.operators == 0
    assert not verdict.layer_check.complete
    assert "shows no layer's output" in verdict.warnings[0]


def test_accuracy_of_a_wrong_device_is_its_own(graph):
    pictures = noise_vectors(graph, 40, seed=5).inputs[0]
    labels = [int(label) for label in execute(graph, [pictures])[0].argmax(axis=1)]
    reference = compute_reference(graph, Golden(graph), [], picture_vectors(pictures, labels))
    accuracy = verify(ExecutorDevice(with_changed_weight(graph, 2)), graph, reference, FAKE).accuracy
    assert accuracy.golden_correct == 40
    assert accuracy.device_correct < 40


def test_distinct_outputs_are_those_of_the_dullest_output(graph):
    two = dataclasses.replace(graph, outputs=(1, 3))
    vectors = noise_vectors(two, 30, seed=2)
    reference = compute_reference(two, Golden(two), [], vectors)
    dull = with_changed_weight(two, 2)
    silent = dataclasses.replace(dull.ops[2], filter=np.zeros_like(dull.ops[2].filter))
    device = ExecutorDevice(dataclasses.replace(dull, ops=(*dull.ops[:2], silent)))
    assert verify(device, two, reference, FAKE).distinct_outputs == 1


def test_ten_wrong_vectors_are_counted(graph, reference):
    device = ExecutorDevice(graph)
    right = device.run

    def run(inputs):
        result = right(inputs)
        wrong = device.runs <= 10
        return RunResult(tuple(output ^ np.int8(wrong) for output in result.outputs), 10)

    device.run = run
    verdict = verify(device, graph, reference, FAKE)
    assert verdict.differing_inputs == 10
    assert verdict.first_difference.input_index == 0
    assert verdict.first_difference.layer is None


def test_a_golden_that_is_edgekits_own_is_said(graph, reference):
    own = compute_reference(graph, NumpyInterpreter(graph), [], reference.vectors)
    verdict = verify(ExecutorDevice(graph), graph, own, FAKE)
    assert not verdict.golden.independent
    assert "edgekit's own executor" in verdict.warnings[0]
