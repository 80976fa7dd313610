"""The Python Device and the C link, talking over a pipe that loses nothing."""

import dataclasses
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from link.fake_device import (
    FIRMWARE_VERSION,
    INPUT_SHAPES,
    OP_BYTES,
    OP_TICKS,
    OUTPUT_SHAPES,
    RUN_TICKS,
    ProcessTransport,
    op_output,
    outputs,
    random_inputs,
)

from edgekit.device import messages
from edgekit.device.device import Device, GeneratedInput, Timeouts
from edgekit.device.generator import generate_inputs
from edgekit.device.link import FrameDecoder, Packet, encode_frame
from edgekit.device.messages import ErrorCode, TickUnit
from edgekit.errors import DeviceError, NoAnswerError, RequestRefusedError, UsageError

OpenDevice = Callable[..., Device]
PATIENT = Timeouts(answer_s=5.0, start_answer_s=5.0)


def runs_so_far(device: Device) -> int:
    return device.status().stack_used_bytes


def test_info_describes_board_and_model(device: Device):
    info = device.info()
    assert (info.board, info.engine, info.model_name) == ("fake-board", "aot", "fake")
    assert info.firmware_version == FIRMWARE_VERSION
    assert info.model_sha256 == bytes(range(32)).hex()
    assert (info.op_count, info.arena_bytes, info.clock_hz) == (5, 64, 16_000_000)
    assert info.tick_unit is TickUnit.CYCLES
    assert info.seconds(16_000_000) == pytest.approx(1.0)
    assert [tensor.shape for tensor in info.inputs] == list(INPUT_SHAPES)
    assert [tensor.shape for tensor in info.outputs] == list(OUTPUT_SHAPES)
    assert info.outputs[1].scale == np.float32(0.1)
    assert [tensor.zero_point for tensor in (*info.inputs, *info.outputs)] == [0, -128, -128, 3]


def test_status(device: Device):
    status = device.status()
    assert (status.model_status, status.arena_used_bytes, status.stack_used_bytes) == (0, 48, 0)


def test_run_computes_what_the_model_computes(device: Device):
    for seed in range(3):
        inputs = random_inputs(seed)
        result = device.run(inputs)
        assert result.ticks == RUN_TICKS
        for got, expected in zip(result.outputs, outputs(inputs), strict=True):
            np.testing.assert_array_equal(got, expected)
    assert runs_so_far(device) == 3


def test_run_generated_uses_the_same_inputs_as_the_host(device: Device):
    for seed in (0, 1, 0xFFFFFFFF):
        expected = outputs(generate_inputs(seed, INPUT_SHAPES))
        result = device.run_generated(seed)
        assert result.output_crc32 == zlib.crc32(b"".join(array.tobytes() for array in expected))
        assert result.ticks == RUN_TICKS
        got = device.read_outputs() if result.outputs is None else result.outputs
        for got_array, expected_array in zip(got, expected, strict=True):
            np.testing.assert_array_equal(got_array, expected_array)
    assert (result.outputs is None) == (device.max_body_bytes < 12 + 310)


@pytest.mark.parametrize("generated", [False, True])
@pytest.mark.parametrize("mode", [(), ("in-halves",)])
def test_profile_digests_each_operator_and_times_it_without_the_digest(
    open_device: OpenDevice, generated: bool, mode: tuple[str, ...]
):
    device = open_device(*mode)
    inputs = generate_inputs(5, INPUT_SHAPES)
    profiles = device.profile(GeneratedInput(5) if generated else inputs)
    assert [profile.op_index for profile in profiles] == [0, 1, 2, 3, 4]
    assert [profile.size_bytes for profile in profiles] == list(OP_BYTES)
    assert [profile.ticks for profile in profiles] == list(OP_TICKS)
    digests = [zlib.crc32(op_output(op_index, inputs).tobytes()) for op_index in range(5)]
    assert [profile.output_crc32 for profile in profiles] == digests


@pytest.mark.parametrize("op_index", range(5))
@pytest.mark.parametrize("mode", [(), ("in-halves",)])
def test_op_output(open_device: OpenDevice, op_index: int, mode: tuple[str, ...]):
    device = open_device(*mode)
    inputs = random_inputs(11)
    got = device.op_output(op_index, inputs)
    if OP_BYTES[op_index] == 0:
        assert got is None
    else:
        np.testing.assert_array_equal(got, op_output(op_index, inputs))


def test_invoke_many_counts_ticks_and_forbids_reading_outputs(device: Device):
    device.write_inputs(random_inputs(1))
    assert device.invoke(count=1000).ticks == 1000 * RUN_TICKS
    assert runs_so_far(device) == 1000
    with pytest.raises(RequestRefusedError) as caught:
        device.read_outputs()
    assert caught.value.code == ErrorCode.NO_OUTPUT


def streamed_outputs(image: np.ndarray) -> tuple[np.ndarray, ...]:
    return outputs((image, np.zeros(INPUT_SHAPES[1], np.int8)))


def test_a_streamed_input_is_used_up_row_by_row(open_device: OpenDevice):
    device = open_device("streamed")
    info = device.info()
    assert (info.input_streamed, info.input_row_bytes, len(info.inputs)) == (True, 15, 1)
    for seed in range(3):
        image, _ = random_inputs(seed)
        result = device.run([image])
        assert result.ticks == RUN_TICKS
        for got, expected in zip(result.outputs, streamed_outputs(image), strict=True):
            np.testing.assert_array_equal(got, expected)
    assert runs_so_far(device) == 3


@pytest.mark.parametrize("piece_bytes", [1, 7, 15, 16, 44, 59])
def test_a_streamed_input_is_written_in_any_pieces_and_begun_anew(open_device: OpenDevice, piece_bytes: int):
    device = open_device("streamed")
    image, data = random_inputs(1)[0], random_inputs(1)[0].tobytes()
    for end in (40, 60):  # the first one is given up
        for offset in range(0, end, piece_bytes):
            piece = data[offset : min(offset + piece_bytes, end)]
            device._ask(messages.WriteInput(0, offset, piece), messages.WriteInputReply)
    assert device.invoke().ticks == RUN_TICKS
    np.testing.assert_array_equal(device.read_outputs()[1], streamed_outputs(image)[1])


def test_layers_of_a_streamed_input_are_seen_on_generated_inputs_only(open_device: OpenDevice):
    device = open_device("streamed")
    (image,) = generate_inputs(5, INPUT_SHAPES[:1])
    inputs = (image, np.zeros(INPUT_SHAPES[1], np.int8))
    for written in (device.profile, lambda inputs: device.op_output(0, inputs)):
        with pytest.raises(UsageError, match="takes its input row by row"):
            written([image])
    profiles = device.profile(GeneratedInput(5))
    assert [profile.ticks for profile in profiles] == list(OP_TICKS)
    digests = [zlib.crc32(op_output(op_index, inputs).tobytes()) for op_index in range(5)]
    assert [profile.output_crc32 for profile in profiles] == digests
    for op_index in (0, 1, 3, 4):
        np.testing.assert_array_equal(
            device.op_output(op_index, GeneratedInput(5)), op_output(op_index, inputs)
        )
    assert device.run_generated(5).ticks == RUN_TICKS
    np.testing.assert_array_equal(device.read_outputs()[0], outputs(inputs)[0])


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (messages.Invoke(2), messages.InvokeReply),
        (messages.Profile(0, 1), messages.ProfileReply),
        (messages.RunToOp(0, 0), messages.RunToOpReply),
    ],
)
def test_what_would_need_the_rows_of_a_streamed_input_again_is_refused(
    open_device: OpenDevice, request_: messages.Message, reply: type[messages.Message]
):
    device = open_device("streamed")
    image, _ = random_inputs(2)
    device.write_inputs([image])
    with pytest.raises(RequestRefusedError, match="a single plain run") as caught:
        device._ask(request_, reply)
    assert caught.value.code == ErrorCode.STREAMED
    device.invoke()  # The inputs are still there.
    np.testing.assert_array_equal(device.read_outputs()[0], streamed_outputs(image)[0])


@pytest.mark.parametrize("mode", ["init-fails", "invoke-fails"])
def test_a_streamed_model_that_fails(open_device: OpenDevice, mode: str):
    device = open_device("streamed", mode)
    status = {"init-fails": 2, "invoke-fails": 3}[mode]
    image, _ = random_inputs(2)
    for call in (
        lambda: device.run([image]),
        lambda: device.run_generated(1),
        lambda: device.profile(GeneratedInput(1)),
    ):
        with pytest.raises(RequestRefusedError, match=f"ek_status -{status}"):
            call()
        with pytest.raises(RequestRefusedError) as caught:
            device.invoke()
        assert caught.value.code == ErrorCode.NO_INPUT


def test_echo(device: Device):
    for size in (0, 1, 63, device.max_body_bytes):
        data = bytes(value % 256 for value in range(size))
        assert device.echo(data) == data
    zeros = bytes(device.max_body_bytes)
    assert device.echo(zeros) == zeros


def test_an_oversized_request_is_not_answered(open_device: OpenDevice):
    device = open_device(timeouts=Timeouts(answer_s=0.1, attempts=2))
    with pytest.raises(NoAnswerError, match="did not answer Echo, sent 2 times"):
        device.echo(bytes(device.max_body_bytes + 1))
    assert device.echo(b"and it still listens") == b"and it still listens"


HELLO = messages.Hello(1).pack()


@pytest.mark.parametrize(
    ("type_", "flags", "body", "code"),
    [
        (0x7E, 0, b"", ErrorCode.REQUEST),
        (messages.Status.type | messages.REPLY, 0, b"", ErrorCode.REQUEST),
        (messages.Status.type, 1, b"", ErrorCode.REQUEST),
        (messages.Hello.type, 0, HELLO[:-1], ErrorCode.LENGTH),
        (messages.Info.type, 0, b"123", ErrorCode.LENGTH),
        (messages.Info.type, 0, b"12345", ErrorCode.LENGTH),
        (messages.Status.type, 0, b"1", ErrorCode.LENGTH),
        (messages.Reset.type, 0, b"1", ErrorCode.LENGTH),
        (messages.WriteInput.type, 0, b"1234", ErrorCode.LENGTH),
        (messages.GenerateInput.type, 0, b"", ErrorCode.LENGTH),
        (messages.Invoke.type, 0, b"12345", ErrorCode.LENGTH),
        (messages.ReadOutput.type, 0, b"123456", ErrorCode.LENGTH),
        (messages.InvokeGenerated.type, 0, b"", ErrorCode.LENGTH),
        (messages.Profile.type, 0, b"123", ErrorCode.LENGTH),
        (messages.RunToOp.type, 0, b"123", ErrorCode.LENGTH),
        (messages.ReadHeld.type, 0, b"12345", ErrorCode.LENGTH),
    ],
)
def test_malformed_requests_are_refused_with_a_sentence(
    device: Device, type_: int, flags: int, body: bytes, code: ErrorCode
):
    device.status()
    number = (device._number + 1) & 0xFFFF
    device._transport.write(encode_frame(Packet(type_, number, body, flags)))
    (reply,) = FrameDecoder().feed(device._transport.read(5.0))
    assert isinstance(reply, Packet)
    assert (reply.type, reply.number) == (messages.ERROR_REPLY, number)
    error = messages.ErrorReply.unpack(reply.body)
    assert (error.code, error.request_type) == (code, type_)
    assert error.sentence.isprintable()
    assert len(error.sentence) > 10


def test_a_greeting_of_a_later_version_is_answered(device: Device):
    """A longer greeting must do, or two versions could not tell each other which they are."""
    body = messages.Hello(77, version=9).pack() + b"more"
    device._transport.write(encode_frame(Packet(messages.Hello.type, 3, body)))
    (reply,) = FrameDecoder().feed(device._transport.read(5.0))
    assert isinstance(reply, Packet)
    assert messages.HelloReply.unpack(reply.body).version == messages.PROTOCOL_VERSION


def refuse_code(call: Callable[[], object]) -> int:
    with pytest.raises(RequestRefusedError) as caught:
        call()
    return caught.value.code


def test_nobody_verifies_garbage(device: Device):
    """No run without complete, fresh inputs; no output without a run."""
    image, extra = random_inputs(2)

    def write(index: int, offset: int, data: bytes) -> None:
        device._ask(messages.WriteInput(index, offset, data), messages.WriteInputReply)

    assert refuse_code(device.invoke) == ErrorCode.NO_INPUT
    assert refuse_code(device.read_outputs) == ErrorCode.NO_OUTPUT
    write(0, 0, image.tobytes()[:40])
    assert refuse_code(device.invoke) == ErrorCode.NO_INPUT
    assert refuse_code(lambda: write(0, 50, image.tobytes()[50:])) == ErrorCode.RANGE
    assert refuse_code(lambda: write(1, 0, extra.tobytes())) == ErrorCode.RANGE
    write(0, 40, image.tobytes()[40:])
    assert refuse_code(device.invoke) == ErrorCode.NO_INPUT
    assert refuse_code(lambda: write(1, 0, extra.tobytes() + b"x")) == ErrorCode.RANGE
    assert refuse_code(lambda: write(1, 0, b"")) == ErrorCode.RANGE
    write(1, 0, extra.tobytes())
    assert refuse_code(lambda: write(1, 7, b"x")) == ErrorCode.RANGE
    device.invoke()
    np.testing.assert_array_equal(device.read_outputs()[0], outputs((image, extra))[0])
    assert refuse_code(device.invoke) == ErrorCode.NO_INPUT
    write(0, 0, b"a")
    assert refuse_code(device.read_outputs) == ErrorCode.NO_OUTPUT
    assert runs_so_far(device) == 1


def test_a_held_tensor_goes_with_the_next_run_or_write(device: Device):
    def read_held() -> bytes:
        return device._ask(messages.ReadHeld(0, 1), messages.ReadHeldReply).data

    assert refuse_code(read_held) == ErrorCode.NO_HELD
    device.op_output(0, GeneratedInput(1))
    device.info()
    device.status()
    assert len(read_held()) == 1
    device.generate_inputs(1)
    assert refuse_code(read_held) == ErrorCode.NO_HELD


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (messages.Invoke(0), ErrorCode.RANGE),
        (messages.Profile(0, 0), ErrorCode.RANGE),
        (messages.Profile(5, 1), ErrorCode.RANGE),
        (messages.Profile(4, 2), ErrorCode.RANGE),
        (messages.Profile(0, 0xFFFF), ErrorCode.RANGE),
        (messages.RunToOp(5, 0), ErrorCode.RANGE),
        (messages.Info(0xFFFFFFFF), ErrorCode.RANGE),
        (messages.WriteInput(0xFF, 0, b"x"), ErrorCode.RANGE),
        (messages.WriteInput(0, 0xFFFFFFFF, b"x"), ErrorCode.RANGE),
    ],
)
def test_out_of_range(open_device: OpenDevice, request_: messages.Message, code: ErrorCode):
    device = open_device()
    if not isinstance(request_, messages.WriteInput):
        device.generate_inputs(3)
    with pytest.raises(RequestRefusedError) as caught:
        device._ask(request_, messages.EchoReply)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("index", "offset", "length"),
    [(2, 0, 1), (0, 11, 0), (0, 10, 1), (0, 0, 11), (0, 0xFFFFFFFF, 2), (1, 0, 0xFFFF), (1, 299, 2)],
)
def test_reading_outside_an_output(device: Device, index: int, offset: int, length: int):
    device.run_generated(1)
    request = messages.ReadOutput(index, offset, length)
    assert refuse_code(lambda: device._ask(request, messages.ReadOutputReply)) == ErrorCode.RANGE


def test_an_engine_that_refuses_its_arena(open_device: OpenDevice):
    device = open_device("init-fails")
    assert device.info().board == "fake-board"
    assert device.status().model_status == -1
    with pytest.raises(RequestRefusedError, match=r"the engine failed \(code 0x102\).*ek_status -2"):
        device.run_generated(1)
    with pytest.raises(RequestRefusedError, match="ek_status -2"):
        device.write_inputs(random_inputs(1))


def test_an_engine_that_fails_to_run(open_device: OpenDevice):
    device = open_device("invoke-fails")
    for call in (
        lambda: device.run_generated(1),
        lambda: device.run(random_inputs(1)),
        lambda: device.profile(GeneratedInput(1)),
        lambda: device.op_output(0, GeneratedInput(1)),
    ):
        with pytest.raises(RequestRefusedError, match="ek_status -3"):
            call()
        assert refuse_code(device.read_outputs) == ErrorCode.NO_OUTPUT


def test_log_text_between_frames_is_handed_on(open_device: OpenDevice):
    log: list[str] = []
    device = open_device("chatters", log=log)
    inputs = random_inputs(1)
    np.testing.assert_array_equal(device.run(inputs).outputs[0], outputs(inputs)[0])
    assert log[:2] == ["ets Jul 29 2019 12:21:46", "boot: ready"]
    assert "I (42) app: still here" in log
    assert device.statistics.log_lines == len(log)
    assert device.statistics.damaged_frames == device.statistics.retries == 0


def test_reset_restarts_and_the_next_session_is_the_first(device: Device):
    device.generate_inputs(1)
    device.reset()
    assert refuse_code(device.invoke) == ErrorCode.NO_INPUT
    assert device.info().board == "fake-board"


def test_a_device_that_cannot_reset_is_told_apart(open_device: OpenDevice):
    with pytest.raises(DeviceError, match="cannot restart itself"):
        open_device("cannot-reset").reset()


def test_a_restart_in_mid_session_is_noticed_and_reported(device: Device):
    device.generate_inputs(1)
    number = device._number
    device._transport.write(encode_frame(Packet(messages.Reset.type, (number + 1) & 0xFFFF)))
    with pytest.raises(RequestRefusedError, match=r"refused Invoke: restarted.*brown-out"):
        device.invoke()
    assert device.status().model_status == 0, "the next request starts a new session"


def test_a_new_session_forgets_inputs_outputs_and_the_held_tensor(fake_device_program: Path):
    transport = ProcessTransport(fake_device_program)
    first = Device(transport, timeouts=PATIENT)
    read_held = messages.ReadHeld(0, 1)
    first.run_generated(1)
    assert refuse_code(Device(transport, timeouts=PATIENT).read_outputs) == ErrorCode.NO_OUTPUT
    first = Device(transport, timeouts=PATIENT)
    first.op_output(0, GeneratedInput(1))
    second = Device(transport, timeouts=PATIENT)
    assert refuse_code(lambda: second._ask(read_held, messages.ReadHeldReply)) == ErrorCode.NO_HELD
    second.generate_inputs(1)
    assert refuse_code(Device(transport, timeouts=PATIENT).invoke) == ErrorCode.NO_INPUT
    transport.close()


def test_a_greeting_that_is_refused_starts_no_session(fake_device_program: Path):
    transport = ProcessTransport(fake_device_program)
    for number, (type_, code) in enumerate(
        [(messages.Hello.type, ErrorCode.LENGTH), (messages.Status.type, ErrorCode.NO_SESSION)]
    ):
        transport.write(encode_frame(Packet(type_, number, b"")))
        (reply,) = FrameDecoder().feed(transport.read(5.0))
        assert isinstance(reply, Packet)
        assert messages.ErrorReply.unpack(reply.body).code == code
    transport.close()


def test_a_second_host_takes_over_and_the_first_is_told(fake_device_program: Path):
    transport = ProcessTransport(fake_device_program)
    first, second = Device(transport, timeouts=PATIENT), Device(transport, timeouts=PATIENT)
    first.generate_inputs(1)
    second._number = (first._number + 1000) & 0xFFFF
    assert second.status().model_status == 0
    with pytest.raises(RequestRefusedError, match="Another program is talking to the same device"):
        first.invoke()
    assert runs_so_far(second) == 0
    first.close()


def test_a_host_that_starts_again_with_the_same_number_gets_no_old_answer(fake_device_program: Path):
    """The greeting carries a random nonce: no number and no earlier answer can be mistaken for it."""
    transport = ProcessTransport(fake_device_program)
    for run in range(4):
        host = Device(transport, timeouts=PATIENT)
        host._number = 41
        host.generate_inputs(run)
        host.invoke()
        np.testing.assert_array_equal(host.read_outputs()[0], outputs(generate_inputs(run, INPUT_SHAPES))[0])
    assert runs_so_far(host) == 4
    host.close()


def test_inputs_must_fit_the_model(device: Device):
    image, extra = random_inputs(1)
    with pytest.raises(UsageError, match="takes 2 inputs, 1 were given"):
        device.run([image])
    with pytest.raises(UsageError, match=r"'image:0' takes int8 of shape \(1, 4, 5, 3\)"):
        device.run([image.reshape(-1), extra])
    with pytest.raises(UsageError, match="not int32"):
        device.run([image, extra.astype(np.int32)])
    with pytest.raises(UsageError, match="seed"):
        device.run_generated(-1)
    with pytest.raises(UsageError, match="0 times"):
        device.invoke(0)


class Silence:
    """A transport with nothing at its other end; ``loops`` returns what is sent."""

    def __init__(self, loops: bool = False, text: bytes = b"") -> None:
        self.sent: list[bytes] = []
        self._loops = loops
        self._arrived = text

    def write(self, data: bytes) -> None:
        self.sent.append(data)
        if self._loops:
            self._arrived += data

    def read(self, timeout_s: float) -> bytes:
        data, self._arrived = self._arrived, b""
        return data

    def close(self) -> None:
        pass


BRIEF = Timeouts(answer_s=0.01, attempts=3, start_s=0.03, start_answer_s=0.01)


def test_no_answer_says_what_was_tried_and_what_to_check():
    transport = Silence()
    device = Device(transport, timeouts=BRIEF, name="/dev/ttyX")
    with pytest.raises(NoAnswerError, match=r"/dev/ttyX did not answer Hello, sent 3 times.*firmware.*baud"):
        device.info()
    assert len(transport.sent) == 3
    assert len(set(transport.sent)) == 1, "a request is repeated byte for byte"
    assert device.statistics.retries == 2


def test_a_loop_back_is_told_apart_from_silence():
    with pytest.raises(NoAnswerError, match="returns what is sent to it"):
        Device(Silence(loops=True), timeouts=BRIEF).info()


def test_last_words_without_a_delimiter_reach_the_log():
    log: list[str] = []
    with pytest.raises(NoAnswerError):
        Device(Silence(text=b"HardFault at 0x0800"), log.append, BRIEF).info()
    assert log == ["HardFault at 0x0800"]


def test_a_flood_of_text_is_cut_off():
    log: list[str] = []
    device = Device(Silence(text=b"x" * 600 + b"\n" + b"noise\n" * 5000), log.append, BRIEF)
    with pytest.raises(NoAnswerError):
        device.info()
    assert log == ["x" * 500 + "…", *["noise"] * 199, "(lines of text that are not shown: 4,801)"]
    assert (device.statistics.log_lines, device.statistics.log_lines_dropped) == (5001, 4801)


def test_each_request_may_print_anew():
    log: list[str] = []
    transport = Silence()
    device = Device(transport, log.append, BRIEF)
    for _ in range(2):
        transport._arrived = b"line\n" * 201
        with pytest.raises(NoAnswerError):
            device.info()
    assert log == [*["line"] * 200, "(lines of text that are not shown: 1)"] * 2
    assert device.statistics.log_lines_dropped == 2


class Answering(Silence):
    """A transport whose other end answers every request with ``reply``, given the request."""

    def __init__(self, reply: Callable[[Packet], Packet]) -> None:
        super().__init__()
        self._reply = reply

    def write(self, data: bytes) -> None:
        (packet,) = FrameDecoder().feed(data)
        assert isinstance(packet, Packet)
        self._arrived += encode_frame(self._reply(packet))


@pytest.mark.parametrize(
    ("version", "nonce_error", "max_body_bytes", "message"),
    [
        (1, 0, 512, "speaks version 1 of the link's protocol, this edgekit version 2"),
        (2, 1, 512, "did not answer Hello"),
        (2, 0, 63, "bodies of 63 bytes; 64 is the least"),
    ],
)
def test_a_greeting_is_checked(version: int, nonce_error: int, max_body_bytes: int, message: str):
    def reply(packet: Packet) -> Packet:
        nonce = messages.Hello.unpack(packet.body).nonce ^ nonce_error
        body = messages.HelloReply(nonce, version, max_body_bytes, 1).pack()
        return Packet(messages.HelloReply.type, packet.number, body)

    with pytest.raises(DeviceError, match=message):
        Device(Answering(reply), timeouts=BRIEF).status()


TENSOR = messages.TensorInfo("t", (1, 4), 4, 0.5, 0)
INFO = messages.DeviceInfo(
    contract_version=1,
    tick_unit=TickUnit.CYCLES,
    clock_hz=1,
    op_count=5,
    arena_bytes=64,
    model_sha256="ab" * 32,
    firmware_version="1",
    board="liar",
    engine="aot",
    model_name="m",
    inputs=(TENSOR,),
    outputs=(TENSOR,),
    input_row_bytes=4,
)


def lying_device(
    info: messages.DeviceInfo = INFO,
    *,
    size_bytes: int = 4,
    records: int | None = None,
    holds: tuple[int, int] | None = None,
) -> Device:
    """A device of one's own making: operators' outputs of ``size_bytes``, of which it ``holds`` (offset,
    bytes) whatever it is asked for; profiles of ``records``.
    """

    def answer(packet: Packet) -> messages.Message:
        match packet.type:
            case messages.Hello.type:
                return messages.HelloReply(messages.Hello.unpack(packet.body).nonce, 2, 512, 1)
            case messages.Info.type:
                return messages.InfoReply(len(info.pack()), info.pack())
            case messages.GenerateInput.type:
                return messages.GenerateInputReply()
            case messages.Profile.type:
                count = messages.Profile.unpack(packet.body).op_count if records is None else records
                return messages.ProfileReply(struct.pack("<IIQ", 0, size_bytes, 0) * count)
            case messages.RunToOp.type:
                return messages.RunToOpReply(
                    size_bytes, 0 if holds is None else holds[0], size_bytes if holds is None else holds[1]
                )
            case messages.ReadHeld.type:
                return messages.ReadHeldReply(bytes(messages.ReadHeld.unpack(packet.body).length))
        raise AssertionError(f"an unexpected request, {packet.type}")

    def reply(packet: Packet) -> Packet:
        message = answer(packet)
        return Packet(message.type, packet.number, message.pack())

    return Device(Answering(reply), name="the liar")


SEED = GeneratedInput(1)


@pytest.mark.parametrize("op_count", [1 << 16, 0xFFFFFFFF])
def test_more_operators_than_can_be_named_are_refused(op_count: int):
    with pytest.raises(DeviceError, match=f"its model has {op_count:,} operators"):
        lying_device(dataclasses.replace(INFO, op_count=op_count)).profile(SEED)


@pytest.mark.parametrize("records", [0, 4, 6])
def test_a_profile_of_another_number_of_operators_is_refused(records: int):
    with pytest.raises(DeviceError, match="another number of operators"):
        lying_device(records=records).profile(SEED)


@pytest.mark.parametrize("size_bytes", [(1 << 24) + 1, 0xFFFFFFFF])
def test_an_operators_output_of_a_size_that_cannot_be_is_refused(size_bytes: int):
    device = lying_device(size_bytes=size_bytes)
    with pytest.raises(DeviceError, match=f"the liar says that operator 0 writes {size_bytes:,} bytes"):
        device.profile(SEED)
    with pytest.raises(DeviceError, match=f"the liar says that operator 3 writes {size_bytes:,} bytes"):
        device.op_output(3, SEED)
    assert device.statistics.bytes_received < 2000, "nothing of it may be fetched"


@pytest.mark.parametrize("expected_size_bytes", [0, 3, 5])
def test_an_operators_output_of_another_size_than_expected_is_refused(expected_size_bytes: int):
    with pytest.raises(DeviceError, match=f"operator 3 writes 4 bytes, not {expected_size_bytes}"):
        lying_device().op_output(3, SEED, expected_size_bytes)


def test_an_operators_output_of_the_expected_size_is_fetched():
    output = lying_device().op_output(3, SEED, 4)
    assert output is not None
    assert output.tolist() == [0] * 4
    assert lying_device(size_bytes=0).op_output(3, SEED, 4) is None


@pytest.mark.parametrize("op_index", [-1, 5, 1 << 16])
def test_an_operator_that_is_not_there_is_refused_before_anything_is_sent(op_index: int):
    with pytest.raises(UsageError, match=f"no operator {op_index}; give one from 0 to 4"):
        lying_device().op_output(op_index, SEED)


@pytest.mark.parametrize("holds", [(1, 3), (0, 0), (0, 5), (0xFFFFFFFF, 1)])
def test_rows_that_do_not_follow_each_other_are_refused(holds: tuple[int, int]):
    with pytest.raises(
        DeviceError, match=r"the liar holds bytes .* of operator 3, which was run to byte 0 of 4"
    ):
        lying_device(holds=holds).op_output(3, SEED)


def test_rows_that_repeat_are_refused():
    with pytest.raises(DeviceError, match="holds bytes 0 to 2 of operator 3, which was run to byte 2 of 4"):
        lying_device(holds=(0, 2)).op_output(3, SEED)
