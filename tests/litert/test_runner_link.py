"""The runner's side of the link: the shared vectors, and the very answers of the C link."""

import ast
import importlib.util
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from link.fake_device import (
    HERE,
    INPUT_SHAPES,
    OP_BYTES,
    OP_TICKS,
    ProcessTransport,
    build_fake_device,
    op_output,
    outputs,
    random_inputs,
)
from litert.fake_model import IDENTITY, FakeModel, RunnerTransport, fake_link

import edgekit.runner
from edgekit.device import messages
from edgekit.device.device import Device, GeneratedInput
from edgekit.device.generator import generate_bytes as host_bytes
from edgekit.device.link import FrameDecoder as HostDecoder
from edgekit.device.link import Packet, encode_frame
from edgekit.device.messages import ErrorCode, Message
from edgekit.errors import RequestRefusedError
from edgekit.runner import frames, link
from edgekit.runner.generator import generate_bytes

VECTORS: dict[str, list[dict[str, Any]]] = json.loads((HERE / "vectors.json").read_text())


def vectors(kind: str) -> pytest.MarkDecorator:
    names = [str(vector.get("name", number)) for number, vector in enumerate(VECTORS[kind])]
    return pytest.mark.parametrize("vector", VECTORS[kind], ids=names)


# ---- the shared vectors ----


@vectors("frames")
def test_frames(vector: dict[str, Any]):
    body = bytes.fromhex(vector["body"])
    assert frames.encode_frame(vector["type"], vector["number"], body).hex() == vector["frame"]
    (packet,) = frames.FrameDecoder(600).feed(bytes.fromhex(vector["frame"]))
    assert (packet.type, packet.number, packet.body) == (vector["type"], vector["number"], body)


@vectors("streams")
@pytest.mark.parametrize("piece_bytes", [1, 7, 1000])
def test_streams(vector: dict[str, Any], piece_bytes: int):
    stream, decoder = bytes.fromhex(vector["stream"]), frames.FrameDecoder(600)
    found = [
        [packet.type, packet.number, packet.body.hex()]
        for start in range(0, len(stream), piece_bytes)
        for packet in decoder.feed(stream[start : start + piece_bytes])
    ]
    assert found == vector["packets"]


@vectors("generated")
def test_generated_bytes(vector: dict[str, Any]):
    seed, position, size = vector["seed"], vector["position"], len(vector["bytes"]) // 2
    assert generate_bytes(seed, position + size)[position:].hex() == vector["bytes"]
    assert generate_bytes(seed, 27648) == host_bytes(seed, 27648).tobytes()


@vectors("exchanges")
def test_exchanges(vector: dict[str, Any]):
    device = fake_link()
    for step in vector["steps"]:
        types = {side: getattr(messages, step[side]).type for side in ("request", "reply")}
        request = Packet(types["request"], step["number"], bytes.fromhex(step["request_body"]))
        found = HostDecoder().feed(device.receive(encode_frame(request)))
        assert found == [Packet(types["reply"], step["number"], bytes.fromhex(step["reply_body"]))]


# ---- the host's Device on it ----


@pytest.fixture(params=[512, 64], ids=["body512", "body64"])
def device(request: pytest.FixtureRequest) -> Device:
    return Device(RunnerTransport(fake_link(request.param)))


def test_the_host_finds_a_device(device: Device):
    assert device.info().board == "fake-board"
    inputs = random_inputs(3)
    result = device.run(inputs)
    for got, expected in zip(result.outputs, outputs(inputs), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert [profile.size_bytes for profile in device.profile(inputs)] == list(OP_BYTES)
    assert [profile.ticks for profile in device.profile(GeneratedInput(5))] == list(OP_TICKS)
    np.testing.assert_array_equal(device.op_output(3, inputs), op_output(3, inputs))
    assert device.op_output(2, inputs) is None
    device.reset()
    assert device.run(inputs).ticks == sum(OP_TICKS)
    assert device.statistics.retries == 0


def test_a_failing_engine_is_an_error_with_its_status():
    model = FakeModel()
    model.fails = True
    device = Device(RunnerTransport(fake_link(model=model)))
    for call in (
        lambda: device.run_generated(1),
        lambda: device.run(random_inputs(1)),
        lambda: device.profile(GeneratedInput(1)),
        lambda: device.op_output(0, GeneratedInput(1)),
    ):
        with pytest.raises(RequestRefusedError, match="ek_status -3"):
            call()
        with pytest.raises(RequestRefusedError) as caught:
            device.read_outputs()
        assert caught.value.code == ErrorCode.NO_OUTPUT


def test_an_endless_frame_is_not_kept():
    decoder = frames.FrameDecoder(64)
    for _ in range(100):
        assert decoder.feed(b"\x01" * 1000) == []
        assert len(decoder._pending) <= 1000
    late = encode_frame(Packet(3, 1))
    assert [packet.number for packet in decoder.feed(b"\x05tail" + late)] == [1]


# ---- the C link, fed the same bytes ----


@pytest.fixture(scope="module")
def c_device(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    folder = tmp_path_factory.mktemp("c device")
    built: dict[int, Path] = {}

    def build(max_body_bytes: int) -> Path:
        if max_body_bytes not in built:
            built[max_body_bytes] = build_fake_device(folder, max_body_bytes)
        return built[max_body_bytes]

    return build


REQUESTS = [kind for kind in Message.__subclasses__() if kind.type < messages.REPLY]


# What follows a request often, so that runs have inputs and reads have something to read.
FOLLOWING: dict[type[Message], tuple[type[Message], ...]] = {
    messages.Reset: (messages.Hello,),
    messages.GenerateInput: (messages.Invoke, messages.Profile, messages.RunToOp),
    messages.Invoke: (messages.ReadOutput,),
    messages.InvokeGenerated: (messages.ReadOutput,),
    messages.RunToOp: (messages.ReadHeld, messages.ReadOutput),
}


class Program:
    """A random host: mostly sensible requests, some not, some damaged, some under a wrong number."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._number = 0
        self._place = 0
        self._kind: type[Message] = messages.Reset
        self._last = b""

    def stream(self, steps: int) -> bytes:
        return b"".join(self._step() for _ in range(steps))

    def _step(self) -> bytes:
        choice = self._random.random()
        if choice < 0.05:
            return b"\0" + self._random.randbytes(self._random.randrange(120)) + b"\0"
        if choice < 0.10:
            return self._last
        self._kind = self._random.choice(FOLLOWING.get(self._kind, REQUESTS) if choice < 0.7 else REQUESTS)
        body = self._body(self._kind)
        flags = int(self._random.random() < 0.02)
        number = (self._number + 1) & 0xFFFF
        frame = encode_frame(Packet(self._kind.type, number, body, flags))
        if choice > 0.97:
            return encode_frame(Packet(self._kind.type, self._random.randrange(1 << 16), body))
        if choice > 0.94:
            position = self._random.randrange(len(frame))
            return frame[:position] + self._random.randbytes(1) + frame[position + 1 :] + b"\0"
        self._number, self._last = number, frame
        return frame

    def _body(self, kind: type[Message]) -> bytes:
        if kind is messages.WriteInput and self._random.random() < 0.8:
            return self._next_write()
        if kind is messages.Invoke:
            return self._random.choice([0, 1, 1, 1, 3]).to_bytes(4, "little")
        if kind is messages.Echo:
            return self._random.randbytes(self._random.randrange(520))
        if kind is messages.RunToOp and self._random.random() < 0.8:
            return messages.RunToOp(self._small() % 6, self._small()).pack()
        size = kind.layout.size
        if self._random.random() < 0.05:
            size += self._random.randrange(-3, 80)
        return bytes(self._small() for _ in range(max(size, 0)))

    def _small(self) -> int:
        choice = self._random.random()
        most = 1 if choice < 0.55 else 8 if choice < 0.9 else 256
        return self._random.randrange(most)

    def _next_write(self) -> bytes:
        """A piece of the inputs as a host would write them: 60 bytes, then 7."""
        index, offset = divmod(self._place, 1000)
        left = (60, 7)[index] - offset
        size = min(left, self._random.choice([left, left, 1, 20]))
        self._place = (self._place + size) if size < left else (1000 if index == 0 else 0)
        return messages.WriteInput(index, offset, self._random.randbytes(size)).pack()


def answers_of_c(program: Path, stream: bytes) -> bytes:
    transport = ProcessTransport(program)
    answers, _ = transport._process.communicate(stream, timeout=60)
    assert transport._process.returncode == 0
    return answers


@pytest.mark.parametrize("max_body_bytes", [64, 512])
@pytest.mark.parametrize("seed", range(6))
def test_random_programs_are_answered_as_the_c_link_answers(
    c_device: Callable[[int], Path], max_body_bytes: int, seed: int
):
    """Byte for byte, restarts, repetitions, refusals and damaged frames included."""
    stream = Program(seed).stream(600)
    expected = answers_of_c(c_device(max_body_bytes), stream)
    device = fake_link(max_body_bytes)
    rng = random.Random(seed)
    answered, position = b"", 0
    while position < len(stream):
        step = rng.randrange(1, 200)
        answered += device.receive(stream[position : position + step])
        position += step
    assert HostDecoder().feed(answered) == HostDecoder().feed(expected)
    assert answered == expected


def test_the_random_programs_reach_everything():
    """Or their agreement would prove nothing: every request succeeds and every refusal is seen."""
    replies: set[int] = set()
    errors: set[int] = set()
    for seed in range(6):
        answers = fake_link(512).receive(Program(seed).stream(600))
        for packet in HostDecoder().feed(answers):
            if packet.type == messages.ERROR_REPLY:
                errors.add(int.from_bytes(packet.body[:2], "little"))
            else:
                replies.add(packet.type)
    assert replies == {kind.type | messages.REPLY for kind in REQUESTS}
    never = {ErrorCode.MODEL, ErrorCode.STREAMED}  # The runner never streams an input.
    assert errors >= {int(code) for code in ErrorCode if code not in never}


FAULTS = {
    "a repeated request runs again": ("(state.number, state.request_crc32):", "(None, None):"),
    "inputs may be used twice": (
        "        self._state.forget_inputs()\n        self._state.forget_results()\n        return inputs",
        "        return inputs",
    ),
    "outputs survive a write": ("self.outputs = self.held = None", "self.held = None"),
    "a refused greeting ends the session": (
        "            if packet.type == HELLO:\n                return reply",
        "            pass",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_noticed(c_device: Callable[[int], Path], tmp_path: Path, fault: str):
    text, replacement = FAULTS[fault]
    source = Path(link.__file__).read_text()
    assert source.count(text) == 1, "the planted fault no longer fits the source: plant it anew"
    (tmp_path / "faulty.py").write_text(source.replace(text, replacement))
    specification = importlib.util.spec_from_file_location("edgekit.runner.faulty", tmp_path / "faulty.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        specification.loader.exec_module(module)
        fake = FakeModel()
        faulty = module.Link(lambda: fake, IDENTITY, 512)
        stream = Program(0).stream(3000)
        assert faulty.receive(stream) != answers_of_c(c_device(512), stream)
    finally:
        del sys.modules[module.__name__]


# ---- what a board has ----


RUNNER = sorted(Path(edgekit.runner.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("source", RUNNER, ids=lambda path: path.name)
def test_the_runner_is_python_3_9_and_needs_nothing_but_numpy(source: Path):
    tree = ast.parse(source.read_text(), feature_version=(3, 9))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imported.add(node.module.partition(".")[0])
        if isinstance(node, ast.ImportFrom):
            assert node.level in {0, 1}
    assert imported <= {*sys.stdlib_module_names, "numpy"}


def test_input_shapes_are_the_fakes():
    assert tuple(tensor.shape for tensor in FakeModel.inputs) == INPUT_SHAPES
